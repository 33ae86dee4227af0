//! What Hugging Face transformers computed, and the gate of the int8 path.

use candle_core::quantized::GgmlDType;
use serde::Deserialize;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::CpuBackend;
use tgi_backend_cpu::weights::{Stored, TensorSource};
use tgi_model::{Model, ModelError, Role, Tokenizer};

use super::{log_prob, repository_tests};

/// Perplexity of the int8 path may be off by this share.
pub const PERPLEXITY: f64 = 0.005;
/// And its log-probabilities, on average, by this.
pub const DRIFT: f64 = 0.08;
/// Tokens of a step; no multiple of a page.
pub const CHUNK: usize = 120;

/// Tokens of a text that are foreseen in one go, from nothing.
pub const PIECE: usize = 2000;

/// A model with every tensor widened to f32.
pub struct Widened<'a>(pub &'a Model);

impl TensorSource for Widened<'_> {
    fn stored(&self, role: Role, layer: Option<usize>) -> Result<Stored<'_>, ModelError> {
        let stored = self.0.stored(role, layer)?;
        let values = self.0.tensor(role, layer)?.dequantize()?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(Stored { dtype: GgmlDType::F32.into(), bytes: bytes.into(), ..stored })
    }
}

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

/// The text of the file that `TGI_TEST_TEXT` names, in pieces of [`PIECE`] tokens, each with the
/// begin-of-sequence token in front where the model wants one; `None` when no file is named.
pub fn named_text(tokenizer: &Tokenizer) -> Option<Vec<Vec<u32>>> {
    let file = std::env::var_os("TGI_TEST_TEXT")?;
    let text = std::fs::read_to_string(&file).expect("TGI_TEST_TEXT names a UTF-8 file");
    let start = tokenizer.encode("", true).unwrap();
    let ids = tokenizer.encode(&text, false).unwrap();
    Some(ids.chunks(PIECE - start.len()).map(|piece| [&start, piece].concat()).collect())
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
