use proptest::prelude::*;

use super::*;
use crate::logprob::prompt_logprob;

const PROFILES: [Profile; 2] = [Profile::V0_3, Profile::V3_3];

fn sampler(parameters: &Parameters, profile: Profile, prompt: &[u32]) -> Sampler {
    Sampler::new(parameters, profile, prompt, 64, 7)
}

fn sample(sampler: &Sampler, row: &[f32], position: u32) -> (Sampled, Vec<Sampled>) {
    let mut scratch = Scratch::new(row.len());
    let sampled = sampler.sample(&mut row.to_vec(), position, &mut scratch);
    (sampled, scratch.top().to_vec())
}

/// Rows that differ, from a simple recurrence.
fn noise(length: usize, seed: u32) -> Vec<f32> {
    let words = (0..length as u32).map(|id| crate::philox::philox4x32([id, 9, 9, 9], [seed, 0])[0]);
    words.map(|word| word as f32 / u32::MAX as f32 * 12.0 - 4.0).collect()
}

#[test]
fn greedy_takes_the_lowest_of_the_largest_logits() {
    let sampler = sampler(&Parameters::default(), Profile::V0_3, &[1]);
    let row = [0.0, 2.0, 5.0, 5.0];
    let (sampled, top) = sample(&sampler, &row, 0);
    assert_eq!((sampled.id, sampled.logprob), (2, prompt_logprob(&row, 2)));
    assert!(top.is_empty() && sampler.seed().is_none());
}

#[test]
fn accepted_tokens_are_penalized_from_then_on() {
    let parameters = Parameters { repetition_penalty: Some(4.0), ..Parameters::default() };
    for profile in PROFILES {
        let mut sampler = sampler(&parameters, profile, &[0]);
        let row = [9.0, 4.0, 3.0];
        assert_eq!(sample(&sampler, &row, 0).0.id, 1);
        assert_eq!(sample(&sampler, &row, 0).0.id, 1, "sampling changes no state");
        sampler.accept(1);
        assert_eq!(sample(&sampler, &row, 1).0.id, 2);
    }
}

#[test]
fn the_profiles_penalize_after_and_before_top_k() {
    let parameters =
        Parameters { repetition_penalty: Some(10.0), top_k: Some(1), ..Parameters::default() };
    let row = [5.0, 4.0];
    assert_eq!(sample(&sampler(&parameters, Profile::V0_3, &[0]), &row, 0).0.id, 0);
    assert_eq!(sample(&sampler(&parameters, Profile::V3_3, &[0]), &row, 0).0.id, 1);
}

#[test]
fn top_tokens_are_the_best_of_the_warped_distribution() {
    let row = [0.0, 3.0, 1.0, 2.0];
    let asked = Parameters { top_n_tokens: 3, ..Parameters::default() };
    let (_, top) = sample(&sampler(&asked, Profile::V0_3, &[]), &row, 0);
    assert_eq!(top.iter().map(|token| token.id).collect::<Vec<_>>(), [1, 3, 2]);
    assert_eq!(top[2].logprob, prompt_logprob(&row, 2));

    let narrowed = Parameters { top_k: Some(2), ..asked };
    let (sampled, top) = sample(&sampler(&narrowed, Profile::V0_3, &[]), &row, 0);
    assert_eq!(top.iter().map(|token| token.id).collect::<Vec<_>>(), [1, 3]);
    let mass: f32 = top.iter().map(|token| token.logprob.exp()).sum();
    assert!((mass - 1.0).abs() < 1e-6 && top.contains(&sampled));
}

