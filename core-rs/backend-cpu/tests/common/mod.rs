//! Small random models and a driver that keeps the pages of a few sequences.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod checkpoints;
pub mod golden;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::weights::{Stored, TensorSource};
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_model::spec::*;
use tgi_model::{ModelError, ModelSpec, Role, Shape, tensor_shapes};

/// A small generator (Knuth's MMIX LCG), so that a failing case is its seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        self.0 >> 33
    }
    pub fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }
    pub fn unit(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }
}

pub const VOCAB: usize = 77;
pub const CONTEXT: usize = 400;

/// Specifications that together use every switch.
pub fn specs() -> Vec<(&'static str, ModelSpec)> {
    let rope = |base| Rope { base, scaling: RopeScaling::None };
    let shape = Shape {
        vocab: VOCAB,
        hidden: 96,
        layers: 2,
        context: CONTEXT,
        heads: 6,
        kv_heads: 2,
        head_size: 32,
        intermediate: 160,
    };
    let mut llama = ModelSpec::plain("llama", &shape, RopeLayout::Interleaved, rope(1e4));
    llama.attention.scale = 0.18;
    let mut gemma = llama.clone();
    gemma.attention = Attention {
        heads: 4,
        kv_heads: 1,
        head_size: 48,
        qk_norm: Some(QkNorm::Head),
        soft_cap: Some(20.0),
        windows: vec![Some(40), None],
        ..gemma.attention
    };
    gemma.position = Position::Rope {
        layout: RopeLayout::Halves,
        dimensions: 48,
        layers: vec![
            Some(rope(1e4)),
            Some(Rope { base: 1e6, scaling: RopeScaling::Linear { factor: 8.0 } }),
        ],
    };
    gemma.block = Block::Sequential(Norms::Around);
    gemma.mlp.activation = Activation::GeluTanh;
    gemma.norm.weight_offset = 1.0;
    gemma.embedding.scale = 9.8;
    gemma.embedding.logit_soft_cap = Some(30.0);
    let mut bloom = llama.clone();
    bloom.attention.qkv_bias = true;
    bloom.attention.output_bias = true;
    bloom.attention.kv_heads = 6;
    bloom.position = Position::Alibi { factor: 1.0 };
    bloom.embedding.norm = true;
    bloom.norm = Norm { kind: NormKind::Layer, bias: true, ..bloom.norm };
    bloom.mlp = Mlp { activation: Activation::GeluErf, gated: false, bias: true, ..bloom.mlp };
    let mut parallel = bloom.clone();
    parallel.block = Block::Parallel { mlp_norm: true };
    parallel.embedding.norm = false;
    parallel.position = Position::Learned { offset: 2 };
    parallel.embedding.tied = false;
    let mut sums = parallel.clone();
    sums.block = Block::NormedSums;
    let (experts, falcon) = (experts(&llama), falcon(&bloom));
    vec![
        ("llama", llama),
        ("gemma", gemma),
        ("bloom", bloom),
        ("parallel", parallel),
        ("experts", experts),
        ("falcon", falcon),
        ("sums", sums),
    ]
}

/// Experts, norms on outputs and on whole rows of q and k, a base that grows with the text, a layer
/// without positions.
fn experts(llama: &ModelSpec) -> ModelSpec {
    let mut spec = llama.clone();
    spec.attention.qk_norm = Some(QkNorm::Row);
    spec.attention.windows = vec![Some(50), None];
    let scaling = RopeScaling::Dynamic { factor: 4.0, original: 100 };
    spec.position = Position::Rope {
        layout: RopeLayout::Halves,
        dimensions: 32,
        layers: vec![Some(Rope { base: 1e4, scaling }), None],
    };
    spec.block = Block::Sequential(Norms::After);
    spec.residual_scale = 0.4;
    spec.mlp.experts = Some(Experts { count: 5, used: 2, normalized: true });
    spec
}

/// A parallel block whose attention and MLP share a norm, a gated MLP with biases, a norm of its own
/// for each head.
fn falcon(bloom: &ModelSpec) -> ModelSpec {
    let mut spec = bloom.clone();
    spec.attention.qk_norm = Some(QkNorm::Each);
    spec.block = Block::Parallel { mlp_norm: false };
    spec.residual_scale = 0.7;
    spec.mlp.gated = true;
    spec
}

/// Rows, columns, bytes.
type Matrix = (usize, usize, Vec<u8>);

/// Random weights of the shapes that a specification implies.
pub struct RandomWeights {
    tensors: HashMap<(Role, Option<usize>), Matrix>,
    dtype: GgmlDType,
}

