//! The tiny checkpoints of `scripts/goldens`, and how a backend compares with transformers on them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};

use super::repository_tests;

/// Checkpoints of `scripts/goldens/configurations.py`.
pub const CHECKPOINTS: usize = 40;

/// What transformers computes in f32.
#[derive(Deserialize)]
pub struct Golden {
    /// Encodes to `ids`.
    pub text: String,
    pub ids: Vec<u32>,
    /// Indices into `ids`.
    logit_rows: Vec<usize>,
    /// `[rows, vocab]`.
    logits: Vec<Vec<f32>>,
    greedy_ids: Vec<u32>,
}

/// Names and folders, sorted.
pub fn folders() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(repository_tests("goldens/architectures")).unwrap();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    folders.sort();
    folders
}

/// The expected numbers of a checkpoint.
pub fn golden(folder: &Path) -> Golden {
    serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

/// Logits after the last `wanted` of `tokens`, which follow `done` others on pages 0, 1, ..; of the
/// first adapter where the backend has some.
fn forward(backend: &mut dyn Backend, tokens: &[u32], done: usize, wanted: usize) -> Vec<Vec<f32>> {
    let mut batch = Batch::default();
    let pages: Vec<u32> = (0..((done + tokens.len()).div_ceil(PAGE_TOKENS)) as u32).collect();
    batch.push_sequence(tokens, &pages, done);
    batch.set_adapter((backend.capacity().adapters > 0).then_some(0));
    batch.logit_rows.extend((tokens.len() - wanted..tokens.len()).map(|row| row as u32));
    let logits = backend.forward(&batch).unwrap();
    (0..logits.rows()).map(|row| logits.row(row).to_vec()).collect()
}

fn best(logits: &[f32]) -> u32 {
    let largest = |best: usize, id: usize| if logits[id] > logits[best] { id } else { best };
    (0..logits.len()).reduce(largest).unwrap() as u32
}

/// The largest difference of a logit, and whether the first `continued` greedy ids are equal.
pub fn compare(backend: &mut dyn Backend, golden: &Golden, continued: usize) -> (f32, bool) {
    let logits = forward(backend, &golden.ids, 0, golden.ids.len());
    let mut difference = 0.0f32;
    for (&row, expected) in golden.logit_rows.iter().zip(&golden.logits) {
        assert_eq!(logits[row].len(), expected.len());
        for (found, expected) in logits[row].iter().zip(expected) {
            let distance = (found - expected).abs();
            // A NaN must not pass for a small distance.
            difference = if distance <= difference { difference } else { distance };
        }
    }
    let mut next = best(&logits[golden.ids.len() - 1]);
    let mut greedy = vec![next];
    let expected = &golden.greedy_ids[..continued.min(golden.greedy_ids.len())];
    while greedy.len() < expected.len() {
        let done = golden.ids.len() + greedy.len() - 1;
        next = best(&forward(backend, &[next], done, 1)[0]);
        greedy.push(next);
    }
    (difference, greedy == expected)
}