#[test]
fn the_row_of_a_batch_does_not_matter_but_seed_and_position_do() {
    let parameters = Parameters { do_sample: true, ..Parameters::default() };
    let row = noise(5000, 1);
    let ids = |seed| -> Vec<u32> {
        let sampler = Sampler::new(&parameters, Profile::V0_3, &[], 8, seed);
        (0..50).map(|position| sample(&sampler, &row, position).0.id).collect()
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    assert!(ids(1).iter().any(|&id| id != ids(1)[0]));
}

#[test]
fn tokens_come_as_often_as_their_probability_says() {
    let cases = [
        Parameters { temperature: Some(1.5), ..Parameters::default() },
        Parameters { top_k: Some(6), ..Parameters::default() },
        Parameters { top_p: Some(0.9), temperature: Some(2.0), ..Parameters::default() },
        Parameters { typical_p: Some(0.9), ..Parameters::default() },
    ];
    let row = [1.0, 2.0, 0.5, 1.7, -1.0, 0.0, 1.2, 0.3];
    for parameters in cases {
        let sampler = sampler(&Parameters { top_n_tokens: 8, ..parameters }, Profile::V3_3, &[]);
        let mut counts = [0u32; 8];
        let draws = 20_000;
        for position in 0..draws {
            counts[sample(&sampler, &row, position).0.id as usize] += 1;
        }
        let (_, shares) = sample(&sampler, &row, 0);
        let deviation: f64 = shares
            .iter()
            .map(|token| {
                let expected = f64::from(token.logprob).exp() * f64::from(draws);
                (f64::from(counts[token.id as usize]) - expected).powi(2) / expected
            })
            .sum();
        assert!(deviation < 24.3, "chi-square of 7 degrees, 0.1 %: {deviation}");
        let survivors: u32 = shares.iter().map(|token| counts[token.id as usize]).sum();
        assert_eq!(survivors, draws);
    }
}

#[test]
fn rows_of_many_blocks_are_inverted_like_short_ones() {
    let parameters = Parameters { do_sample: true, ..Parameters::default() };
    let sampler = sampler(&parameters, Profile::V0_3, &[]);
    let mut row = vec![-30.0; 3 * BLOCK + 5];
    let likely = [7, BLOCK, 2 * BLOCK - 1, 3 * BLOCK + 4];
    for id in likely {
        row[id] = 0.0;
    }
    let mut counts = [0u32; 4];
    for position in 0..4000 {
        let id = sample(&sampler, &row, position).0.id as usize;
        counts[likely.iter().position(|&likely| likely == id).unwrap()] += 1;
    }
    assert!(counts.iter().all(|&count| (880..1120).contains(&count)), "{counts:?}");
}

#[test]
fn no_memory_is_taken_by_a_sample() {
    let parameters = Parameters {
        top_k: Some(100),
        top_p: Some(0.9),
        typical_p: Some(0.9),
        top_n_tokens: 5,
        ..Parameters::default()
    };
    let cases = [
        parameters.clone(),
        Parameters { top_k: None, ..parameters.clone() },
        Parameters { top_k: None, top_p: None, ..parameters.clone() },
        Parameters { do_sample: true, top_n_tokens: 5, ..Parameters::default() },
        Parameters { min_p: Some(0.1), raw_logprobs: true, ..parameters.clone() },
        Parameters {
            watermark: Some(crate::Watermark { gamma: 0.5, delta: 2.0 }),
            ..Parameters::default()
        },
    ];
    let mut scratch = Scratch::new(9000);
    let capacities = |scratch: &Scratch| {
        let Scratch { candidates, ranked, blocks, block_sums, top, raw, permutation } = scratch;
        let numbers = [blocks.capacity(), block_sums.capacity(), top.capacity()];
        let numbers = (numbers, [raw.capacity(), permutation.capacity()]);
        (candidates.capacity(), ranked.capacity(), numbers)
    };
    let before = capacities(&scratch);
    for case in cases {
        let sampler = sampler(&case, Profile::V3_3, &[1, 2]);
        sampler.sample(&mut vec![0.0; 9000], 3, &mut scratch);
        sampler.sample(&mut noise(9000, 4), 3, &mut scratch);
    }
    assert_eq!(capacities(&scratch), before);
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let warpers = (
        prop::option::of(0.05f32..5.0),
        prop::option::of(1u32..60),
        prop::option::of(0.05f32..1.0),
        prop::option::of(0.05f32..1.0),
        prop::option::of(0.001f32..1.0),
    );
    let penalties = (prop::option::of(0.2f32..3.0), prop::option::of(-2f32..2.0));
    (warpers, penalties, any::<bool>(), 0u32..6).prop_map(
        |((temperature, top_k, top_p, typical_p, min_p), penalties, do_sample, top_n_tokens)| {
            Parameters {
                do_sample,
                min_p,
                temperature,
                top_k,
                top_p,
                typical_p,
                repetition_penalty: penalties.0,
                frequency_penalty: penalties.1,
                top_n_tokens,
                ..Parameters::default()
            }
        },
    )
}

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(PROFILES.as_slice())
}

