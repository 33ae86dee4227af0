//! A row's bytes depend on its own tokens only.

mod common;

use candle_core::quantized::GgmlDType;
use common::{
    Random, RandomWeights, Sequence, VOCAB, backend, backend_with, specs, step, step_wanting,
};
use proptest::prelude::*;
use tgi_backend::{Backend, Batch};
use tgi_backend_cpu::KvFormat;
use tgi_backend_cpu::isa::Isa;
use tgi_model::spec::Experts;

fn tokens(count: usize, random: &mut Random) -> Vec<u32> {
    (0..count).map(|_| random.below(VOCAB) as u32).collect()
}

fn pages(random: &mut Random) -> Vec<u32> {
    let mut pages: Vec<u32> = (0..128).collect();
    for index in (1..pages.len()).rev() {
        pages.swap(index, random.below(index + 1));
    }
    pages
}

/// Logits of a sequence that runs alone, `chunk` tokens a step, all of them wanted.
fn alone(
    spec: &tgi_model::ModelSpec,
    weights: &RandomWeights,
    tokens: &[u32],
    (isa, kv): (Isa, KvFormat),
    chunk: usize,
) -> Vec<Vec<u32>> {
    let mut backend = backend_with(spec, weights, isa, 1, kv);
    let mut sequences = [Sequence::new(tokens.to_vec(), &mut (0..128).collect())];
    while sequences[0].done < tokens.len() {
        let count = chunk.min(tokens.len() - sequences[0].done);
        step(&mut backend, &mut sequences, &[count]);
    }
    let [sequence] = sequences;
    sequence.logits
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_schedule_gives_the_bytes_of_a_sequence_alone(
        seed: u64, which in 0usize..7, kind in 0usize..3, int8: bool, count in 1usize..9,
        threads in 1usize..4
    ) {
        let mut random = Random(seed);
        let (name, spec) = &specs()[which];
        let dtype = [GgmlDType::Q8_0, GgmlDType::BF16, GgmlDType::F32][kind];
        let kv = if int8 { KvFormat::Int8 } else { KvFormat::F16 };
        let weights = RandomWeights::new(spec, dtype, seed);
        let mut free = pages(&mut random);
        let mut sequences: Vec<Sequence> = (0..count)
            .map(|_| Sequence::new(tokens(1 + random.below(300), &mut random), &mut free))
            .collect();
        let mut backend = backend_with(spec, &weights, Isa::best(), threads, kv);
        while sequences.iter().any(|sequence| sequence.done < sequence.tokens.len()) {
            let mut budget = 512;
            let counts: Vec<usize> = sequences
                .iter()
                .map(|sequence| {
                    let left = (sequence.tokens.len() - sequence.done).min(budget);
                    let limit = [1, 1, 7, 100][random.below(4)];
                    let count = left.min(random.below(limit + 1));
                    budget -= count;
                    count
                })
                .collect();
            if counts.iter().sum::<usize>() > 0 {
                let share = [1, 2, 9, 1000][random.below(4)];
                let wants = || random.below(share) == 0;
                step_wanting(&mut backend, &mut sequences, &counts, wants);
            }
        }
        for sequence in &sequences {
            let expected = alone(spec, &weights, &sequence.tokens, (Isa::best(), kv), 1);
            for (row, expected) in sequence.logits.iter().zip(&expected) {
                prop_assert!(row.is_empty() || row == expected, "{} {:?} {:?}", name, dtype, kv);
            }
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_logits() {
    for (name, spec) in specs() {
        let formats = [
            (GgmlDType::Q8_0, KvFormat::Int8),
            (GgmlDType::BF16, KvFormat::F16),
            (GgmlDType::F32, KvFormat::F16),
        ];
        for (dtype, kv) in formats {
            let weights = RandomWeights::new(&spec, dtype, 7);
            let tokens = tokens(150, &mut Random(3));
            let expected = alone(&spec, &weights, &tokens, (Isa::best(), kv), 150);
            let finite = expected.iter().flatten().all(|bits| f32::from_bits(*bits).is_finite());
            assert!(finite && expected[0] != expected[149], "{name}");
            for isa in Isa::available() {
                let logits = alone(&spec, &weights, &tokens, (isa, kv), 64);
                assert!(logits == expected, "{name} {isa:?} {kv:?}");
            }
        }
    }
}

#[test]
fn experts_give_a_row_the_same_bytes_however_many_rows_share_them() {
    let all = specs();
    let (_, spec) = all.iter().find(|(name, _)| *name == "experts").expect("one has experts");
    for (count, used) in [(5, 2), (2, 2), (40, 3)] {
        let mut spec = spec.clone();
        spec.mlp.experts = Some(Experts { count, used, normalized: count > 5 });
        for dtype in [GgmlDType::Q8_0, GgmlDType::BF16, GgmlDType::F32] {
            let weights = RandomWeights::new(&spec, dtype, 11);
            let tokens = tokens(390, &mut Random(count as u64));
            let best = (Isa::best(), KvFormat::F16);
            let expected = alone(&spec, &weights, &tokens, best, 1);
            let mut backend = backend(&spec, &weights, Isa::best(), 3);
            let mut sequences = [Sequence::new(tokens, &mut (0..128).collect())];
            for rows in [4, 6, 380] {
                step(&mut backend, &mut sequences, &[rows]);
            }
            assert!(sequences[0].logits == expected, "{used} of {count}, {dtype:?}");
        }
    }
}

#[test]
fn a_copied_page_serves_as_the_original() {
    let (_, spec) = &specs()[0];
    let weights = RandomWeights::new(spec, GgmlDType::Q8_0, 1);
    let tokens = tokens(50, &mut Random(5));
    for kv in [KvFormat::F16, KvFormat::Int8] {
        let expected = alone(spec, &weights, &tokens, (Isa::best(), kv), 50);
        let mut backend = backend_with(spec, &weights, Isa::best(), 2, kv);
        let mut batch = Batch::default();
        batch.push_sequence(&tokens[..40], &[3, 4], 0);
        backend.forward(&batch).unwrap();
        backend.copy_page(3, 90).unwrap();
        backend.copy_page(4, 80).unwrap();
        batch.clear();
        batch.push_sequence(&tokens[40..], &[90, 80], 40);
        batch.logit_rows.push(9);
        let logits = backend.forward(&batch).unwrap();
        let bits: Vec<u32> = logits.row(0).iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, expected[49]);
        assert!(backend.copy_page(0, 128).unwrap_err().to_string().contains("page 128"));
    }
}

#[test]
fn a_broken_batch_is_an_error_and_a_batch_without_wanted_rows_is_not() {
    let (_, spec) = &specs()[1];
    let weights = RandomWeights::new(spec, GgmlDType::F32, 1);
    let mut backend = backend(spec, &weights, Isa::best(), 2);
    let mut batch = Batch::default();
    batch.push_sequence(&[VOCAB as u32], &[0], 0);
    assert!(backend.forward(&batch).is_err());
    batch.tokens[0] = 1;
    assert_eq!(backend.forward(&batch).unwrap().rows(), 0);
    batch.clear();
    assert_eq!(backend.forward(&batch).unwrap().rows(), 0);
}
