//! `LoRA` adapters on tiny checkpoints, against PEFT in f32; the adapters are built by
//! `scripts/tiny_checkpoints/adapters.py`.

mod common;

use common::{Sequence, forward, greedy, json, largest_difference, repository_tests};
use serde::Deserialize;
use tgi_backend::{Backend, Batch};
use tgi_backend_candle::{CandleBackend, CandleOptions, adapter_bytes};
use tgi_model::{Adapter, Model};

const ADAPTERS: [&str; 2] = ["every", "attention"];

#[derive(Deserialize)]
struct Golden {
    ids: Vec<u32>,
    /// Indices into `ids`.
    logit_rows: Vec<usize>,
    /// `[rows, vocab]`.
    logits: Vec<Vec<f32>>,
    greedy_ids: Vec<u32>,
}

fn golden(adapter: &str, file: &str) -> Golden {
    json(&repository_tests("fixtures/tiny-llama-adapters").join(adapter).join(file))
}

fn open(model: &str) -> CandleBackend {
    let fixtures = repository_tests("fixtures");
    let model = Model::open(&fixtures.join(model)).unwrap();
    let adapters = ADAPTERS.map(|name| {
        Adapter::open(&fixtures.join("tiny-llama-adapters").join(name), &model.spec).unwrap()
    });
    let options = CandleOptions::cpu(32, 256, 256);
    CandleBackend::load(&model, &options).unwrap().with_adapters(&adapters).unwrap()
}

/// Logits after each token, and what follows greedily.
fn run(
    backend: &mut CandleBackend,
    golden: &Golden,
    adapter: Option<u32>,
) -> (Vec<Vec<f32>>, Vec<u32>) {
    let mut sequence = Sequence::new(0, golden.ids.len() + golden.greedy_ids.len());
    let mut batch = Batch::default();
    sequence.push(&mut batch, &golden.ids, golden.ids.len());
    batch.set_adapter(adapter);
    let logits = forward(backend, &batch);
    let mut ids = vec![greedy(logits.last().unwrap())];
    while ids.len() < golden.greedy_ids.len() {
        batch.clear();
        sequence.push(&mut batch, &ids[ids.len() - 1..], 1);
        batch.set_adapter(adapter);
        ids.push(greedy(&forward(backend, &batch)[0]));
    }
    let kept = golden.logit_rows.iter().map(|&row| logits[row].clone()).collect();
    (kept, ids)
}

fn agrees_with_peft(model: &str, file: &str) {
    let mut backend = open(model);
    for (number, name) in (0..).zip(ADAPTERS) {
        let golden = golden(name, file);
        let (logits, ids) = run(&mut backend, &golden, Some(number));
        let difference = largest_difference(&logits, &golden.logits);
        println!("{model} with {name}: largest difference of logits {difference:.1e}");
        assert!(difference <= 1e-4, "{name}: logits differ by up to {difference}");
        assert_eq!(ids, golden.greedy_ids, "{name}");
    }
}

#[test]
fn adapters_on_a_folder_agree_with_peft() {
    agrees_with_peft("tiny-llama", "golden.json");
}

#[test]
fn adapters_on_a_gguf_file_agree_with_peft() {
    agrees_with_peft("tiny-llama.gguf", "golden-gguf.json");
}

#[test]
fn the_model_itself_stays_what_it_is() {
    let mut backend = open("tiny-llama");
    let golden: Golden = json(&repository_tests("fixtures/tiny-llama/golden.json"));
    let (logits, ids) = run(&mut backend, &golden, None);
    assert!(largest_difference(&logits, &golden.logits) <= 1e-4);
    assert_eq!(ids, golden.greedy_ids);
}

#[test]
fn a_batch_mixes_adapters_with_the_model_itself() {
    let mut backend = open("tiny-llama");
    let base: Golden = json(&repository_tests("fixtures/tiny-llama/golden.json"));
    let goldens = ADAPTERS.map(|name| golden(name, "golden.json"));
    let all = [(None, &base), (Some(1), &goldens[1]), (Some(0), &goldens[0])];
    let mut batch = Batch::default();
    for (page, (adapter, golden)) in (0..).step_by(4).zip(all) {
        Sequence::new(page, golden.ids.len()).push(&mut batch, &golden.ids, golden.ids.len());
        batch.set_adapter(adapter);
    }
    let logits = forward(&mut backend, &batch);
    for ((_, golden), logits) in all.iter().zip(logits.chunks(base.ids.len())) {
        let kept: Vec<_> = golden.logit_rows.iter().map(|&row| logits[row].clone()).collect();
        assert!(largest_difference(&kept, &golden.logits) <= 1e-4);
    }
}

#[test]
fn adapters_that_there_are_not_are_refused() {
    let mut backend = open("tiny-llama");
    assert_eq!(backend.capacity().adapters, 2);
    let mut batch = Batch::default();
    Sequence::new(0, 1).push(&mut batch, &[1], 1);
    batch.set_adapter(Some(2));
    let refusal = backend.forward(&batch).unwrap_err().to_string();
    assert!(refusal.contains("adapter 2, adapters 2"), "{refusal}");
}

#[test]
fn the_plan_counts_every_number_of_an_adapter() {
    let fixtures = repository_tests("fixtures");
    let model = Model::open(&fixtures.join("tiny-llama")).unwrap();
    let folder = fixtures.join("tiny-llama-adapters/attention");
    let adapter = Adapter::open(&folder, &model.spec).unwrap();
    // Rank 6 on q and v of 2 layers.
    assert_eq!(adapter_bytes(&adapter), 4 * 6 * 2 * ((64 + 64) + (64 + 32)));
}
