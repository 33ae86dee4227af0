//! A tiny checkpoint of each architecture against Hugging Face transformers in f32: `scripts/goldens`
//! builds them. The kernels are emulated.

use std::path::Path;

use crate::common::checkpoints::{CHECKPOINTS, compare, folders, golden};
use crate::common::{load, options};
use tgi_model::Model;

/// Largest distance of a logit that passes.
const TOLERANCE: f32 = 1e-4;
/// Greedy ids that are compared: emulation is slow.
const CONTINUED: usize = 4;

/// What fails; nothing when all is well.
fn check(name: &str, path: &Path, folder: &Path) -> Option<String> {
    let model = Model::open(path).unwrap();
    let mut backend = match load(&model.spec, &model, &options(8, 128)) {
        Ok(backend) => backend,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let (off, is_same) = compare(&mut backend, &golden(folder), CONTINUED);
    println!("| {name} | {off:.1e} |");
    (off.is_nan() || off > TOLERANCE || !is_same).then(|| format!("{name}: {off}, {is_same}"))
}

#[test]
fn every_architecture_agrees_with_transformers() {
    let folders = folders();
    assert_eq!(folders.len(), CHECKPOINTS);
    let mut failures = Vec::new();
    for (name, folder) in &folders {
        failures.extend(check(name, folder, folder));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_same_weights_in_gguf_agree_too() {
    for name in ["llama", "gemma2", "bloom", "mixtral", "stablelm-12b"] {
        let (_, folder) = folders().into_iter().find(|(found, _)| found == name).unwrap();
        assert_eq!(check(name, &folder.join("model.gguf"), &folder), None);
    }
}
