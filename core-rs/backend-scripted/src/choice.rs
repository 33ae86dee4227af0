//! Which token a row gives: the arithmetic of [`Draw`] in double precision, by plain sorting.

use tgi_backend::{Batch, Draw, Drawn, Peak, RankedToken, SeenToken};

/// Peaks, draws and their best tokens, row by row of a step.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    pub(crate) peaks: Vec<Option<Peak>>,
    pub(crate) drawn: Vec<Option<Drawn>>,
    pub(crate) tops: Vec<RankedToken>,
    /// Tokens that may win.
    left: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: u32,
    logit: f64,
}

impl Choices {
    /// Forgets the last step; the next has `rows` rows.
    pub(crate) fn clear(&mut self, rows: usize) {
        self.peaks.clear();
        self.peaks.resize(rows, None);
        self.drawn.clear();
        self.drawn.resize(rows, None);
        self.tops.clear();
    }

    /// The token of a row, if it has one.
    pub(crate) fn token(&self, row: usize) -> Option<u32> {
        let peak = self.peaks.get(row).copied().flatten().map(|peak| peak.id);
        peak.or_else(|| Some(self.drawn.get(row)?.as_ref()?.token.id))
    }

    /// Finds what `batch` asks for of its wanted row `row`, and says whether it asks for anything.
    pub(crate) fn choose(&mut self, batch: &Batch, row: usize, logits: &[f32]) -> bool {
        if batch.peak_rows.binary_search(&(row as u32)).is_ok() {
            self.left.clear();
            self.left.extend(candidates(logits));
            sort_best_first(&mut self.left);
            let sum_exp = total(&self.left);
            self.peaks[row] = self.left.first().map(|best| Peak { id: best.id, sum_exp });
            return true;
        }
        let Ok(place) = batch.draws.binary_search_by_key(&(row as u32), |draw| draw.row) else {
            return false;
        };
        let draw = &batch.draws[place];
        self.draw(draw, &batch.seen[draw.seen.clone()], logits);
        true
    }

    fn draw(&mut self, draw: &Draw, seen: &[SeenToken], logits: &[f32]) {
        self.left.clear();
        self.left.extend(candidates(logits));
        for candidate in &mut self.left {
            if let Some(seen) = seen.iter().find(|seen| seen.id == candidate.id) {
                candidate.logit = penalized(draw, seen.count, candidate.logit);
            }
            if draw.seed.is_some() {
                candidate.logit /= f64::from(draw.temperature);
            }
        }
        sort_best_first(&mut self.left);
        let Some(best) = self.left.first().copied() else { return };
        if draw.seed.is_some() {
            keep_survivors(draw, &mut self.left);
        }
        let sum = total(&self.left);
        let ranked = |candidate: &Candidate| RankedToken {
            id: candidate.id,
            logprob: (candidate.logit - best.logit - sum.ln()) as f32,
        };
        let first = self.tops.len();
        self.tops.extend(self.left.iter().take(draw.top as usize).map(ranked));
        let top = first..self.tops.len();
        let winner = draw.seed.map_or(best, |seed| {
            let point = uniform(seed, draw.position) * sum;
            self.left.sort_unstable_by_key(|candidate| candidate.id);
            let mut passed = 0.0;
            let past = self.left.iter().find(|candidate| {
                passed += (candidate.logit - best.logit).exp();
                passed > point
            });
            past.copied().unwrap_or(best)
        });
        self.drawn[draw.row as usize] = Some(Drawn { token: ranked(&winner), top });
    }
}

fn candidates(logits: &[f32]) -> impl Iterator<Item = Candidate> {
    (0..).zip(logits).map(|(id, &logit)| Candidate { id, logit: f64::from(logit) })
}

/// Of equal logits the lower id first.
fn sort_best_first(candidates: &mut [Candidate]) {
    candidates.sort_unstable_by(|a, b| b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id)));
}

/// Sum of `exp(logit - best)` over candidates, the best of them first.
fn total(candidates: &[Candidate]) -> f64 {
    let best = candidates.first().map_or(0.0, |best| best.logit);
    candidates.iter().map(|candidate| (candidate.logit - best).exp()).sum()
}

fn penalized(draw: &Draw, count: u32, logit: f64) -> f64 {
    let repetition = f64::from(draw.repetition);
    let repeated = if logit < 0.0 { logit * repetition } else { logit / repetition };
    repeated - f64::from(count) * f64::from(draw.frequency) - f64::from(draw.presence)
}

