//! Graphs, buckets and peaks change how a step is computed, and no byte of its result.

use crate::common::decoding::{decode, text, with_graphs};
use crate::common::{device, forward, options, random, random_model};
use tgi_backend::{Backend, Batch};
use tgi_backend_cuda::{CudaBackend, CudaOptions, Progress};

#[test]
fn a_graph_of_a_larger_bucket_gives_the_bytes_of_plain_launches() {
    let options = CudaOptions { logit_rows: 9, is_batch_invariant: true, ..options(16, 160) };
    for spec in crate::common::specs() {
        let lengths = [3, 40, 1, 33, 9, 2, 5, 8, 31];
        let mut graphs = with_graphs(&spec, options);
        let expected = decode(&mut random(&spec, &options), &lengths);
        assert!(decode(&mut graphs, &lengths) == expected, "{}", spec.architecture);
    }
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
        assert_eq!(peak.id, crate::common::greedy(logits));
        let largest = logits[peak.id as usize];
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        assert!((peak.sum_exp / sum - 1.0).abs() < 1e-5, "{} {sum}", peak.sum_exp);
    }
}

#[test]
fn a_broken_batch_is_refused_and_an_empty_one_is_not() {
    let options = CudaOptions { longest: 40, ..options(4, 64) };
    let mut backend = random(&random_model::llama(), &options);
    let mut batch = Batch::default();
    assert_eq!(backend.forward(&batch).unwrap().rows(), 0);
    batch.push_sequence(&text(41), &[0, 1], 0);
    let message = backend.forward(&batch).unwrap_err().to_string();
    assert!(message.ends_with("a sequence of 41 tokens, planned for 40"), "{message}");
    batch.clear();
    batch.push_sequence(&[random_model::VOCAB as u32], &[0], 0);
    assert!(backend.forward(&batch).unwrap_err().to_string().contains("token id 40"));
    assert!(backend.copy_page(4, 0).unwrap_err().to_string().contains("page 4, pages 4"));
}

#[test]
fn every_graph_is_captured_at_load_and_counted() {
    let mut seen = Vec::new();
    let options = CudaOptions { has_graphs: true, logit_rows: 6, ..options(4, 64) };
    let spec = random_model::llama();
    let source = &crate::common::RandomModel;
    CudaBackend::load(device(), &spec, source, &options, &mut |it| seen.push(it)).unwrap();
    assert_eq!(seen.first(), Some(&Progress { captured: 0, graphs: 6 }));
    assert_eq!(seen.last(), Some(&Progress { captured: 6, graphs: 6 }));
}
