use tgi_backend::Draw;

use crate::Parameters;

/// The tokens of prompt and output, counted, with the penalties that they earn.
#[derive(Clone, Debug)]
pub(super) struct SeenTokens {
    repetition: Option<f32>,
    frequency: Option<f32>,
    /// Ascending by id.
    counts: Vec<(u32, u32)>,
    /// Tokens seen, repeats included.
    length: u32,
}

impl SeenTokens {
    /// Counts the prompt, and takes the memory for `max_new_tokens` more; nothing at all when the
    /// request has no penalty.
    #[expect(clippy::float_cmp, reason = "only the neutral value itself changes nothing")]
    pub(super) fn new(parameters: &Parameters, prompt: &[u32], max_new_tokens: u32) -> Self {
        let mut seen = Self {
            repetition: parameters.repetition_penalty.filter(|&penalty| penalty != 1.0),
            frequency: parameters.frequency_penalty.filter(|&penalty| penalty != 0.0),
            counts: Vec::new(),
            length: 0,
        };
        if seen.is_active() {
            let mut sorted = prompt.to_vec();
            sorted.sort_unstable();
            seen.counts.reserve_exact(prompt.len() + max_new_tokens as usize);
            seen.counts.extend(
                sorted.chunk_by(|left, right| left == right).map(|run| (run[0], run.len() as u32)),
            );
            seen.length = prompt.len() as u32;
        }
        seen
    }

    /// Whether there is a penalty at all.
    pub(super) fn is_active(&self) -> bool {
        self.repetition.is_some() || self.frequency.is_some()
    }

    /// Counts one more token.
    pub(super) fn push(&mut self, id: u32) {
        if !self.is_active() {
            return;
        }
        self.length += 1;
        match self.counts.binary_search_by_key(&id, |&(seen, _)| seen) {
            Ok(place) => self.counts[place].1 += 1,
            Err(place) => self.counts.insert(place, (id, 1)),
        }
    }

    /// The tokens seen with their counts, ascending by id; none when there is no penalty.
    pub(super) fn counts(&self) -> &[(u32, u32)] {
        &self.counts
    }

    /// Most entries of [`Self::counts`].
    pub(super) fn most(&self) -> usize {
        self.counts.capacity()
    }

    /// The same draw with the penalties, if there are any; see [`Self::penalized`].
    pub(super) fn penalize(&self, draw: Draw) -> Draw {
        if !self.is_active() {
            return draw;
        }
        let frequency = self.frequency.map_or(0.0, |penalty| penalty / self.length.max(1) as f32);
        Draw { repetition: self.repetition.unwrap_or(1.0), frequency, ..draw }
    }

    /// The logit of a token that was seen `count` times.
    ///
    /// Repetition is Hugging Face's rule (CTRL, Keskar et al. 2019): a positive logit is divided, a
    /// negative one multiplied. Frequency is TGI's: `penalty * count / length` is taken off.
    pub(super) fn penalized(&self, mut logit: f32, count: u32) -> f32 {
        if let Some(penalty) = self.repetition {
            logit = if logit < 0.0 { logit * penalty } else { logit / penalty };
        }
        if let Some(penalty) = self.frequency {
            logit -= penalty * (count as f32 / self.length as f32);
        }
        logit
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the last bit is what is promised")]
mod tests {
    use super::*;

    fn penalized(parameters: &Parameters, prompt: &[u32], output: &[u32]) -> [f32; 4] {
        let mut seen = SeenTokens::new(parameters, prompt, output.len() as u32);
        for &id in output {
            seen.push(id);
        }
        let mut row = [2.0, -2.0, 3.0, 0.5];
        for &(id, count) in seen.counts() {
            if let Some(logit) = row.get_mut(id as usize) {
                *logit = seen.penalized(*logit, count);
            }
        }
        row
    }

    #[test]
    fn repetition_divides_positive_and_multiplies_negative_logits_once() {
        let parameters = Parameters { repetition_penalty: Some(2.0), ..Parameters::default() };
        assert_eq!(penalized(&parameters, &[0, 0, 9], &[1]), [1.0, -4.0, 3.0, 0.5]);
    }

    #[test]
    fn frequency_takes_off_the_share_of_the_token() {
        let parameters = Parameters { frequency_penalty: Some(1.0), ..Parameters::default() };
        assert_eq!(penalized(&parameters, &[0, 2, 2], &[2]), [1.75, -2.0, 2.25, 0.5]);
    }

    #[test]
    fn neutral_penalties_count_nothing() {
        let parameters = Parameters {
            repetition_penalty: Some(1.0),
            frequency_penalty: Some(0.0),
            ..Parameters::default()
        };
        assert!(!SeenTokens::new(&parameters, &[1], 5).is_active());
        assert_eq!(penalized(&parameters, &[0], &[1]), [2.0, -2.0, 3.0, 0.5]);
    }

    #[test]
    fn no_memory_is_taken_after_the_start() {
        let parameters = Parameters { repetition_penalty: Some(2.0), ..Parameters::default() };
        let mut seen = SeenTokens::new(&parameters, &[5, 6], 100);
        let capacity = seen.counts.capacity();
        for id in (0..100).rev() {
            seen.push(id);
        }
        assert_eq!(seen.counts.capacity(), capacity);
        assert!(seen.counts.is_sorted());
    }
}
