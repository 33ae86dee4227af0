//! The warpers that narrow a row of logits to its survivors: top-k, top-p, min-p, typical-p.
//!
//! They keep what Hugging Face's warpers of the same names keep, without sorting the vocabulary:
//! survivors stand in a list by ascending id, and each warper finds the last survivor by selection
//! in a scratch copy, then drops what ranks behind it.

use crate::{
    Parameters,
    logprob::{exp, maximum},
};

/// Values whose maximum stands for them when a lower bound of the best `k` is sought.
const BOUND_BLOCK: usize = 256;

/// A token that may still win.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) id: u32,
    pub(crate) logit: f32,
}

/// A candidate in the order of some warper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranked {
    place: Place,
    weight: f32,
}

/// Orders by a key, then by id: one integer, which makes selection twice as fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

impl Place {
    fn new(key: f32, id: u32) -> Self {
        let bits = key.to_bits();
        let ascending = if key.is_sign_negative() { !bits } else { bits | 1 << 31 };
        Self(u64::from(ascending) << 32 | u64::from(id))
    }

    /// The best logit first. Minus zero is zero here.
    fn falling(candidate: Candidate) -> Self {
        Self::new(0.0 - candidate.logit, candidate.id)
    }

    fn id(self) -> u32 {
        self.0 as u32
    }

    /// The last place of all with the same key.
    fn last_of_key(self) -> Self {
        Self(self.0 | u64::from(u32::MAX))
    }
}

/// Which warpers a request asks for. A value that changes nothing counts as absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Warpers {
    pub(crate) temperature: Option<f32>,
    pub(crate) top_k: Option<usize>,
    pub(crate) top_p: Option<f32>,
    pub(crate) min_p: Option<f32>,
    pub(crate) typical_p: Option<f32>,
}

impl Warpers {
    #[expect(clippy::float_cmp, reason = "only the neutral value itself changes nothing")]
    pub(crate) fn new(parameters: &Parameters) -> Self {
        Self {
            temperature: parameters
                .temperature
                .filter(|&value| value > 0.0 && value.is_finite() && value != 1.0),
            top_k: parameters.top_k.filter(|&k| k > 0).map(|k| k as usize),
            top_p: parameters.top_p.filter(|&p| p < 1.0),
            min_p: parameters.min_p.filter(|&p| p > 0.0),
            typical_p: parameters.typical_p.filter(|&p| p < 1.0),
        }
    }

    /// Whether a token can be dropped.
    pub(crate) fn narrow(&self) -> bool {
        self.top_k.is_some()
            || self.top_p.is_some()
            || self.min_p.is_some()
            || self.typical_p.is_some()
    }
}

/// Collects the finite logits of at least `bound`, ascending by id.
pub(crate) fn collect(row: &[f32], bound: f32, candidates: &mut Vec<Candidate>) {
    let bound = bound.max(f32::MIN);
    candidates.clear();
    for (id, &logit) in (0..).zip(row) {
        if logit >= bound {
            candidates.push(Candidate { id, logit });
        }
    }
}

/// A logit that at least `k` logits of the row reach: the `k`-th largest of its blocks' maxima.
pub(crate) fn lower_bound(row: &[f32], k: usize, maxima: &mut Vec<f32>) -> f32 {
    maxima.clear();
    maxima.extend(row.chunks(BOUND_BLOCK).map(maximum));
    match k.checked_sub(1) {
        Some(place) if k <= maxima.len() => {
            *maxima.select_nth_unstable_by(place, |left, right| right.total_cmp(left)).1
        }
        _ => f32::MIN,
    }
}

/// Keeps the `k` best, and all that tie with the last of them (`TopKLogitsWarper`).
pub(crate) fn keep_top_k(candidates: &mut Vec<Candidate>, k: usize, ranked: &mut Vec<Ranked>) {
    if k >= candidates.len() {
        return;
    }
    rank(candidates, ranked, |candidate| (Place::falling(*candidate), 0.0));
    let last = ranked.select_nth_unstable_by_key(k - 1, |ranked| ranked.place).1.place;
    candidates.retain(|&candidate| Place::falling(candidate) <= last.last_of_key());
}

/// Keeps the smallest set of the best whose share of `total` reaches `p`, at least one; of equal
/// logits the lower id goes first (`TopPLogitsWarper`, which leaves ties to its sort).
///
/// `total` is the sum of `exp(logit - max)` over all tokens that share the probability, of which
/// `candidates` may lack some that cannot be kept.
pub(crate) fn keep_top_p(
    candidates: &mut Vec<Candidate>,
    p: f32,
    max: f32,
    total: f64,
    ranked: &mut Vec<Ranked>,
) {
    rank(candidates, ranked, |candidate| (Place::falling(*candidate), exp(candidate.logit - max)));
    if let Some(last) = last_within(ranked, f64::from(p) * total) {
        candidates.retain(|&candidate| Place::falling(candidate) <= last);
    }
}