/// Top-k, top-p and min-p, of candidates best first.
fn keep_survivors(draw: &Draw, left: &mut Vec<Candidate>) {
    let best = left[0].logit;
    if let Some(last) = (draw.top_k as usize).checked_sub(1).and_then(|place| left.get(place)) {
        let last = last.logit;
        left.retain(|candidate| candidate.logit >= last);
    }
    if draw.top_p < 1.0 {
        let (target, mut mass) = (f64::from(draw.top_p) * total(left), 0.0);
        let whole = left.iter().position(|candidate| {
            mass += (candidate.logit - best).exp();
            mass >= target
        });
        left.truncate(whole.map_or(left.len(), |place| place + 1));
    }
    if draw.min_p > 0.0 {
        let least = best + f64::from(draw.min_p).ln().min(0.0);
        left.retain(|candidate| candidate.logit >= least);
    }
}

/// The number in `0.0..1.0` of a position: Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011).
fn uniform(seed: u64, position: u32) -> f64 {
    let (mut counter, mut key) = ([position, 0, 0, 0], [seed as u32, (seed >> 32) as u32]);
    for _ in 0..10 {
        let low = u64::from(counter[0]) * 0xD251_1F53;
        let high = u64::from(counter[2]) * 0xCD9E_8D57;
        let word = |product: u64, other: u32, key: u32| (product >> 32) as u32 ^ other ^ key;
        counter = [
            word(high, counter[1], key[0]),
            high as u32,
            word(low, counter[3], key[1]),
            low as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    let bits = (u64::from(counter[1]) << 32 | u64::from(counter[0])) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: [f32; 5] = [1.0, 3.0, 2.0, 3.0, 0.0];

    fn drawn(draw: &Draw, seen: &[SeenToken]) -> (RankedToken, Vec<RankedToken>) {
        let mut choices = Choices::default();
        choices.clear(1);
        choices.draw(draw, seen, &ROW);
        let drawn = choices.drawn[0].clone().unwrap();
        (drawn.token, choices.tops[drawn.top].to_vec())
    }

    fn sampling(position: u32) -> Draw {
        Draw { seed: Some(1), top: 5, ..Draw::greedy(0, position) }
    }

    /// The ids that may win, best first.
    fn left(change: impl FnOnce(Draw) -> Draw) -> Vec<u32> {
        drawn(&change(sampling(0)), &[]).1.iter().map(|top| top.id).collect()
    }

    #[test]
    fn the_published_known_answer_comes_out() {
        // Of Random123's `philox4x32 10`: the words 6627e8d5 and e169c58d.
        let bits = (0xe169_c58d_u64 << 32 | 0x6627_e8d5) >> 11;
        assert!((uniform(0, 0) - bits as f64 / (1u64 << 53) as f64).abs() < f64::EPSILON);
    }

    #[test]
    fn warpers_leave_what_they_say() {
        assert_eq!(left(|draw| draw), [1, 3, 2, 0, 4]);
        assert_eq!(left(|draw| Draw { top_k: 1, ..draw }), [1, 3], "a tie stays");
        assert_eq!(left(|draw| Draw { top_p: 0.5, ..draw }), [1, 3]);
        assert_eq!(left(|draw| Draw { min_p: 0.3, ..draw }), [1, 3, 2]);
    }

    #[test]
    fn penalties_come_first_and_greedy_knows_no_warper() {
        let seen = [SeenToken { id: 1, count: 2 }, SeenToken { id: 3, count: 1 }];
        let greedy = Draw { top_k: 1, temperature: 9.0, top: 3, ..Draw::greedy(0, 0) };
        let penalized = Draw { repetition: 2.0, frequency: 0.25, presence: 0.125, ..greedy };
        let (token, top) = drawn(&penalized, &seen);
        assert_eq!(token.id, 2);
        assert_eq!(top.iter().map(|top| top.id).collect::<Vec<_>>(), [2, 3, 0]);
        assert!((top[1].logprob - top[0].logprob - (1.125 - 2.0)).abs() < 1e-6);
    }

    #[test]
    fn tokens_come_as_often_as_their_probability_says() {
        let mut counts = [0.0_f64; 5];
        for position in 0..20_000 {
            counts[drawn(&sampling(position), &[]).0.id as usize] += 1.0;
        }
        for top in drawn(&sampling(0), &[]).1 {
            let want = f64::from(top.logprob).exp() * 20_000.0;
            assert!((counts[top.id as usize] - want).abs() < 5.0 * want.sqrt(), "{counts:?}");
        }
    }
}
