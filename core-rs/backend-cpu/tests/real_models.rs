//! Real models: the int8 path against f32, and f32 weights on these kernels against Hugging Face
//! transformers.

mod common;

use common::golden::{
    CHUNK, Case, DRIFT, Golden, PERPLEXITY, Widened, drift, log_probs, perplexity,
};
use common::real_model;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::weights::Weights;
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat, weight_bytes};
use tgi_model::Model;

/// Ids must be those of f32 where its best two logits are further apart than this.
const MARGIN: f32 = 1.0;

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
    let golden = Golden::read(name);
    let kv = KvFormat::F16;
    let options =
        CpuOptions { pages: 64, batch_tokens: CHUNK, logit_rows: CHUNK, threads: None, kv };
    let held = Weights::load(&model.spec, &model, 2).unwrap().bytes();
    assert_eq!(weight_bytes(&model), held, "{name}");
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
        let drift = drift(&fast, &exact);
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