/// A logit that every token kept by [`keep_top_p`] reaches, in a row of `vocab` tokens.
///
/// All tokens below a `vocab`-th of the mass that top-p drops hold together less than that mass;
/// half of it leaves room for rounding.
pub(crate) fn top_p_bound(p: f32, max: f32, total: f64, vocab: usize) -> f32 {
    let share = 0.5 * (1.0 - f64::from(p)) * total / vocab as f64;
    (f64::from(max) + share.ln()) as f32
}

/// Keeps the tokens with at least `share` of the best one's probability, at least one
/// (`MinPLogitsWarper`; Nguyen et al. 2024). `max` is the best one's logit.
pub(crate) fn keep_min_p(candidates: &mut Vec<Candidate>, share: f32, max: f32) {
    let bound = min_p_bound(share, max);
    candidates.retain(|candidate| candidate.logit >= bound);
}

/// The least logit that [`keep_min_p`] keeps.
pub(crate) fn min_p_bound(share: f32, max: f32) -> f32 {
    max + share.ln().min(0.0)
}

/// Keeps the smallest set with mass `p` of the tokens whose information is nearest to the entropy,
/// and all that tie with the last of them (`TypicalLogitsWarper`; Meister et al. 2022).
pub(crate) fn keep_typical(
    candidates: &mut Vec<Candidate>,
    p: f32,
    max: f32,
    ranked: &mut Vec<Ranked>,
) {
    let weight = |candidate: &Candidate| exp(candidate.logit - max);
    let total: f64 = candidates.iter().map(|candidate| f64::from(weight(candidate))).sum();
    let log_total = total.ln();
    let information = |candidate: &Candidate| log_total - f64::from(candidate.logit - max);
    let entropy: f64 = candidates
        .iter()
        .map(|candidate| f64::from(weight(candidate)) / total * information(candidate))
        .sum();
    let place = |candidate: &Candidate| {
        Place::new((information(candidate) - entropy).abs() as f32, candidate.id)
    };
    rank(candidates, ranked, |candidate| (place(candidate), weight(candidate)));
    if let Some(last) = last_within(ranked, f64::from(p) * total) {
        candidates.retain(|candidate| place(candidate) <= last.last_of_key());
    }
}

/// The `n` best, best first, of equal logits the lower id first.
pub(crate) fn best<'a>(
    candidates: &'a [Candidate],
    n: usize,
    ranked: &'a mut Vec<Ranked>,
) -> impl Iterator<Item = Candidate> + 'a {
    rank(candidates, ranked, |candidate| (Place::falling(*candidate), 0.0));
    if n > 0 && n < ranked.len() {
        ranked.select_nth_unstable_by_key(n - 1, |ranked| ranked.place);
    }
    ranked.truncate(n);
    ranked.sort_unstable_by_key(|ranked| ranked.place);
    ranked.iter().filter_map(|ranked| {
        let place = candidates.binary_search_by_key(&ranked.place.id(), |candidate| candidate.id);
        Some(candidates[place.ok()?])
    })
}

fn rank(
    candidates: &[Candidate],
    ranked: &mut Vec<Ranked>,
    place_and_weight: impl Fn(&Candidate) -> (Place, f32),
) {
    ranked.clear();
    ranked.extend(candidates.iter().map(|candidate| {
        let (place, weight) = place_and_weight(candidate);
        Ranked { place, weight }
    }));
}

/// The last place before which less than `target` weight stands; at least the first.
///
/// A binary search whose halves are made by selection: linear in the length.
fn last_within(ranked: &mut [Ranked], target: f64) -> Option<Place> {
    let (mut low, mut high, mut mass) = (0, ranked.len(), 0.0);
    while high - low > 1 {
        let middle = low.midpoint(high);
        ranked[low..high].select_nth_unstable_by_key(middle - low, |ranked| ranked.place);
        let ahead: f64 = ranked[low..middle].iter().map(|ranked| f64::from(ranked.weight)).sum();
        if mass + ahead < target {
            mass += ahead;
            low = middle;
        } else {
            high = middle;
        }
    }
    ranked.get(low).map(|ranked| ranked.place)
}

#[cfg(test)]
mod tests;
