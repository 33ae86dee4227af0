//! A tiny checkpoint of each architecture, in both backends, against Hugging Face transformers in
//! f32: `scripts/goldens` builds them.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::repository_tests;
use serde::Deserialize;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_model::{Adapter, Model};

/// Largest distance of a logit that passes.
const TOLERANCE: f32 = 1e-4;
/// Checkpoints of `scripts/goldens/configurations.py`.
const CHECKPOINTS: usize = 40;
/// Those that are there as GGUF too.
const GGUF: usize = 29;

#[derive(Deserialize)]
struct Golden {
    text: String,
    ids: Vec<u32>,
    /// Indices into `ids`.
    logit_rows: Vec<usize>,
    /// `[rows, vocab]`.
    logits: Vec<Vec<f32>>,
    greedy_ids: Vec<u32>,
}

/// Names and folders, sorted.
fn folders() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(repository_tests("goldens/architectures")).unwrap();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    folders.sort();
    folders
}

fn golden(folder: &Path) -> Golden {
    serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

fn backends(model: &Model, adapters: &[Adapter]) -> [Box<dyn Backend>; 2] {
    let candle = CandleBackend::load(model, &CandleOptions::cpu(8, 128, 128)).unwrap();
    let (threads, kv) = (Some(2), KvFormat::F32);
    let options = CpuOptions { pages: 8, batch_tokens: 128, logit_rows: 128, threads, kv };
    let cpu = CpuBackend::load(model, &options).unwrap();
    [
        Box::new(candle.with_adapters(adapters).unwrap()),
        Box::new(cpu.with_adapters(adapters).unwrap()),
    ]
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

/// The largest difference of a logit, and whether the greedy ids are equal.
fn compare(backend: &mut dyn Backend, golden: &Golden) -> (f32, bool) {
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
    while greedy.len() < golden.greedy_ids.len() {
        let done = golden.ids.len() + greedy.len() - 1;
        next = best(&forward(backend, &[next], done, 1)[0]);
        greedy.push(next);
    }
    (difference, greedy == golden.greedy_ids)
}

/// Compares a model in both backends, prints a row of the table, and says what fails.
fn check(name: &str, path: &Path, golden: &Golden, adapters: &[PathBuf]) -> Vec<String> {
    let model = match Model::open(path) {
        Ok(model) => model,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let adapters = adapters.iter().map(|folder| Adapter::open(folder, &model.spec).unwrap());
    let adapters: Vec<Adapter> = adapters.collect();
    assert_eq!(model.tokenizer.encode(&golden.text, true).unwrap(), golden.ids, "{name}");
    let mut failures = Vec::new();
    let mut cells = Vec::new();
    for backend in &mut backends(&model, &adapters) {
        let (difference, is_same) = compare(&mut **backend, golden);
        cells.push(format!("{difference:.1e}"));
        if difference.is_nan() || difference > TOLERANCE || !is_same {
            let backend = backend.name();
            failures.push(format!("{name} on {backend}: {difference}, greedy ids {is_same}"));
        }
    }
    println!("| {name} | {} |", cells.join(" | "));
    failures
}

#[test]
fn every_architecture_agrees_with_transformers() {
    let folders = folders();
    assert_eq!(folders.len(), CHECKPOINTS);
    println!("| checkpoint | candle | cpu |");
    let check = |(name, folder): &(String, PathBuf)| check(name, folder, &golden(folder), &[]);
    let failures: Vec<String> = folders.iter().flat_map(check).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_same_weights_in_gguf_agree_too() {
    let mut files = 0;
    let mut failures = Vec::new();
    for (name, folder) in folders() {
        let path = folder.join("model.gguf");
        if path.exists() {
            files += 1;
            failures.extend(check(&name, &path, &golden(&folder), &[]));
        }
    }
    assert_eq!(files, GGUF);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn adapters_of_fused_matrices_agree_with_peft() {
    let mut failures = Vec::new();
    for name in ["gpt2", "gpt_neox", "phi3"] {
        let folder = repository_tests("goldens/adapters").join(name);
        let model = repository_tests("goldens/architectures").join(name);
        for path in [model.clone(), model.join("model.gguf")] {
            let adapters = [folder.clone()];
            failures.extend(check(name, &path, &golden(&folder), &adapters));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
