//! A tiny checkpoint of each architecture, in both backends, against Hugging Face transformers in
//! f32: `scripts/goldens` builds them.

mod common;

use std::path::{Path, PathBuf};

use common::checkpoints::{CHECKPOINTS, Golden, compare, folders, golden};
use common::repository_tests;
use tgi_backend::Backend;
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_model::{Adapter, Model};

/// Largest distance of a logit that passes.
const TOLERANCE: f32 = 1e-4;
/// Those that are there as GGUF too.
const GGUF: usize = 29;

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
        let (difference, is_same) = compare(&mut **backend, golden, usize::MAX);
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
