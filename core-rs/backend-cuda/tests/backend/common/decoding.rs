//! A few sequences that decode together.

use tgi_backend::Batch;
use tgi_backend_cuda::{CudaBackend, CudaOptions, Device};
use tgi_model::ModelSpec;

use super::{Machine, Sequence, forward, random, random_model};

/// Tokens of a long text.
pub fn text(length: usize) -> Vec<u32> {
    (0..length).map(|n| (n * 7 % random_model::VOCAB) as u32).collect()
}

/// Prompts of these lengths, then three steps in which each sequence decodes a token.
pub fn decode<D: Device>(backend: &mut CudaBackend<D>, lengths: &[usize]) -> Vec<Vec<Vec<f32>>> {
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
        for sequence in &mut sequences {
            sequence.push(&mut batch, &[token], 1);
        }
        forward(backend, &batch)
    };
    (1..4).map(step).collect()
}

/// A random model with graphs.
pub fn with_graphs(spec: &ModelSpec, options: CudaOptions) -> CudaBackend<Machine> {
    random(spec, &CudaOptions { has_graphs: true, ..options })
}
