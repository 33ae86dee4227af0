//! Real models: the int8 path against f32, and f32 weights on these kernels against Hugging Face
//! transformers.

mod common;

use candle_core::quantized::GgmlDType;
use common::{log_prob, real_model, repository_tests};
use serde::Deserialize;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::weights::{Stored, TensorSource};
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_model::{Model, ModelError, Role};

/// Perplexity of the int8 path may be off by this share.
const PERPLEXITY: f64 = 0.005;
/// And its log-probabilities, on average, by this.
const DRIFT: f64 = 0.08;
/// Ids must be those of f32 where its best two logits are further apart than this.
const MARGIN: f32 = 1.0;
/// Tokens of a step; no multiple of a page.
const CHUNK: usize = 120;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    perplexity: Perplexity,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    greedy_margin: Vec<f32>,
}

#[derive(Deserialize)]
struct Perplexity {
    ids: Vec<u32>,
    ppl: f64,
}

/// A model with every tensor widened to f32.
struct Widened<'a>(&'a Model);

impl TensorSource for Widened<'_> {
    fn stored(&self, role: Role, layer: Option<usize>) -> Result<Stored<'_>, ModelError> {
        let stored = self.0.stored(role, layer)?;
        let values = self.0.tensor(role, layer)?.dequantize()?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(Stored { dtype: GgmlDType::F32, bytes: bytes.into(), ..stored })
    }
}

/// `log p(ids[i + 1] | ids[..=i])`.
fn log_probs(backend: &mut CpuBackend, ids: &[u32]) -> Vec<f64> {
    let pages: Vec<u32> = (0..ids.len().div_ceil(PAGE_TOKENS) as u32).collect();
    let (mut out, mut batch) = (Vec::new(), Batch::default());
    for (index, tokens) in ids.chunks(CHUNK).enumerate() {
        batch.clear();
        batch.push_sequence(tokens, &pages, index * CHUNK);
        batch.logit_rows.extend(0..tokens.len() as u32);
        let logits = backend.forward(&batch).unwrap();
        for row in 0..logits.rows() {
            if let Some(&next) = ids.get(index * CHUNK + row + 1) {
                out.push(log_prob(logits.row(row), next));
            }
        }
    }
    out
}

/// The most likely next token at each position of a case's own greedy text, all in one step.
fn best_ids(backend: &mut CpuBackend, case: &Case) -> Vec<u32> {
    let ids: Vec<u32> = case.ids.iter().chain(&case.greedy_ids).copied().collect();
    let pages: Vec<u32> = (0..ids.len().div_ceil(PAGE_TOKENS) as u32).collect();
    let mut batch = Batch::default();
    batch.push_sequence(&ids[..ids.len() - 1], &pages, 0);
    batch.logit_rows.extend(case.ids.len() as u32 - 1..ids.len() as u32 - 1);
    let logits = backend.forward(&batch).unwrap();
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    (0..logits.rows()).map(|row| best(logits.row(row)).unwrap() as u32).collect()
}

fn perplexity(log_probs: &[f64]) -> f64 {
    (-log_probs.iter().sum::<f64>() / log_probs.len() as f64).exp()
}

/// Checks ids where the margin is over `margin`; returns the log-probabilities of the text.
fn check(backend: &mut CpuBackend, golden: &Golden, margin: f32, share: f64) -> Vec<f64> {
    for case in &golden.cases {
        let best = best_ids(backend, case);
        for (step, ours) in best.iter().enumerate() {
            if case.greedy_margin[step] > margin {
                assert_eq!(*ours, case.greedy_ids[step], "{} step {step}", case.name);
            }
        }
    }
    let log_probs = log_probs(backend, &golden.perplexity.ids);
    let off = perplexity(&log_probs) / golden.perplexity.ppl - 1.0;
    println!("{}: perplexity {:+.3} %", backend.isa(), off * 100.0);
    assert!(off.abs() <= share, "perplexity is off by {off}");
    log_probs
}

fn passes_the_gate(name: &str) {
    let model = Model::open(&real_model(&format!("{name}.gguf"))).unwrap();
    let file = std::fs::read(repository_tests("goldens").join(format!("{name}.json"))).unwrap();
    let golden: Golden = serde_json::from_slice(&file).unwrap();
    let kv = KvFormat::F16;
    let options =
        CpuOptions { pages: 64, batch_tokens: CHUNK, logit_rows: CHUNK, threads: None, kv };
    let [fast, bytes] = [KvFormat::F16, KvFormat::Int8].map(|kv| {
        let mut backend = CpuBackend::load(&model, &CpuOptions { kv, ..options }).unwrap();
        check(&mut backend, &golden, MARGIN, PERPLEXITY)
    });
    let widened = Widened(&model);
    let mut backend =
        CpuBackend::from_source(&model.spec, &widened, &options, Isa::best()).unwrap();
    // K and V in half precision leave a trace in the fifth digit.
    let exact = check(&mut backend, &golden, 0.02, 1e-4);
    for (kv, fast) in [("f16", fast), ("int8", bytes)] {
        let drift: f64 = fast.iter().zip(&exact).map(|(fast, exact)| (fast - exact).abs()).sum();
        let drift = drift / fast.len() as f64;
        println!("{name}: mean |int8 - f32| {drift:.4}, KV cache in {kv}");
        assert!(drift <= DRIFT, "log-probabilities drift by {drift}, KV cache in {kv}");
    }
}

#[test]
fn smollm2_passes_the_int8_gate() {
    passes_the_gate("smollm2-135m-instruct-q4_1");
}

#[test]
fn gemma_3_passes_the_int8_gate() {
    passes_the_gate("gemma-3-270m-q4_k_m");
}
