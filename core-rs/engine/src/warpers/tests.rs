use proptest::prelude::*;

use super::*;

fn candidates(row: &[f32]) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    collect(row, f32::MIN, &mut candidates);
    candidates
}

fn ids(candidates: &[Candidate]) -> Vec<u32> {
    candidates.iter().map(|candidate| candidate.id).collect()
}

fn weight_sum(candidates: &[Candidate], max: f32) -> f64 {
    candidates.iter().map(|candidate| f64::from(exp(candidate.logit - max))).sum()
}

fn top_k(row: &[f32], k: usize) -> Vec<u32> {
    let mut candidates = candidates(row);
    keep_top_k(&mut candidates, k, &mut Vec::new());
    ids(&candidates)
}

fn top_p(row: &[f32], p: f32) -> Vec<u32> {
    let (mut candidates, max) = (candidates(row), maximum(row));
    let total = weight_sum(&candidates, max);
    keep_top_p(&mut candidates, p, max, total, &mut Vec::new());
    ids(&candidates)
}

fn typical(row: &[f32], p: f32) -> Vec<u32> {
    let mut candidates = candidates(row);
    keep_typical(&mut candidates, p, maximum(row), &mut Vec::new());
    ids(&candidates)
}

/// Hugging Face's three rules by sorting everything, over `(key, id, weight)`.
fn sorted(row: &[f32], key: impl Fn(f32) -> f32) -> Vec<(f32, u32, f64)> {
    let max = maximum(row);
    let mut all: Vec<_> =
        (0..).zip(row).map(|(id, &logit)| (key(logit), id, f64::from(exp(logit - max)))).collect();
    all.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    all
}

/// The first place where the running weight reaches `p` of the sum.
fn reaches(sorted: &[(f32, u32, f64)], p: f32) -> usize {
    let total: f64 = sorted.iter().map(|entry| entry.2).sum();
    let mut running = 0.0;
    let place = sorted.iter().position(|entry| {
        running += entry.2;
        running >= f64::from(p) * total
    });
    place.unwrap_or(sorted.len() - 1)
}

fn first_ids(mut kept: Vec<u32>) -> Vec<u32> {
    kept.sort_unstable();
    kept
}

fn naive_top_p(row: &[f32], p: f32) -> Vec<u32> {
    let sorted = sorted(row, |logit| -logit);
    first_ids(sorted[..=reaches(&sorted, p)].iter().map(|entry| entry.1).collect())
}

fn naive_typical(row: &[f32], p: f32) -> Vec<u32> {
    let max = maximum(row);
    let total: f64 = row.iter().map(|&logit| f64::from(exp(logit - max))).sum();
    let logprob = |logit: f32| f64::from(logit - max) - total.ln();
    let entropy: f64 =
        row.iter().map(|&logit| -logprob(logit) * (f64::from(exp(logit - max)) / total)).sum();
    let sorted = sorted(row, |logit| (-logprob(logit) - entropy).abs() as f32);
    let last = sorted[reaches(&sorted, p)].0;
    let kept = sorted.iter().filter(|entry| entry.0 <= last);
    first_ids(kept.map(|entry| entry.1).collect())
}

#[test]
fn top_k_keeps_what_ties_with_the_last() {
    assert_eq!(top_k(&[1.0, 3.0, 2.0, 2.0, 0.0], 2), [1, 2, 3]);
    assert_eq!(top_k(&[0.0, -0.0, -1.0], 1), [0, 1]);
    assert_eq!(top_k(&[1.0, 2.0], 5), [0, 1]);
}

#[test]
fn top_p_keeps_the_token_that_reaches_the_mass_and_the_lower_of_equal_ids() {
    assert_eq!(top_p(&[0.0; 4], 0.5), [0, 1]);
    assert_eq!(top_p(&[0.0; 4], 0.51), [0, 1, 2]);
    assert_eq!(top_p(&[0.0, 9.0], 0.000_1), [1]);
    assert_eq!(top_p(&[0.0, 9.0], -1.0), [1], "at least one");
}

#[test]
fn min_p_keeps_what_has_its_share_of_the_best_probability() {
    let row: Vec<f32> = [0.5f32, 0.26, 0.2, 0.04].map(f32::ln).to_vec();
    for (share, kept) in [(1.0, 1), (0.5, 2), (0.39, 3), (0.01, 4)] {
        let mut left = candidates(&row);
        keep_min_p(&mut left, share, maximum(&row));
        assert_eq!(left.len(), kept, "{share}");
    }
}

#[test]
fn typical_p_can_drop_the_most_likely_token() {
    let row: Vec<f32> = [0.4f32].into_iter().chain([0.06; 10]).map(f32::ln).collect();
    assert_eq!(typical(&row, 0.5), (1..=10).collect::<Vec<_>>());
}

#[test]
fn impossible_logits_are_no_candidates() {
    let row = [f32::NAN, 1.0, f32::NEG_INFINITY, 0.5];
    assert_eq!(ids(&candidates(&row)), [1, 3]);
}

#[test]
fn the_best_come_in_order_with_the_lower_of_equal_ids_first() {
    let candidates = candidates(&[1.0, 3.0, 2.0, 3.0]);
    let mut ranked = Vec::new();
    assert_eq!(best(&candidates, 3, &mut ranked).map(|c| c.id).collect::<Vec<_>>(), [1, 3, 2]);
    assert_eq!(best(&candidates, 9, &mut ranked).count(), 4);
    assert_eq!(best(&candidates, 0, &mut ranked).count(), 0);
}

/// Rows of coarse values, so that ties abound, or of fine ones.
fn row() -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        prop::collection::vec((-6i8..6).prop_map(f32::from), 1..300),
        prop::collection::vec(-20f32..20.0, 1..300),
    ]
}

proptest! {
    #[test]
    fn top_k_equals_a_full_sort(row in row(), k in 1usize..320) {
        let mut falling = row.clone();
        falling.sort_by(|left, right| right.total_cmp(left));
        let last = falling[k.min(row.len()) - 1];
        let want: Vec<u32> = (0..).zip(&row).filter(|(_, l)| **l >= last).map(|(id, _)| id).collect();
        prop_assert_eq!(top_k(&row, k), want);
        let bound = lower_bound(&row, k, &mut Vec::new());
        prop_assert!(bound <= last);
    }

    #[test]
    fn top_p_equals_a_full_sort(row in row(), p in 0.01f32..0.99) {
        let want = naive_top_p(&row, p);
        prop_assert_eq!(top_p(&row, p), &want[..]);
        let max = maximum(&row);
        let total = weight_sum(&candidates(&row), max);
        let bound = top_p_bound(p, max, total, row.len());
        prop_assert!(want.iter().all(|&id| row[id as usize] >= bound));
    }

    #[test]
    fn typical_p_equals_a_full_sort(row in row(), p in 0.01f32..0.99) {
        prop_assert_eq!(typical(&row, p), naive_typical(&row, p));
    }
}
