//! What the tests of this crate share: model files, goldens, and a way to run one sequence.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod random_model;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_model::ModelSpec;

/// A text of a random model.
pub const TOKENS: [u32; 37] = {
    let mut tokens = [0; 37];
    let mut index = 0;
    while index < tokens.len() {
        tokens[index] = (index as u32 * 7 + 3) % random_model::VOCAB as u32;
        index += 1;
    }
    tokens
};

/// A folder of the repository's `tests/`, or of the copy of it that `TGI_TESTS` names where tests
/// run away from it.
pub fn repository_tests(folder: &str) -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    std::env::var_os("TGI_TESTS").map_or_else(own, PathBuf::from).join(folder)
}

/// A real model's file, in the folder that `TGI_TEST_MODELS` names.
pub fn real_model(file: &str) -> PathBuf {
    let folder = std::env::var_os("TGI_TEST_MODELS").unwrap_or_default();
    let folder = Path::new(&folder);
    let path = folder.join(file);
    assert!(
        path.is_file(),
        "Cannot find {file} in the folder of TGI_TEST_MODELS, \"{}\"; run `deno task models`",
        folder.display()
    );
    path
}

/// Reads a file of JSON.
pub fn json<T: DeserializeOwned>(path: &Path) -> T {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What Hugging Face transformers computes in f32 for a real model.
#[derive(Deserialize)]
pub struct Golden {
    pub cases: Vec<GoldenCase>,
    pub perplexity: GoldenPerplexity,
}

#[derive(Deserialize)]
pub struct GoldenCase {
    pub name: String,
    pub ids: Vec<u32>,
    /// `[i]` is the log-probability of `ids[i + 1]` after `ids[..=i]`.
    pub prompt_logprobs: Vec<f32>,
    pub greedy_ids: Vec<u32>,
    /// Distance of the two largest logits.
    pub greedy_margin: Vec<f32>,
    /// Ids and log-probabilities for the first steps.
    pub top5: Vec<Vec<(u32, f32)>>,
}

#[derive(Deserialize)]
pub struct GoldenPerplexity {
    pub ids: Vec<u32>,
    pub ppl: f64,
}

/// A sequence and the pages that hold it.
pub struct Sequence {
    pub pages: Vec<u32>,
    pub length: usize,
}

impl Sequence {
    /// Room for `tokens`, in pages from `first` on.
    pub fn new(first: u32, tokens: usize) -> Self {
        let pages = (first..).take(tokens.div_ceil(PAGE_TOKENS)).collect();
        Self { pages, length: 0 }
    }

    /// Appends `tokens` to a batch with the logits of the last `wanted` of them.
    pub fn push(&mut self, batch: &mut Batch, tokens: &[u32], wanted: usize) {
        let first = batch.push_sequence(tokens, &self.pages, self.length);
        let end = first + tokens.len();
        batch.logit_rows.extend((end - wanted..end).map(|row| row as u32));
        self.length += tokens.len();
    }
}

/// A random model with `pages` pages and no other limit.
pub fn random_backend(spec: &ModelSpec, pages: usize) -> CandleBackend {
    let read = |role, layer, shape: &[usize]| Ok(random_model::weights(role, layer, shape));
    CandleBackend::from_weights(spec, &CandleOptions::cpu(pages, 512, 512), read).unwrap()
}

/// Logits of all wanted rows, copied.
pub fn forward(backend: &mut impl Backend, batch: &Batch) -> Vec<Vec<f32>> {
    let logits = backend.forward(batch).unwrap();
    (0..logits.rows()).map(|row| logits.row(row).to_vec()).collect()
}

/// Logits after each token of a sequence, in one plain pass over pages `0..`.
pub fn plain_pass(backend: &mut impl Backend, tokens: &[u32]) -> Vec<Vec<f32>> {
    let mut batch = Batch::default();
    Sequence::new(0, tokens.len()).push(&mut batch, tokens, tokens.len());
    forward(backend, &batch)
}

/// The natural logarithm of the probability of `id`.
pub fn logprob(logits: &[f32], id: u32) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    f64::from(logits[id as usize] - largest) - sum.ln()
}

/// The id of the largest logit, the first among equals.
pub fn greedy(logits: &[f32]) -> u32 {
    let largest = |best: usize, id: usize| if logits[id] > logits[best] { id } else { best };
    (0..logits.len()).reduce(largest).unwrap() as u32
}

/// The largest distance between numbers at the same place.
pub fn largest_difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.len(), b.len());
    let rows = a.iter().zip(b).inspect(|(a, b)| assert_eq!(a.len(), b.len()));
    let distances = rows.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).abs()));
    // A NaN must not pass for a small distance.
    distances.fold(0.0, |largest, distance| if distance <= largest { largest } else { distance })
}
