//! The choice of tokens against a plain sort of the row.

use tgi_cuda_kernels::emulate::Order;
use tgi_cuda_kernels::signatures::{
    DevicePeak, Kernel, SampleParams, SampleSettings, SeenToken, TopParams,
};

use crate::buffers::{Buffer, Memory, in_both_orders, noise, run};

/// A choice: token, log-probability, and the row after it.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    id: u32,
    logprob: f32,
    row: Vec<f32>,
}

fn choose_in(
    order: Order,
    logits: &[f32],
    vocab: usize,
    settings: &[SampleSettings],
    seen: &[SeenToken],
) -> Vec<Choice> {
    let memory = Memory::default();
    let mut rows = Buffer::new(logits);
    let mut out = Buffer::of_bytes(&vec![0; settings.len() * 24]);
    let mut peaks = Buffer::new(&vec![DevicePeak::default(); logits.len() / vocab]);
    let params = SampleParams {
        logits: rows.pointer(),
        settings: Buffer::new(settings).keep(&memory),
        seen: Buffer::new(seen).keep(&memory),
        out: out.pointer(),
        peaks: peaks.pointer(),
        rows: settings.len() as u32,
        vocab: vocab as u32,
    };
    run(Kernel::Sample, &params.launch(), &params, order);
    let rows = rows.floats();
    let words = out.words();
    let handed = peaks.words();
    for (sample, settings) in words.chunks(6).zip(settings) {
        assert_eq!(handed[settings.row as usize * 4 + 3], sample[4], "what is handed over");
    }
    let choice = |(sample, settings): (&[u32], &SampleSettings)| Choice {
        id: sample[4],
        logprob: f32::from_bits(sample[3]),
        row: rows[settings.row as usize * vocab..][..vocab].to_vec(),
    };
    words.chunks(6).zip(settings).map(choice).collect()
}

fn choose(logits: &[f32], settings: SampleSettings, seen: &[SeenToken]) -> Choice {
    in_both_orders(|order| choose_in(order, logits, logits.len(), &[settings], seen)).remove(0)
}

fn row(seed: u64, vocab: usize) -> Vec<f32> {
    noise(seed, vocab).iter().map(|x| (x * 20.0).round() / 4.0).collect()
}

/// The tokens that survive, best first, and `exp(logit - max)` of each.
fn survivors(logits: &[f32], settings: &SampleSettings) -> Vec<(u32, f64)> {
    let scaled: Vec<f32> = logits.iter().map(|logit| logit / settings.temperature).collect();
    let mut ranked: Vec<u32> = (0..logits.len() as u32).collect();
    let logit = |id: u32| scaled[id as usize];
    ranked.sort_by(|&a, &b| logit(b).total_cmp(&logit(a)).then(a.cmp(&b)));
    let max = logit(ranked[0]);
    if settings.top_k > 0 && (settings.top_k as usize) < ranked.len() {
        let last = logit(ranked[settings.top_k as usize - 1]);
        ranked.retain(|&id| logit(id) >= last);
    }
    let weight = |id: u32| f64::from(logit(id) - max).exp();
    if settings.top_p < 1.0 {
        let target = f64::from(settings.top_p) * ranked.iter().map(|&id| weight(id)).sum::<f64>();
        // The best one always stays.
        let target = target.max(1e-12);
        let mut mass = 0.0;
        ranked.retain(|&id| {
            let kept = mass < target;
            mass += weight(id);
            kept
        });
    }
    ranked.retain(|&id| weight(id) >= f64::from(settings.min_p));
    ranked.into_iter().map(|id| (id, weight(id))).collect()
}

#[test]
fn warpers_leave_what_a_sort_would_leave() {
    let all = SampleSettings { sampling: 1, ..SampleSettings::default() };
    let kinds = [
        SampleSettings { temperature: 0.7, ..all },
        SampleSettings { top_k: 5, ..all },
        SampleSettings { top_k: 100_000, ..all },
        SampleSettings { top_p: 0.9, temperature: 1.3, ..all },
        SampleSettings { top_p: 0.0, ..all },
        SampleSettings { top_k: 40, top_p: 0.5, ..all },
        SampleSettings { min_p: 0.2, ..all },
        SampleSettings { top_k: 300, top_p: 0.95, min_p: 0.05, temperature: 2.0, ..all },
    ];
    for vocab in [3, 1000, 4133] {
        let logits = row(vocab as u64, vocab);
        for settings in kinds {
            let expected = survivors(&logits, &settings);
            let choice = choose(&logits, settings, &[]);
            let mut left: Vec<u32> = expected.iter().map(|(id, _)| *id).collect();
            left.sort_unstable();
            let found = (0..vocab as u32).filter(|&id| choice.row[id as usize].is_finite());
            assert_eq!(found.collect::<Vec<_>>(), left, "{settings:?}");
            let sum: f64 = expected.iter().map(|(_, weight)| weight).sum();
            let own = expected.iter().find(|(id, _)| *id == choice.id).unwrap().1;
            assert!((f64::from(choice.logprob) - (own / sum).ln()).abs() < 1e-5, "{settings:?}");
        }
    }
}

