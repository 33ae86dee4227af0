//! With fixed ways for products a request gets the same bytes alone, among others, and in any chunks.

use crate::common::{Sequence, forward, random, random_model};
use tgi_backend::{Backend, Batch};
use tgi_backend_cuda::{CudaOptions, Element};
use tgi_model::ModelSpec;

fn text(length: usize, from: usize) -> Vec<u32> {
    (from..from + length).map(|n| (n * 11 % random_model::VOCAB) as u32).collect()
}

/// Logits of a text of 20 tokens, one chunk of `chunk` tokens a step, among `others` sequences.
fn among(spec: &ModelSpec, options: &CudaOptions, chunk: usize, others: usize) -> Vec<Vec<f32>> {
    let mut backend = random(spec, options);
    assert!(backend.is_batch_invariant());
    let mut sequences: Vec<Sequence> =
        (0..=others as u32).map(|index| Sequence::new(index, 32)).collect();
    let own = text(20, 0);
    let mut found = Vec::new();
    for (step, tokens) in own.chunks(chunk).enumerate() {
        let mut batch = Batch::default();
        // The text itself comes last, behind the others.
        for (index, other) in sequences[1..].iter_mut().enumerate() {
            let length = if step == 0 { 1 + index % 3 } else { 1 };
            other.push(&mut batch, &text(length, index), 1);
        }
        sequences[0].push(&mut batch, tokens, tokens.len());
        let logits = forward(&mut backend, &batch);
        found.extend_from_slice(&logits[others..]);
    }
    found
}

fn company_and_chunks_are_invisible(specs: &[ModelSpec], element: Element, others: usize) {
    let options = CudaOptions {
        element,
        is_batch_invariant: true,
        has_graphs: true,
        ..CudaOptions::new(others + 1, 3 * others + 24, others + 20)
    };
    for spec in specs {
        // Whole rows of the kernel for many rows, and a head of tensor cores.
        let mut spec = ModelSpec { hidden: 32, ..spec.clone() };
        spec.attention.head_size = 32;
        let alone = among(&spec, &options, 20, 0);
        for (chunk, others) in [(20, others), (7, 3), (1, others)] {
            let found = among(&spec, &options, chunk, others);
            assert!(found == alone, "{} in {element:?}: {chunk} {others}", spec.architecture);
        }
    }
}

fn dense() -> [ModelSpec; 2] {
    [random_model::llama(), random_model::gemma()]
}

#[test]
fn alone_and_among_others_a_request_gets_the_same_bytes_in_f32() {
    company_and_chunks_are_invisible(&dense(), Element::F32, 10);
}

#[test]
fn alone_and_among_others_a_request_gets_the_same_bytes_in_bf16() {
    company_and_chunks_are_invisible(&dense(), Element::Bf16, 10);
}

#[test]
fn alone_and_among_others_a_request_gets_the_same_bytes_of_experts() {
    company_and_chunks_are_invisible(&[random_model::experts()], Element::Bf16, 4);
}
