//! What Hugging Face transformers computed, and the gate of the int8 path.

use serde::Deserialize;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::CpuBackend;

use super::{log_prob, repository_tests};

/// Perplexity of the int8 path may be off by this share.
pub const PERPLEXITY: f64 = 0.005;
/// And its log-probabilities, on average, by this.
pub const DRIFT: f64 = 0.08;
/// Tokens of a step; no multiple of a page.
pub const CHUNK: usize = 120;

/// What is known of a model.
#[derive(Deserialize)]
pub struct Golden {
    pub cases: Vec<Case>,
    pub perplexity: Perplexity,
}

/// One prompt, continued greedily.
#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub ids: Vec<u32>,
    pub greedy_ids: Vec<u32>,
    pub greedy_margin: Vec<f32>,
}

/// A text, and how well f32 weights foresee it.
#[derive(Deserialize)]
pub struct Perplexity {
    pub ids: Vec<u32>,
    pub ppl: f64,
}

impl Golden {
    /// That of a model, by the name of its file.
    pub fn read(name: &str) -> Self {
        let file = std::fs::read(repository_tests("goldens").join(format!("{name}.json"))).unwrap();
        serde_json::from_slice(&file).unwrap()
    }
}

/// `log p(ids[i + 1] | ids[..=i])`.
pub fn log_probs(backend: &mut CpuBackend, ids: &[u32]) -> Vec<f64> {
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

/// `exp` of the mean negative log-probability.
pub fn perplexity(log_probs: &[f64]) -> f64 {
    (-log_probs.iter().sum::<f64>() / log_probs.len() as f64).exp()
}

/// Mean difference of log-probabilities.
pub fn drift(fast: &[f64], exact: &[f64]) -> f64 {
    let sum: f64 = fast.iter().zip(exact).map(|(fast, exact)| (fast - exact).abs()).sum();
    sum / fast.len() as f64
}