/// The warped row by Hugging Face's definitions: dropped logits are `-inf`, everything is sorted.
fn naive_warp(sampler: &Sampler, row: &[f32]) -> Vec<f32> {
    let mut row = row.to_vec();
    if sampler.profile == Profile::V3_3 {
        sampler.penalize_row(&mut row);
    }
    let Warpers { temperature, top_k, top_p, min_p, typical_p } = sampler.warpers;
    for logit in &mut row {
        *logit /= temperature.unwrap_or(1.0);
    }
    if let Some(k) = top_k {
        let mut falling = row.clone();
        falling.sort_by(|left, right| right.total_cmp(left));
        let last = falling[k.min(row.len()) - 1];
        drop_where(&mut row, |_, logit| logit < last);
    }
    if let Some(p) = top_p {
        let kept = naive_mass(&row, p, |logprob| -logprob);
        drop_where(&mut row, |id, _| !kept.contains(&id));
    }
    if let Some(share) = min_p {
        let bound = maximum(&row) + share.ln();
        drop_where(&mut row, |_, logit| logit < bound);
    }
    if let Some(p) = typical_p {
        let entropy: f64 = naive_logprobs(&row)
            .iter()
            .filter(|logprob| logprob.is_finite())
            .map(|logprob| -logprob * logprob.exp())
            .sum();
        let kept = naive_mass(&row, p, |logprob| (-logprob - entropy).abs());
        drop_where(&mut row, |id, _| !kept.contains(&id));
    }
    if sampler.profile == Profile::V0_3 {
        sampler.penalize_row(&mut row);
    }
    row
}

fn drop_where(row: &mut [f32], drop: impl Fn(usize, f32) -> bool) {
    for (id, logit) in row.iter_mut().enumerate() {
        if drop(id, *logit) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

fn naive_logprobs(row: &[f32]) -> Vec<f64> {
    let max = f64::from(maximum(row));
    let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - max).exp()).sum();
    row.iter().map(|&logit| f64::from(logit) - max - sum.ln()).collect()
}

fn naive_mass(row: &[f32], p: f32, key: impl Fn(f64) -> f64) -> Vec<usize> {
    let logprobs = naive_logprobs(row);
    let mut ids: Vec<usize> = (0..row.len()).filter(|&id| row[id].is_finite()).collect();
    ids.sort_by(|&left, &right| key(logprobs[left]).total_cmp(&key(logprobs[right])));
    let mut mass = 0.0;
    let count = ids
        .iter()
        .position(|&id| {
            mass += logprobs[id].exp();
            mass >= f64::from(p)
        })
        .map_or(ids.len(), |place| place + 1);
    ids.truncate(count);
    ids
}

proptest! {
    #[test]
    fn any_chain_of_warpers_equals_the_naive_one(
        parameters in parameters(),
        profile in profile(),
        seed in any::<u32>(),
        length in 1usize..400,
        prompt in prop::collection::vec(0u32..420, 0..30),
        position in any::<u32>(),
    ) {
        let row = noise(length, seed);
        let sampler = sampler(&parameters, profile, &prompt);
        let logprobs = naive_logprobs(&naive_warp(&sampler, &row));
        let (sampled, top) = sample(&sampler, &row, position);
        for token in top.iter().chain([&sampled]) {
            let want = logprobs[token.id as usize];
            prop_assert!((f64::from(token.logprob) - want).abs() < 1e-4, "{token:?}, {want}");
        }
        let survivors = logprobs.iter().filter(|logprob| logprob.is_finite()).count();
        prop_assert_eq!(top.len(), survivors.min(parameters.top_n_tokens as usize));
        prop_assert!(top.is_sorted_by(|left, right| left.logprob >= right.logprob));
        if parameters.is_sampling() {
            let target = uniform(7, position);
            let before: f64 = logprobs[..sampled.id as usize].iter().map(|l| l.exp()).sum();
            let share = logprobs[sampled.id as usize].exp();
            prop_assert!(before - 1e-4 <= target && target <= before + share + 1e-4);
        } else {
            let best = logprobs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(logprobs[sampled.id as usize] >= best - 1e-6);
        }
    }

    #[test]
    fn no_row_and_no_parameter_panics(
        parameters in parameters(),
        profile in profile(),
        odd in prop::collection::vec(
            prop::sample::select([
                f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, -0.0, 1e-40,
            ].as_slice()),
            1..200,
        ),
        extreme in prop::sample::select(
            [f32::NAN, f32::INFINITY, -1.0, 0.0, 1e-45, f32::MAX].as_slice(),
        ),
    ) {
        let broken = Parameters {
            temperature: Some(extreme),
            top_p: Some(extreme),
            repetition_penalty: Some(extreme),
            ..parameters.clone()
        };
        for parameters in [parameters, broken] {
            let sampler = sampler(&parameters, profile, &[0, 1, u32::MAX]);
            let (sampled, _) = sample(&sampler, &odd, 5);
            prop_assert!((sampled.id as usize) < odd.len());
        }
    }
}
