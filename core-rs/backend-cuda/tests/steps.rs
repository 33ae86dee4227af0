//! Graphs, buckets, splits and peaks change how a step is computed, and no byte of its result.

mod common;

use common::emulated::Emulated;
use common::{Sequence, device, emulated, forward, options, random_model};
use tgi_backend::{Backend, Batch};
use tgi_backend_cuda::{CudaBackend, CudaOptions, Progress};
use tgi_cuda_kernels::emulate::Order;
use tgi_model::ModelSpec;

/// Tokens of a long text.
fn text(length: usize) -> Vec<u32> {
    (0..length).map(|n| (n * 7 % random_model::VOCAB) as u32).collect()
}

/// Prompts of these lengths, then three steps in which each sequence decodes a token.
fn decode(backend: &mut CudaBackend<Emulated>, lengths: &[usize]) -> Vec<Vec<Vec<f32>>> {
    let mut batch = Batch::default();
    let mut first_page = 0;
    let mut sequences: Vec<Sequence> = Vec::new();
    for &length in lengths {
        let mut sequence = Sequence::new(first_page, length + 3);
        first_page += sequence.pages.len() as u32;
        sequence.push(&mut batch, &text(length), 0);
        sequences.push(sequence);
    }
    forward(backend, &batch);
    let step = |token| {
        batch.clear();
        sequences.iter_mut().for_each(|sequence| sequence.push(&mut batch, &[token], 1));
        forward(backend, &batch)
    };
    (1..4).map(step).collect()
}

fn with_graphs(spec: &ModelSpec, options: CudaOptions) -> CudaBackend<Emulated> {
    emulated(spec, &CudaOptions { has_graphs: true, ..options })
}

#[test]
fn a_graph_of_a_larger_bucket_gives_the_bytes_of_plain_launches() {
    let options = CudaOptions { logit_rows: 9, ..options(16, 160) };
    for spec in common::specs() {
        let lengths = [3, 40, 1, 33, 9, 2, 5, 8, 31];
        let mut graphs = with_graphs(&spec, options);
        let expected = decode(&mut emulated(&spec, &options), &lengths);
        assert!(decode(&mut graphs, &lengths) == expected, "{}", spec.architecture);
        assert_eq!(graphs.device().replays, 3);
    }
}

#[test]
fn long_texts_are_split_and_joined_to_the_same_bytes() {
    let spec = ModelSpec { context: 700, ..random_model::llama() };
    let options = CudaOptions { logit_rows: 2, ..options(32, 600) };
    let expected = {
        // One multiprocessor is busy with any step: nothing is split.
        let busy = Emulated::new(1, Order::Forward);
        let mut backend =
            CudaBackend::load(busy, &spec, &common::RandomModel, &options, &mut |_| {}).unwrap();
        decode(&mut backend, &[520, 20])
    };
    assert!(decode(&mut emulated(&spec, &options), &[520, 20]) == expected);
    let mut graphs = with_graphs(&spec, options);
    assert!(decode(&mut graphs, &[520, 20]) == expected);
    assert_eq!(graphs.device().replays, 3);
}

#[test]
fn the_order_of_blocks_and_threads_is_invisible() {
    let options = options(16, 64);
    for spec in common::specs() {
        let of = |order| {
            let device = Emulated::new(132, order);
            let source = &common::RandomModel;
            let mut backend =
                CudaBackend::load(device, &spec, source, &options, &mut |_| {}).unwrap();
            decode(&mut backend, &[3, 40, 9])
        };
        assert!(of(Order::Forward) == of(Order::Reversed), "{}", spec.architecture);
    }
}

#[test]
fn a_decode_step_is_one_copy_in_and_one_copy_out() {
    let mut backend = with_graphs(&random_model::llama(), options(16, 64));
    decode(&mut backend, &[3, 40]);
    // The prompts want no logits, so nothing comes back of them.
    assert_eq!(backend.device().copies, 1 + 3 * 2);
}

#[test]
fn a_peak_is_that_of_the_logits_it_stands_for() {
    let mut backend = with_graphs(&random_model::llama(), options(16, 64));
    let mut batch = Batch::default();
    batch.push_sequence(&text(20), &[0], 0);
    batch.logit_rows.extend([3, 9, 19]);
    let logits = forward(&mut backend, &batch);
    batch.peak_rows.extend([0, 2]);
    let found = backend.forward(&batch).unwrap();
    assert_eq!(found.row(1), logits[1]);
    assert_eq!(found.peak(1), None);
    for row in [0, 2] {
        let peak = found.peak(row).unwrap();
        let logits = &logits[row];
        assert_eq!(peak.id, common::greedy(logits));
        let largest = logits[peak.id as usize];
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        assert!((peak.sum_exp / sum - 1.0).abs() < 1e-5, "{} {sum}", peak.sum_exp);
    }
}

#[test]
fn every_graph_is_captured_at_load_and_counted() {
    let mut seen = Vec::new();
    let options = CudaOptions { has_graphs: true, logit_rows: 6, ..options(4, 64) };
    let spec = random_model::llama();
    let source = &common::RandomModel;
    CudaBackend::load(device(), &spec, source, &options, &mut |it| seen.push(it)).unwrap();
    assert_eq!(seen.first(), Some(&Progress { captured: 0, graphs: 6 }));
    assert_eq!(seen.last(), Some(&Progress { captured: 6, graphs: 6 }));
}

#[test]
fn a_broken_batch_is_refused_and_an_empty_one_is_not() {
    let mut backend = emulated(&random_model::llama(), &options(4, 64));
    let mut batch = Batch::default();
    assert_eq!(backend.forward(&batch).unwrap().rows(), 0);
    batch.push_sequence(&[random_model::VOCAB as u32], &[0], 0);
    assert!(backend.forward(&batch).unwrap_err().to_string().contains("token id 40"));
    assert!(backend.copy_page(4, 0).unwrap_err().to_string().contains("page 4, pages 4"));
}
