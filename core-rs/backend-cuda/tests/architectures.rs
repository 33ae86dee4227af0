//! A tiny checkpoint of each architecture against Hugging Face transformers in f32: `scripts/goldens`
//! builds them. The kernels are emulated.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{best, distance, forward, load, options, repository_tests};
use serde::Deserialize;
use tgi_backend_cuda::check_spec;
use tgi_model::Model;

/// Largest distance of a logit that passes.
const TOLERANCE: f32 = 1e-4;
/// Greedy ids that are compared: emulation is slow.
const CONTINUED: usize = 4;
/// Checkpoints whose experts are refused.
const REFUSED: [&str; 2] = ["mixtral", "qwen3_moe"];
/// Checkpoints of `scripts/goldens/configurations.py`.
const CHECKPOINTS: usize = 34;

#[derive(Deserialize)]
struct Golden {
    ids: Vec<u32>,
    /// Indices into `ids`.
    logit_rows: Vec<usize>,
    /// `[rows, vocab]`.
    logits: Vec<Vec<f32>>,
    greedy_ids: Vec<u32>,
}

fn folders() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(repository_tests("goldens/architectures")).unwrap();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    folders.sort();
    folders
}

/// What fails; nothing when all is well.
fn check(name: &str, folder: &Path) -> Option<String> {
    let model = Model::open(folder).unwrap();
    let golden: Golden =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let mut backend = match load(&model.spec, &model, &options(8, 128)) {
        Ok(backend) => backend,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let logits = forward(&mut backend, &golden.ids, 0, golden.ids.len());
    let distances = golden.logit_rows.iter().zip(&golden.logits);
    let off = distances.map(|(&row, expected)| distance(&logits[row], expected));
    let off = off.fold(0.0f32, |most, it| if it <= most { most } else { it });
    let mut next = best(&logits[golden.ids.len() - 1]);
    let mut greedy = vec![next];
    while greedy.len() < CONTINUED {
        let done = golden.ids.len() + greedy.len() - 1;
        next = best(&forward(&mut backend, &[next], done, 1)[0]);
        greedy.push(next);
    }
    println!("| {name} | {off:.1e} |");
    let is_same = greedy == golden.greedy_ids[..CONTINUED];
    (off.is_nan() || off > TOLERANCE || !is_same).then(|| format!("{name}: {off}, {is_same}"))
}

#[test]
fn every_architecture_agrees_with_transformers_or_is_refused_by_name() {
    let folders = folders();
    assert_eq!(folders.len(), CHECKPOINTS);
    let mut failures = Vec::new();
    for (name, folder) in &folders {
        if REFUSED.contains(&name.as_str()) {
            let refusal = check_spec(&Model::open(folder).unwrap().spec).unwrap_err().to_string();
            assert!(refusal.contains("experts a layer"), "{refusal}");
        } else {
            failures.extend(check(name, folder));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
