//! Perplexity and drift of the int8 path against f32 weights and activations, on a golden text.
//!
//! `quality MODEL.gguf GOLDEN.json`

use std::path::Path;

use candle_core::quantized::GgmlDType;
use serde_json::Value;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::weights::{Stored, TensorSource};
use tgi_backend_cpu::{CpuBackend, CpuOptions};
use tgi_model::{Model, ModelError, Role};

/// The same model with every tensor widened to f32.
struct Widened<'a>(&'a Model);

impl TensorSource for Widened<'_> {
    fn stored(&self, role: Role, layer: Option<usize>) -> Result<Stored<'_>, ModelError> {
        let stored = self.0.stored(role, layer)?;
        let values = self.0.tensor(role, layer)?.dequantize()?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(Stored { dtype: GgmlDType::F32, bytes: bytes.into(), ..stored })
    }
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn log_prob(logits: &[f32], id: u32) -> f64 {
    let largest = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
    f64::from(logits[id as usize] - largest) - sum.ln()
}

/// `log p(ids[i + 1] | ids[..=i])`, `chunk` tokens a step.
fn log_probs(backend: &mut CpuBackend, ids: &[u32], chunk: usize) -> Vec<f64> {
    let pages: Vec<u32> = (0..ids.len().div_ceil(PAGE_TOKENS) as u32).collect();
    let mut out = Vec::new();
    let mut batch = Batch::default();
    for (index, tokens) in ids.chunks(chunk).enumerate() {
        batch.clear();
        batch.push_sequence(tokens, &pages, index * chunk);
        batch.logit_rows.extend(0..tokens.len() as u32);
        let logits = backend.forward(&batch).unwrap();
        for row in 0..logits.rows() {
            if let Some(&next) = ids.get(index * chunk + row + 1) {
                out.push(log_prob(logits.row(row), next));
            }
        }
    }
    out
}

fn greedy(backend: &mut CpuBackend, prompt: &[u32], count: usize) -> Vec<u32> {
    let pages: Vec<u32> = (0..(prompt.len() + count).div_ceil(PAGE_TOKENS) as u32).collect();
    let (mut out, mut next, mut length) = (Vec::new(), prompt.to_vec(), 0);
    let mut batch = Batch::default();
    for _ in 0..count {
        batch.clear();
        batch.push_sequence(&next, &pages, length);
        batch.logit_rows.push(next.len() as u32 - 1);
        length += next.len();
        let logits = backend.forward(&batch).unwrap();
        let row = logits.row(0);
        let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        out.push(best as u32);
        next = vec![best as u32];
    }
    out
}

fn report(name: &str, backend: &mut CpuBackend, golden: &Value) -> Vec<f64> {
    let all = log_probs(backend, &ids(&golden["perplexity"]["ids"]), 128);
    let ppl = (-all.iter().sum::<f64>() / all.len() as f64).exp();
    let expected = golden["perplexity"]["ppl"].as_f64().unwrap();
    println!(
        "{name} {}: perplexity {ppl:.4}, golden {expected:.4} ({:+.3} %)",
        backend.isa(),
        (ppl / expected - 1.0) * 100.0
    );
    let (mut equal, mut all_ids, mut drift, mut count, mut worst) = (0, 0, 0.0, 0, 0f64);
    for case in golden["cases"].as_array().unwrap() {
        let prompt = ids(&case["ids"]);
        for (ours, theirs) in
            log_probs(backend, &prompt, 64).iter().zip(case["prompt_logprobs"].as_array().unwrap())
        {
            drift += (ours - theirs.as_f64().unwrap()).abs();
            worst = worst.max((ours - theirs.as_f64().unwrap()).abs());
            count += 1;
        }
        let expected = ids(&case["greedy_ids"]);
        let ours = greedy(backend, &prompt, expected.len());
        let same = ours.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let margin = case["greedy_margin"][same].as_f64();
        println!(
            "  {}: {same} of {} ids, margin where they part {margin:?}",
            case["name"],
            expected.len()
        );
        equal += same;
        all_ids += expected.len();
    }
    println!(
        "  ids {equal} of {all_ids}; prompts: mean |d logprob| {:.5}, largest {worst:.4} over {count}",
        drift / f64::from(count)
    );
    all
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let model = Model::open(Path::new(&arguments[1])).unwrap();
    let golden: Value = serde_json::from_slice(&std::fs::read(&arguments[2]).unwrap()).unwrap();
    let options = CpuOptions { pages: 64, batch_tokens: 128, logit_rows: 128, threads: None };
    let mut fast = CpuBackend::load(&model, &options).unwrap();
    let fast = report("int8", &mut fast, &golden);
    let mut exact =
        CpuBackend::from_source(&model.spec, &Widened(&model), &options, Isa::best()).unwrap();
    let exact = report("f32", &mut exact, &golden);
    let drift: f64 = fast.iter().zip(&exact).map(|(a, b)| (a - b).abs()).sum();
    println!("mean |int8 - f32| {:.5} over {}", drift / fast.len() as f64, fast.len());
}
