//! Real models against Hugging Face transformers in f32.

mod common;

use std::sync::{Mutex, PoisonError};

use common::{
    Golden, GoldenCase, Sequence, forward, greedy, json, logprob, real_model, repository_tests,
};
use tgi_backend::{Backend, Batch};
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_model::Model;

/// Logprobs agree to this, and ids wherever the best two logits are further apart.
const TOLERANCE: f64 = 1e-3;
/// Tokens of a chunk; no multiple of a page, so that chunks end inside pages.
const CHUNK: usize = 120;

fn open(name: &str) -> (CandleBackend, Golden) {
    let model = Model::open(&real_model(&format!("{name}.gguf"))).unwrap();
    let options = CandleOptions::cpu(64, 512, CHUNK);
    let golden = json(&repository_tests("goldens").join(format!("{name}.json")));
    (CandleBackend::load(&model, &options).unwrap(), golden)
}

/// One model at a time: candle's threads spin, two runs on the same cores hold each other up.
static CORES: Mutex<()> = Mutex::new(());

fn agrees_with_transformers(name: &str) {
    let _cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut backend, golden) = open(name);
    prompts_and_greedy_ids_agree(&mut backend, &golden.cases);
    perplexity_agrees(&mut backend, &golden);
}

#[test]
fn smollm2_agrees_with_transformers() {
    agrees_with_transformers("smollm2-135m-instruct-q4_1");
}

#[test]
fn gemma_3_agrees_with_transformers() {
    agrees_with_transformers("gemma-3-270m-q4_k_m");
}

/// All cases in one ragged batch: prompts in one step each, then 32 decodes of all together.
fn prompts_and_greedy_ids_agree(backend: &mut CandleBackend, cases: &[GoldenCase]) {
    let mut report = Report::default();
    let mut sequences = Vec::new();
    let mut batch = Batch::default();
    let mut logits = Vec::new();
    for (case, first) in cases.iter().zip((0..).step_by(10)) {
        let mut sequence = Sequence::new(first, 10 * 32);
        batch.clear();
        sequence.push(&mut batch, &case.ids, case.ids.len());
        let mut rows = forward(backend, &batch);
        for (row, expected) in case.prompt_logprobs.iter().enumerate() {
            report.compare(logprob(&rows[row], case.ids[row + 1]), *expected);
        }
        logits.extend(rows.pop());
        sequences.push(sequence);
    }
    for step in 0..cases[0].greedy_ids.len() {
        batch.clear();
        for ((case, sequence), logits) in cases.iter().zip(&mut sequences).zip(&logits) {
            let id = greedy(logits);
            report.compare_greedy(case, step, id);
            for (id, expected) in case.top5.get(step).into_iter().flatten() {
                report.compare(logprob(logits, *id), *expected);
            }
            sequence.push(&mut batch, &[case.greedy_ids[step]], 1);
        }
        logits = forward(backend, &batch);
    }
    report.print();
    assert!(report.largest <= TOLERANCE, "logprobs differ by up to {}", report.largest);
    assert_eq!(report.wrong, Vec::<String>::new());
}

fn perplexity_agrees(backend: &mut CandleBackend, golden: &Golden) {
    let ids = &golden.perplexity.ids;
    let mut sequence = Sequence::new(0, ids.len());
    let mut batch = Batch::default();
    let mut sum = 0.0;
    for chunk in ids.chunks(CHUNK) {
        batch.clear();
        let next = sequence.length + 1;
        sequence.push(&mut batch, chunk, chunk.len());
        let logits = backend.forward(&batch).unwrap();
        for (row, id) in ids[next..].iter().take(chunk.len()).enumerate() {
            sum -= logprob(logits.row(row), *id);
        }
    }
    let perplexity = (sum / (ids.len() - 1) as f64).exp();
    let expected = golden.perplexity.ppl;
    println!("perplexity {perplexity:.4}, expected {expected:.4}");
    assert!((perplexity / expected - 1.0).abs() < 5e-5, "{perplexity}, expected {expected}");
}

/// What was compared.
#[derive(Default)]
struct Report {
    largest: f64,
    ids: usize,
    equal: usize,
    wrong: Vec<String>,
}

impl Report {
    fn compare(&mut self, found: f64, expected: f32) {
        let difference = (found - f64::from(expected)).abs();
        assert!(difference.is_finite(), "logprob {found}");
        self.largest = self.largest.max(difference);
    }

    fn compare_greedy(&mut self, case: &GoldenCase, step: usize, id: u32) {
        let (expected, margin) = (case.greedy_ids[step], case.greedy_margin[step]);
        self.ids += 1;
        self.equal += usize::from(id == expected);
        if id != expected && f64::from(margin) > TOLERANCE {
            let name = &case.name;
            self.wrong.push(format!("{name}, step {step}: {id}, expected {expected} by {margin}"));
        }
    }

    fn print(&self) {
        let Self { equal, ids, largest, .. } = self;
        println!("greedy ids equal {equal} of {ids}, largest difference of logprobs {largest:.2e}");
    }
}
