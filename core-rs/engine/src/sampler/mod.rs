//! From a row of logits to a token: penalties, warpers, choice, log-probability.

mod adjust;
mod draw;
mod mersenne;
mod scratch;
mod seen;
mod watermark;

use tgi_backend::Peak;

use crate::{
    Parameters, Profile,
    logprob::{BLOCK, exp, log_probability, maximum, sum_exp, sum_exp_block},
    philox::uniform,
    warpers::{
        Candidate, Warpers, best, collect, keep_min_p, keep_top_k, keep_top_p, keep_typical,
        lower_bound, min_p_bound, top_p_bound,
    },
};

use adjust::{Adjustments, keep_allowed};
pub use scratch::Scratch;
use seen::SeenTokens;
use watermark::Green;

/// What a logit of plus infinity becomes: larger than any, and still finite when it is scaled.
const CEILING: f32 = 1e30;

/// A token and its natural log-probability after all warpers, or before where that is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampled {
    /// Vocabulary id.
    pub id: u32,
    /// At most 0.
    pub logprob: f32,
}

/// The sampling rules and the state of one sequence.
///
/// The choice depends on the row, the parameters, the tokens accepted so far, the seed and the
/// position, and on nothing else: equal inputs give equal bytes.
#[derive(Clone, Debug)]
pub struct Sampler {
    profile: Profile,
    warpers: Warpers,
    seen: SeenTokens,
    adjustments: Adjustments,
    watermark: Option<Green>,
    seed: Option<u64>,
    top_n: usize,
    /// Report the row as it came.
    raw: bool,
    /// The most likely token wins, and nothing changes or reports the row.
    plain: bool,
    /// A draw says all that is done.
    drawable: bool,
}

impl Sampler {
    /// Rules for a request; counts the `prompt` for the penalties.
    ///
    /// Takes the memory for `max_new_tokens` accepted tokens here, when penalties need any.
    pub fn new(
        parameters: &Parameters,
        profile: Profile,
        prompt: &[u32],
        max_new_tokens: u32,
        seed: u64,
    ) -> Self {
        let seen = SeenTokens::new(parameters, prompt, max_new_tokens);
        let adjustments = Adjustments::new(parameters, max_new_tokens);
        let plain = !parameters.is_sampling()
            && !seen.is_active()
            && !adjustments.is_active()
            && parameters.watermark.is_none()
            && parameters.top_n_tokens == 0
            && !parameters.raw_logprobs;
        let mut sampler = Self {
            profile,
            warpers: Warpers::new(parameters),
            seen,
            adjustments,
            plain,
            drawable: false,
            watermark: parameters.watermark.map(|mark| Green::new(mark, prompt)),
            seed: parameters.is_sampling().then_some(seed),
            top_n: parameters.top_n_tokens as usize,
            raw: parameters.raw_logprobs,
        };
        sampler.drawable = sampler.can_draw();
        sampler
    }

    /// The same, but samples none of `ends` before `least` other tokens.
    #[must_use]
    pub fn without_end_before(mut self, least: u32, ends: &[u32]) -> Self {
        self.adjustments.ban_ends_before(least, ends);
        self.plain &= least == 0;
        self.drawable &= least == 0;
        self
    }

    /// Whether the [`Peak`] of a row is all that it takes.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// What [`Self::sample`] does, from the peak of the row, when the sampler is plain. The
    /// log-probability may differ from that of the row in its last bits.
    pub fn take(&self, peak: Peak, scratch: &mut Scratch) -> Sampled {
        scratch.top.clear();
        Sampled { id: peak.id, logprob: log_probability(0.0, 0.0, peak.sum_exp) }
    }

    /// The seed, when tokens are sampled and not just the most likely ones taken.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// Counts `id` as part of the output; its turn is after each sampled token that stays.
    pub fn accept(&mut self, id: u32) {
        self.seen.push(id);
        self.adjustments.push(id);
        if let Some(watermark) = &mut self.watermark {
            watermark.push(id);
        }
    }

    /// Chooses the token at `position` of the sequence from its row of logits, `[vocab]`.
    ///
    /// The order is the profile's. 0.3.1: watermark, bias, grammar, temperature, top-k, top-p, min-p,
    /// typical-p, penalties; 3.3: watermark, penalties, bias, grammar, temperature, top-k, top-p,
    /// min-p, typical-p, where bias stands for all that is added to single logits. Without sampling the largest logit wins, of
    /// equal ones the lowest id; with sampling the inverse of the cumulative distribution over the
    /// survivors by id, at the Philox number of seed and position. NaN counts as impossible.
    ///
    /// The row is changed in place. The top tokens are left in [`Scratch::top`].
    pub fn sample(&self, logits: &mut [f32], position: u32, scratch: &mut Scratch) -> Sampled {
        self.sample_allowed(logits, position, None, scratch)
    }