/// The number of the engine's generator for seed 7 and a position.
fn uniform(position: u32) -> f64 {
    let mut counter = [position, 0, 0, 0];
    let mut key = [7u32, 0];
    for _ in 0..10 {
        let low = 0xD251_1F53u64 * u64::from(counter[0]);
        let high = 0xCD9E_8D57u64 * u64::from(counter[2]);
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    ((u64::from(counter[1]) << 32 | u64::from(counter[0])) >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn a_choice_inverts_the_distribution_by_id_at_the_philox_number_of_its_position() {
    let (vocab, rows) = (1500usize, 40u32);
    let logits = row(5, vocab);
    let many: Vec<f32> = (0..rows).flat_map(|_| logits.clone()).collect();
    let of_row = |row| SampleSettings {
        seed: 7,
        row: rows - 1 - row,
        position: 100 + row,
        sampling: 1,
        top_p: 0.8,
        ..SampleSettings::default()
    };
    let settings: Vec<_> = (0..rows).map(of_row).collect();
    let choices = choose_in(Order::Forward, &many, vocab, &settings, &[]);
    let mut left = survivors(&logits, &settings[0]);
    left.sort_unstable_by_key(|(id, _)| *id);
    let sum: f64 = left.iter().map(|(_, weight)| weight).sum();
    for (row, choice) in (0..rows).zip(&choices) {
        let target = uniform(100 + row) * sum;
        let mut passed = 0.0;
        let mut running = left.iter().map(|(id, weight)| {
            passed += weight;
            (*id, passed)
        });
        let (id, passed) = running.find(|(_, passed)| *passed > target).unwrap();
        assert!(choice.id == id || (passed - target).abs() < 1e-6 * sum, "row {row}");
        let alone = SampleSettings { row: 0, ..settings[row as usize] };
        assert_eq!(choose(&logits, alone, &[]), *choice, "alone and among others");
    }
    let ids: std::collections::HashSet<_> = choices.iter().map(|choice| choice.id).collect();
    assert!(ids.len() > 20, "{} different tokens of {rows}", ids.len());
}

#[test]
fn seen_tokens_are_penalized_once_and_the_best_of_the_rest_wins() {
    let logits = [4.0, -1.0, 3.0, 2.5, 3.9];
    let seen = [(4u32, 9u32), (0, 2), (1, 1), (9, 1)].map(|(id, count)| SeenToken { id, count });
    let settings = SampleSettings {
        repetition: 2.0,
        frequency: 0.25,
        presence: 0.5,
        first_seen: 1,
        seen: 3,
        ..SampleSettings::default()
    };
    let choice = choose(&logits, settings, &seen);
    assert_eq!(choice.row, [1.0, -2.75, 3.0, 2.5, 3.9]);
    assert_eq!(choice.id, 4);
    let sum: f64 = choice.row.iter().map(|&logit| f64::from(logit).exp()).sum();
    assert!((f64::from(choice.logprob) - (3.9 - sum.ln())).abs() < 1e-6);
}

#[test]
fn impossible_tokens_are_chosen_only_where_all_are() {
    let sampling = SampleSettings { sampling: 1, top_k: 3, top_p: 0.99, ..<_>::default() };
    let mut logits = vec![f32::NEG_INFINITY; 70];
    logits[3] = f32::NAN;
    for settings in [SampleSettings::default(), sampling] {
        let choice = choose(&logits, settings, &[]);
        assert!(choice.id < 70 && (choice.logprob + 70f32.ln()).abs() < 1e-6, "{choice:?}");
        logits[69] = -1e30;
        let choice = choose(&logits, settings, &[]);
        assert_eq!((choice.id, choice.logprob), (69, 0.0));
        logits[12] = f32::INFINITY;
        assert_eq!(choose(&logits, settings, &[]).id, 12);
        logits[12] = f32::NAN;
        logits[69] = f32::NEG_INFINITY;
    }
}

#[test]
fn the_best_tokens_come_in_order_and_equal_ones_by_id() {
    for (vocab, count) in [(5usize, 7usize), (3000, 20)] {
        let mut logits = row(8, 2 * vocab);
        logits[vocab] = f32::NAN;
        logits[vocab + 1] = f32::NEG_INFINITY;
        let found = in_both_orders(|order| {
            let memory = Memory::default();
            let mut out = Buffer::of_bytes(&vec![0; 8 * count]);
            let params = TopParams {
                logits: Buffer::new(&logits).keep(&memory),
                row_list: Buffer::new(&[1u32]).keep(&memory),
                out: out.pointer(),
                rows: 1,
                vocab: vocab as u32,
                count: count as u32,
                reserved: 0,
            };
            run(Kernel::Top, &params.launch(), &params, order);
            out.words().chunks(2).map(|top| top[0]).collect::<Vec<_>>()
        });
        let row = &logits[vocab..];
        let mut best: Vec<u32> =
            (0..vocab as u32).filter(|&id| row[id as usize] > f32::NEG_INFINITY).collect();
        best.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]).then(a.cmp(&b)));
        best.resize(count.max(best.len()), u32::MAX);
        assert_eq!(found, best[..count]);
    }
}
