//! Tiny checkpoints against Hugging Face transformers in f32: one for each architecture, built by
//! `scripts/tiny_checkpoints`.

mod common;

use common::{Sequence, forward, greedy, json, largest_difference, plain_pass, repository_tests};
use serde::Deserialize;
use tgi_backend::Batch;
use tgi_backend_candle::{
    CandleBackend, CandleOptions, arena_bytes, kv_bytes_per_token, weight_bytes,
};
use tgi_model::Model;

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

fn open(model: &str, golden: &str) -> (Model, CandleBackend, Golden) {
    let fixtures = repository_tests("fixtures");
    let model = Model::open(&fixtures.join(model)).unwrap();
    let backend = CandleBackend::load(&model, &CandleOptions::cpu(8, 128, 128)).unwrap();
    (model, backend, json(&fixtures.join(golden)))
}

fn agrees_with_transformers(name: &str) {
    agree(name, open(&format!("tiny-{name}.gguf"), &format!("tiny-{name}.json")));
}

fn agree(name: &str, (model, mut backend, golden): (Model, CandleBackend, Golden)) {
    assert_eq!(model.tokenizer.encode(&golden.text, true).unwrap(), golden.ids);
    let logits = plain_pass(&mut backend, &golden.ids);
    let kept: Vec<_> = golden.logit_rows.iter().map(|&row| logits[row].clone()).collect();
    let difference = largest_difference(&kept, &golden.logits);
    println!("{name}: largest difference of logits {difference:.1e}");
    assert!(difference <= 1e-4, "logits differ by up to {difference}");
    assert_eq!(continuation(&mut backend, &golden), golden.greedy_ids);
}

/// Greedy ids, each fed back by itself.
fn continuation(backend: &mut CandleBackend, golden: &Golden) -> Vec<u32> {
    let mut sequence = Sequence::new(0, golden.ids.len() + golden.greedy_ids.len());
    let mut batch = Batch::default();
    let mut next = golden.ids.clone();
    let decode = |_: &u32| {
        batch.clear();
        sequence.push(&mut batch, &next, 1);
        next = vec![greedy(&forward(backend, &batch)[0])];
        next[0]
    };
    golden.greedy_ids.iter().map(decode).collect()
}

#[test]
fn llama_agrees_with_transformers() {
    agrees_with_transformers("llama");
}

#[test]
fn qwen2_agrees_with_transformers() {
    agrees_with_transformers("qwen2");
}

#[test]
fn gemma3_agrees_with_transformers() {
    agrees_with_transformers("gemma3");
}

#[test]
fn a_folder_of_safetensors_agrees_with_transformers() {
    agree("llama in a folder", open("tiny-llama", "tiny-llama/golden.json"));
}

#[test]
fn the_plan_counts_every_weight_and_page() {
    let (model, ..) = open("tiny-gemma3.gguf", "tiny-gemma3.json");
    let mut elements = 0;
    let options = CandleOptions::cpu(8, 128, 128);
    CandleBackend::from_weights(&model.spec, &options, |role, layer, shape| {
        elements += shape.iter().product::<usize>();
        Ok(model.tensor(role, layer)?.dequantize()?)
    })
    .unwrap();
    assert_eq!(weight_bytes(&model), 4 * elements as u64);
    // K and V in f32, 6 layers, 1 head of 32.
    assert_eq!(kv_bytes_per_token(&model.spec), 2 * 4 * 6 * 32);
    let wider = CandleOptions::cpu(8, 256, 128);
    let logits = 128 * model.spec.vocab as u64 * 4;
    assert!(arena_bytes(&model.spec, &options) > logits);
    assert!(arena_bytes(&model.spec, &wider) > arena_bytes(&model.spec, &options));
}