    /// The same among the tokens that a grammar allows: a bit a token, from the lowest of each word
    /// on. What lies behind the last word is not allowed.
    pub fn sample_allowed(
        &self,
        logits: &mut [f32],
        position: u32,
        allowed: Option<&[u32]>,
        scratch: &mut Scratch,
    ) -> Sampled {
        scratch.top.clear();
        if self.raw {
            scratch.raw.clear();
            scratch.raw.extend_from_slice(logits);
        }
        if let Some(watermark) = &self.watermark {
            watermark.lift(logits, &mut scratch.permutation);
        }
        if self.profile == Profile::V3_3 {
            self.penalize_row(logits);
        }
        self.adjustments.apply(logits);
        if let Some(allowed) = allowed {
            keep_allowed(logits, allowed);
        }
        let sampled = self.sample_warped(logits, position, scratch);
        if self.raw { self.report_raw(sampled.id, scratch) } else { sampled }
    }

    fn sample_warped(&self, logits: &mut [f32], position: u32, scratch: &mut Scratch) -> Sampled {
        let point = self.seed.map(|seed| uniform(seed, position));
        if let Some(temperature) = self.warpers.temperature {
            for logit in logits.iter_mut() {
                *logit /= temperature;
            }
        }
        match point {
            Some(point) if self.warpers.narrow() => self.sample_narrowed(logits, point, scratch),
            _ => self.sample_row(logits, point, scratch),
        }
    }

    /// Every token may win.
    fn sample_row(&self, row: &mut [f32], point: Option<f64>, scratch: &mut Scratch) -> Sampled {
        if self.profile == Profile::V0_3 {
            self.penalize_row(row);
        }
        let max = finite_maximum(row);
        let (id, sum) = match point {
            None => (first_of(row, max), sum_exp(row, max)),
            Some(point) => invert_row(row, max, point, &mut scratch.block_sums),
        };
        if self.top_n > 0 {
            let bound = lower_bound(row, self.top_n, &mut scratch.blocks);
            collect(row, bound, &mut scratch.candidates);
            self.report_top(max, sum, scratch);
        }
        Sampled { id: id as u32, logprob: log_probability(row[id], max, sum) }
    }

    /// Top-k, top-p or typical-p leave some tokens only.
    fn sample_narrowed(&self, row: &mut [f32], point: f64, scratch: &mut Scratch) -> Sampled {
        self.narrow(row, scratch);
        if self.profile == Profile::V0_3 {
            self.penalize_candidates(&mut scratch.candidates);
        }
        let candidates = &scratch.candidates;
        let max = candidates.iter().fold(f32::NEG_INFINITY, |max, c| max.max(c.logit));
        let sum = total(candidates, max);
        let winner = invert(candidates, max, point * sum);
        if self.top_n > 0 {
            self.report_top(max, sum, scratch);
        }
        Sampled { id: winner.id, logprob: log_probability(winner.logit, max, sum) }
    }

    /// Leaves the survivors in `scratch.candidates`, at least one.
    fn narrow(&self, row: &mut [f32], scratch: &mut Scratch) {
        let Scratch { candidates, ranked, blocks, .. } = scratch;
        let max = finite_maximum(row);
        let Warpers { top_k, top_p, min_p, typical_p, .. } = self.warpers;
        if let Some(k) = top_k {
            collect(row, lower_bound(row, k, blocks), candidates);
            keep_top_k(candidates, k, ranked);
            if let Some(p) = top_p {
                let sum = total(candidates, max);
                keep_top_p(candidates, p, max, sum, ranked);
            }
        } else if let Some(p) = top_p {
            let sum = sum_exp(row, max);
            collect(row, top_p_bound(p, max, sum, row.len()), candidates);
            keep_top_p(candidates, p, max, sum, ranked);
        } else {
            let bound = min_p.map_or(f32::MIN, |share| min_p_bound(share, max));
            collect(row, bound, candidates);
        }
        if let Some(share) = min_p {
            keep_min_p(candidates, share, max);
        }
        if let Some(p) = typical_p {
            keep_typical(candidates, p, max, ranked);
        }
    }

