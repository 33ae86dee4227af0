//! Folders of safetensors, as stored, converted at load and packed in few bits.

mod common;

use common::repository_tests;
use serde::Deserialize;
use tgi_backend::{Backend, Batch};
use tgi_backend_cpu::weights::Weights;
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat, weight_bytes};
use tgi_model::{Model, WeightFormat};

/// What transformers computed in f32.
#[derive(Deserialize)]
struct Golden {
    ids: Vec<u32>,
    /// Indices into `ids`.
    logit_rows: Vec<u32>,
    /// `[rows, vocab]`.
    logits: Vec<Vec<f32>>,
}

fn open(name: &str) -> (Model, Golden) {
    let folder = repository_tests("fixtures").join(name);
    let golden = std::fs::read(folder.join("golden.json")).unwrap();
    (Model::open(&folder).unwrap(), serde_json::from_slice(&golden).unwrap())
}

/// The largest difference of logits, as a share of the largest logit.
fn difference(model: &Model, golden: &Golden) -> f32 {
    let options = CpuOptions {
        pages: 8,
        batch_tokens: 128,
        logit_rows: 8,
        threads: Some(2),
        kv: KvFormat::F16,
    };
    let mut backend = CpuBackend::load(model, &options).unwrap();
    let mut batch = Batch::default();
    batch.push_sequence(&golden.ids, &[0, 1, 2, 3], 0);
    batch.logit_rows.extend(&golden.logit_rows);
    let logits = backend.forward(&batch).unwrap();
    let (mut off, mut size) = (0.0f32, 0.0f32);
    for (row, expected) in golden.logits.iter().enumerate() {
        for (found, expected) in logits.row(row).iter().zip(expected) {
            off = off.max((found - expected).abs());
            size = size.max(expected.abs());
        }
    }
    off / size
}

#[test]
fn weights_as_stored_agree_with_transformers() {
    for (name, limit) in [
        ("tiny-llama", 0.02),
        ("tiny-llama-awq", 0.05),
        ("tiny-llama-gptq", 0.05),
        ("tiny-llama-gptq-8bit", 0.02),
        ("tiny-llama-w4a16", 0.05),
        ("tiny-llama-fp8", 0.002),
        ("tiny-llama-compressed", 0.002),
    ] {
        let (model, golden) = open(name);
        let off = difference(&model, &golden);
        println!("{name}: logits differ by {off:.1e} of the largest");
        assert!(off <= limit, "{name}: {off}");
    }
}

#[test]
fn fewer_bits_are_further_off() {
    let off = |name| {
        let (model, golden) = open("tiny-llama");
        difference(&model.with_format(WeightFormat::quantized(name).unwrap()).unwrap(), &golden)
    };
    let (eight, four) = (off("q8_0"), off("q4_0"));
    println!("q8_0 {eight:.1e}, q4_0 {four:.1e}");
    assert!(eight <= 0.05 && eight < four, "{eight} {four}");
}

#[test]
fn the_plan_counts_what_is_held() {
    let formats = ["float32", "float16", "bfloat16", "q8_0", "q5_0", "q4_1", "q4_k"];
    for name in formats {
        let format = WeightFormat::rounded(name).or(WeightFormat::quantized(name)).unwrap();
        let model = open("tiny-llama").0.with_format(format).unwrap();
        let held = Weights::load(&model.spec, &model, 2).unwrap().bytes();
        assert_eq!(held, weight_bytes(&model), "{name}");
    }
    for name in ["tiny-llama", "tiny-llama-awq", "tiny-llama-gptq-8bit", "tiny-llama-fp8"] {
        let (model, _) = open(name);
        let held = Weights::load(&model.spec, &model, 2).unwrap().bytes();
        assert_eq!(held, weight_bytes(&model), "{name}");
    }
}