impl RandomWeights {
    pub fn new(spec: &ModelSpec, dtype: GgmlDType, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut tensors = HashMap::new();
        let mut put = |role, layer, rows: usize, columns: usize| {
            let mut bytes = Vec::new();
            let size = if rows == 1 { 0.5 } else { 1.5 / (columns as f32).sqrt() };
            if rows == 1 || dtype == GgmlDType::F32 {
                let start = if rows == 1 { 0.3 } else { 0.0 };
                for _ in 0..rows * columns {
                    bytes.extend((start + random.unit() * size).to_le_bytes());
                }
            } else if dtype == GgmlDType::BF16 {
                for _ in 0..rows * columns {
                    bytes.extend(bf16::from_f32(random.unit() * size).to_le_bytes());
                }
            } else {
                assert_eq!(dtype, GgmlDType::Q8_0);
                for _ in 0..rows * columns / 32 {
                    let scale = f16::from_f32(0.02 / (columns as f32).sqrt());
                    bytes.extend(scale.to_le_bytes());
                    bytes.extend((0..32).map(|_| random.next() as u8));
                }
            }
            tensors.insert((role, layer), (rows, columns, bytes));
        };
        for (role, layer, shape) in tensor_shapes(spec) {
            let rows = if shape.len() == 1 { 1 } else { shape[0] };
            put(role, layer, rows, shape[shape.len() - 1]);
        }
        Self { tensors, dtype }
    }
}

impl TensorSource for RandomWeights {
    fn stored(&self, role: Role, layer: Option<usize>) -> Result<Stored<'_>, ModelError> {
        let (rows, columns, bytes) = &self.tensors[&(role, layer)];
        let dtype = if *rows == 1 { GgmlDType::F32 } else { self.dtype };
        Ok(Stored {
            dtype: dtype.into(),
            rows: *rows,
            columns: *columns,
            bytes: bytes.as_slice().into(),
        })
    }
}

/// A backend of these weights.
pub fn backend(spec: &ModelSpec, weights: &RandomWeights, isa: Isa, threads: usize) -> CpuBackend {
    backend_with(spec, weights, isa, threads, KvFormat::F16)
}

/// The same with a KV cache of some format.
pub fn backend_with(
    spec: &ModelSpec,
    weights: &RandomWeights,
    isa: Isa,
    threads: usize,
    kv: KvFormat,
) -> CpuBackend {
    let threads = Some(threads);
    let options = CpuOptions { pages: 128, batch_tokens: 512, logit_rows: 512, threads, kv };
    CpuBackend::from_source(spec, weights, &options, isa).unwrap()
}

/// One sequence of a schedule.
pub struct Sequence {
    pub tokens: Vec<u32>,
    pub pages: Vec<u32>,
    pub done: usize,
    /// Logits of each of its tokens, as bits.
    pub logits: Vec<Vec<u32>>,
}

impl Sequence {
    pub fn new(tokens: Vec<u32>, pages: &mut Vec<u32>) -> Self {
        let wanted = tokens.len().div_ceil(PAGE_TOKENS);
        let own = pages.split_off(pages.len() - wanted);
        Self { tokens, pages: own, done: 0, logits: Vec::new() }
    }
}

/// Runs one step with the next `counts[i]` tokens of each sequence.
pub fn step(backend: &mut CpuBackend, sequences: &mut [Sequence], counts: &[usize]) {
    step_wanting(backend, sequences, counts, || true);
}

/// The same; `wants` says of token after token whether its logits are wanted. Where they are not,
/// the sequence gets an empty row.
pub fn step_wanting(
    backend: &mut CpuBackend,
    sequences: &mut [Sequence],
    counts: &[usize],
    mut wants: impl FnMut() -> bool,
) {
    let mut batch = Batch::default();
    for (sequence, &count) in sequences.iter().zip(counts) {
        if count > 0 {
            let tokens = &sequence.tokens[sequence.done..sequence.done + count];
            let first = batch.push_sequence(tokens, &sequence.pages, sequence.done);
            let rows = (first..first + count).map(|row| row as u32);
            batch.logit_rows.extend(rows.filter(|_| wants()));
        }
    }
    let logits = backend.forward(&batch).unwrap();
    let mut token = 0;
    for (sequence, &count) in sequences.iter_mut().zip(counts) {
        for _ in 0..count {
            let row = batch.logit_rows.binary_search(&token).ok();
            let bits = row.map(|row| logits.row(row).iter().map(|x| x.to_bits()).collect());
            sequence.logits.push(bits.unwrap_or_default());
            token += 1;
        }
        sequence.done += count;
    }
}

/// A folder of the repository's `tests/`.
pub fn repository_tests(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(folder)
}

/// A real model's file, in the folder that `TGI_TEST_MODELS` names.
pub fn real_model(file: &str) -> PathBuf {
    let folder = std::env::var_os("TGI_TEST_MODELS").unwrap_or_default();
    let path = Path::new(&folder).join(file);
    assert!(
        path.is_file(),
        "Cannot find {file} in the folder of TGI_TEST_MODELS, {}; run `deno task models`",
        folder.display()
    );
    path
}

/// `log p(id)` under a row of logits.
pub fn log_prob(logits: &[f32], id: u32) -> f64 {
    let largest = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
    f64::from(logits[id as usize] - largest) - sum.ln()
}