    fn penalize_row(&self, row: &mut [f32]) {
        for &(id, count) in self.seen.counts() {
            if let Some(logit) = row.get_mut(id as usize) {
                *logit = self.seen.penalized(*logit, count);
            }
        }
    }

    fn penalize_candidates(&self, candidates: &mut [Candidate]) {
        for &(id, count) in self.seen.counts() {
            if let Ok(place) = candidates.binary_search_by_key(&id, |candidate| candidate.id) {
                let logit = &mut candidates[place].logit;
                *logit = self.seen.penalized(*logit, count).clamp(-CEILING, CEILING);
            }
        }
    }

    /// The token and the top tokens with the probabilities of the row as it came.
    fn report_raw(&self, id: u32, scratch: &mut Scratch) -> Sampled {
        let mut row = std::mem::take(&mut scratch.raw);
        let max = finite_maximum(&mut row);
        let sum = sum_exp(&row, max);
        if self.top_n > 0 {
            scratch.top.clear();
            let bound = lower_bound(&row, self.top_n, &mut scratch.blocks);
            collect(&row, bound, &mut scratch.candidates);
            self.report_top(max, sum, scratch);
        }
        let logprob = log_probability(row[id as usize], max, sum);
        scratch.raw = row;
        Sampled { id, logprob }
    }

    fn report_top(&self, max: f32, sum: f64, scratch: &mut Scratch) {
        let Scratch { candidates, ranked, top, .. } = scratch;
        top.extend(best(candidates, self.top_n, ranked).map(|candidate| Sampled {
            id: candidate.id,
            logprob: log_probability(candidate.logit, max, sum),
        }));
    }
}

/// The maximum of the row, which is repaired first when there is no finite one: plus infinity
/// becomes [`CEILING`], NaN becomes minus infinity, and a row without any number becomes all zeros.
fn finite_maximum(row: &mut [f32]) -> f32 {
    let max = maximum(row);
    if max.is_finite() {
        return max;
    }
    if max == f32::NEG_INFINITY {
        row.fill(0.0);
        return 0.0;
    }
    for logit in row {
        *logit = if logit.is_nan() { f32::NEG_INFINITY } else { logit.min(CEILING) };
    }
    CEILING
}

/// The lowest index of the maximum, found by chunks because comparing a whole one is vector code.
fn first_of(row: &[f32], max: f32) -> usize {
    const CHUNK: usize = 1024;
    let chunk = row.chunks(CHUNK).position(|chunk| maximum(chunk) >= max).unwrap_or(0);
    let start = chunk * CHUNK;
    start + row[start..].iter().position(|&logit| logit >= max).unwrap_or(0)
}

/// Sum of `exp(logit - max)`, by ascending id.
fn total(candidates: &[Candidate], max: f32) -> f64 {
    candidates.iter().map(|candidate| f64::from(exp(candidate.logit - max))).sum()
}

/// The candidate at which the running sum of `exp(logit - max)` passes `target`.
fn invert(candidates: &[Candidate], max: f32, target: f64) -> Candidate {
    let mut winner = Candidate { id: 0, logit: f32::NEG_INFINITY };
    let mut passed = 0.0;
    for &candidate in candidates {
        let weight = f64::from(exp(candidate.logit - max));
        passed += weight;
        if weight > 0.0 {
            winner = candidate;
        }
        if passed > target {
            break;
        }
    }
    winner
}

/// The same over a whole row at `point` of its sum: the index, and the sum.
///
/// Whole blocks are passed by their sums. Where a block's own running sum rounds below its sum, its
/// last possible token wins.
fn invert_row(row: &[f32], max: f32, point: f64, sums: &mut Vec<f64>) -> (usize, f64) {
    sums.clear();
    sums.extend(row.chunks(BLOCK).map(|block| sum_exp_block(block, max)));
    let sum: f64 = sums.iter().sum();
    let mut target = point * sum;
    for (index, &block_sum) in sums.iter().enumerate() {
        if block_sum <= target {
            target -= block_sum;
            continue;
        }
        let start = index * BLOCK;
        let (mut winner, mut passed) = (start, 0.0);
        for (id, &logit) in (start..).zip(&row[start..(start + BLOCK).min(row.len())]) {
            let weight = f64::from(exp(logit - max));
            passed += weight;
            if weight > 0.0 {
                winner = id;
            }
            if passed > target {
                break;
            }
        }
        return (winner, sum);
    }
    (first_of(row, max), sum)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the last bit is what is promised")]
mod tests;
