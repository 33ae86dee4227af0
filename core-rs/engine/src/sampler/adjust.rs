use tgi_backend::Draw;

use crate::Parameters;

/// What is done to single logits before any warper: `OpenAI`'s bias and penalties, and the ban of
/// the end before the least length.
#[derive(Clone, Debug)]
pub(super) struct Adjustments {
    /// Ascending by id.
    bias: Vec<(u32, f32)>,
    presence: f32,
    frequency: f32,
    /// Generated tokens and how often, ascending by id; empty when no penalty needs it.
    counts: Vec<(u32, u32)>,
    /// Tokens that end a text.
    ends: Vec<u32>,
    /// Tokens to generate before the text may end.
    least: u32,
    generated: u32,
}

impl Adjustments {
    /// Takes the memory for `max_new_tokens` tokens here, when penalties need any.
    pub(super) fn new(parameters: &Parameters, max_new_tokens: u32) -> Self {
        let presence = parameters.presence_penalty.unwrap_or_default();
        let frequency = parameters.openai_frequency_penalty.unwrap_or_default();
        let counted = presence != 0.0 || frequency != 0.0;
        Self {
            bias: parameters.logit_bias.iter().map(|(&id, &bias)| (id, bias)).collect(),
            presence,
            frequency,
            counts: Vec::with_capacity(if counted { max_new_tokens as usize } else { 0 }),
            ends: Vec::new(),
            least: 0,
            generated: 0,
        }
    }

    /// No token of `ends` is sampled before `least` others.
    pub(super) fn ban_ends_before(&mut self, least: u32, ends: &[u32]) {
        self.least = least;
        self.ends = ends.to_vec();
    }

    /// Whether anything is ever done, the ban of the end apart.
    pub(super) fn is_active(&self) -> bool {
        self.has_bias() || self.counts_tokens()
    }

    /// Whether single tokens have a bias.
    pub(super) fn has_bias(&self) -> bool {
        !self.bias.is_empty()
    }

    /// Whether a penalty counts the generated tokens.
    pub(super) fn counts_tokens(&self) -> bool {
        self.presence != 0.0 || self.frequency != 0.0
    }

    /// The generated tokens with their counts, ascending by id; none when there is no penalty.
    pub(super) fn counts(&self) -> &[(u32, u32)] {
        &self.counts
    }

    /// Most entries of [`Self::counts`].
    pub(super) fn most(&self) -> usize {
        self.counts.capacity()
    }

    /// The same draw with the penalties, if there are any.
    pub(super) fn penalize(&self, draw: Draw) -> Draw {
        if !self.counts_tokens() {
            return draw;
        }
        Draw { frequency: self.frequency, presence: self.presence, ..draw }
    }

    /// Counts a generated token.
    pub(super) fn push(&mut self, id: u32) {
        self.generated = self.generated.saturating_add(1);
        if !self.counts_tokens() {
            return;
        }
        match self.counts.binary_search_by_key(&id, |&(seen, _)| seen) {
            Ok(place) => self.counts[place].1 += 1,
            Err(place) => self.counts.insert(place, (id, 1)),
        }
    }

    /// Changes the row of the next token, `[vocab]`.
    ///
    /// The penalties are those of `OpenAI`'s API reference:
    /// `logit - count * frequency_penalty - (count > 0) * presence_penalty`.
    pub(super) fn apply(&self, row: &mut [f32]) {
        for &(id, count) in &self.counts {
            if let Some(logit) = row.get_mut(id as usize) {
                *logit -= count as f32 * self.frequency + self.presence;
            }
        }
        for &(id, bias) in &self.bias {
            if let Some(logit) = row.get_mut(id as usize) {
                *logit += bias;
            }
        }
        if self.generated < self.least {
            for &id in &self.ends {
                if let Some(logit) = row.get_mut(id as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
    }
}

/// Makes every token impossible whose bit in `allowed` is not set. Where the row leaves none of the
/// others possible, all of them are equally likely.
pub(super) fn keep_allowed(row: &mut [f32], allowed: &[u32]) {
    let words = allowed.iter().copied().chain(std::iter::repeat(0));
    let mut possible = false;
    for (chunk, word) in row.chunks_mut(32).zip(words.clone()) {
        for (bit, logit) in chunk.iter_mut().enumerate() {
            if word >> bit & 1 == 0 {
                *logit = f32::NEG_INFINITY;
            }
            possible |= *logit > f32::NEG_INFINITY;
        }
    }
    if possible {
        return;
    }
    for (chunk, word) in row.chunks_mut(32).zip(words) {
        for (bit, logit) in chunk.iter_mut().enumerate() {
            if word >> bit & 1 == 1 {
                *logit = 0.0;
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the last bit is what is promised")]
mod tests {
    use super::*;

    fn adjusted(adjustments: &Adjustments) -> [f32; 4] {
        let mut row = [1.0, 2.0, 3.0, 4.0];
        adjustments.apply(&mut row);
        row
    }

    #[test]
    fn penalties_follow_what_was_generated() {
        let parameters = Parameters {
            presence_penalty: Some(0.5),
            openai_frequency_penalty: Some(0.25),
            ..Parameters::default()
        };
        let mut adjustments = Adjustments::new(&parameters, 8);
        assert_eq!(adjusted(&adjustments), [1.0, 2.0, 3.0, 4.0]);
        for id in [2, 0, 2, 9] {
            adjustments.push(id);
        }
        assert_eq!(adjusted(&adjustments), [0.25, 2.0, 2.0, 4.0]);
    }

    #[test]
    fn a_bias_is_added_to_its_token() {
        let logit_bias = [(1, -100.0), (3, 1.5), (9, 1.0)].into();
        let parameters = Parameters { logit_bias, ..Parameters::default() };
        assert_eq!(adjusted(&Adjustments::new(&parameters, 8)), [1.0, -98.0, 3.0, 5.5]);
    }

    #[test]
    fn the_end_is_impossible_before_the_least_length() {
        let mut adjustments = Adjustments::new(&Parameters::default(), 8);
        adjustments.ban_ends_before(2, &[1, 9]);
        adjustments.push(0);
        assert_eq!(adjusted(&adjustments)[1], f32::NEG_INFINITY);
        adjustments.push(0);
        assert_eq!(adjusted(&adjustments)[1], 2.0);
    }

    #[test]
    fn what_is_not_allowed_is_impossible() {
        let mut row = vec![1.0; 70];
        keep_allowed(&mut row, &[1 << 5, 0, 1 << 2]);
        let left: Vec<usize> = (0..70).filter(|&id| row[id] == 1.0).collect();
        assert_eq!(left, [5, 66]);
        let mut row = vec![1.0; 70];
        keep_allowed(&mut row, &[2]);
        assert!(row[32..].iter().all(|&logit| logit == f32::NEG_INFINITY), "past the mask's end");
    }

    #[test]
    fn allowed_tokens_that_are_impossible_share_the_probability() {
        let mut row = [f32::NAN, 5.0, f32::NEG_INFINITY, 1.0];
        keep_allowed(&mut row, &[0b0101]);
        assert_eq!(row, [0.0, f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY]);
    }
}
