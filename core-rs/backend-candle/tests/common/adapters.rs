//! The suite of `LoRA` adapters on tiny checkpoints, against PEFT in f32; the adapters are built by
//! `scripts/tiny_checkpoints/adapters.py`. It runs through the trait, on any backend.

use serde::Deserialize;
use tgi_backend::{Backend, Batch};
use tgi_model::{Adapter, Model};

use super::{Sequence, forward, greedy, json, largest_difference, repository_tests};

/// Adapters of `tiny-llama`.
const ADAPTERS: [&str; 2] = ["every", "attention"];

/// Largest distance of a logit that passes.
const TOLERANCE: f32 = 1e-4;

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

/// A model of the fixtures, and the adapters beside it.
pub fn open(model: &str) -> (Model, [Adapter; 2]) {
    let fixtures = repository_tests("fixtures");
    let model = Model::open(&fixtures.join(model)).unwrap();
    let adapters = ADAPTERS.map(|name| {
        Adapter::open(&fixtures.join("tiny-llama-adapters").join(name), &model.spec).unwrap()
    });
    (model, adapters)
}

/// Logits after each token, and what follows greedily.
fn run(
    backend: &mut impl Backend,
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

/// Checks a backend of `model` against the goldens of each adapter in `file`.
pub fn agrees_with_peft(backend: &mut impl Backend, (model, file): (&str, &str)) {
    for (number, name) in (0..).zip(ADAPTERS) {
        let golden = golden(name, file);
        let (logits, ids) = run(backend, &golden, Some(number));
        let difference = largest_difference(&logits, &golden.logits);
        println!("{model} with {name}: largest difference of logits {difference:.1e}");
        assert!(difference <= TOLERANCE, "{name}: logits differ by up to {difference}");
        assert_eq!(ids, golden.greedy_ids, "{name}");
    }
}

/// Checks that a backend of `tiny-llama` gives the model's own logits to who has no adapter.
pub fn the_model_itself_stays(backend: &mut impl Backend) {
    let golden: Golden = json(&repository_tests("fixtures/tiny-llama/golden.json"));
    let (logits, ids) = run(backend, &golden, None);
    assert!(largest_difference(&logits, &golden.logits) <= TOLERANCE);
    assert_eq!(ids, golden.greedy_ids);
}

/// Checks a batch of both adapters and the model itself on a backend of `tiny-llama`.
pub fn a_batch_mixes_all(backend: &mut impl Backend) {
    let base: Golden = json(&repository_tests("fixtures/tiny-llama/golden.json"));
    let goldens = ADAPTERS.map(|name| golden(name, "golden.json"));
    let all = [(None, &base), (Some(1), &goldens[1]), (Some(0), &goldens[0])];
    let mut batch = Batch::default();
    for (page, (adapter, golden)) in (0..).step_by(4).zip(all) {
        Sequence::new(page, golden.ids.len()).push(&mut batch, &golden.ids, golden.ids.len());
        batch.set_adapter(adapter);
    }
    let logits = forward(backend, &batch);
    for ((_, golden), logits) in all.iter().zip(logits.chunks(base.ids.len())) {
        let kept: Vec<_> = golden.logit_rows.iter().map(|&row| logits[row].clone()).collect();
        assert!(largest_difference(&kept, &golden.logits) <= TOLERANCE);
    }
}

/// Checks that an adapter beyond the two is refused.
pub fn an_unknown_adapter_is_refused(backend: &mut impl Backend) {
    assert_eq!(backend.capacity().adapters, ADAPTERS.len());
    let mut batch = Batch::default();
    Sequence::new(0, 1).push(&mut batch, &[1], 1);
    batch.set_adapter(Some(2));
    let refusal = backend.forward(&batch).unwrap_err().to_string();
    assert!(refusal.contains("adapter 2, adapters 2"), "{refusal}");
}
