//! Working memory of a step, taken once.

use tgi_backend::PAGE_TOKENS;
use tgi_cuda_kernels::signatures::{DevicePeak, Element, peak_chunks};
use tgi_model::ModelSpec;
use tgi_model::spec::{Block, Position, distinct};

use crate::adapters::low_bytes;
use crate::blas::WORKSPACE_BYTES;
use crate::buckets::{decode_buckets, padded_rows, partial_bytes};
use crate::choice::most_words;
use crate::device::{Device, Region};
use crate::flight::Places;
use crate::routing::{Routing, RoutingSizes};
use crate::{CudaError, CudaOptions};

/// Unpacked weights that lie in memory at a time, elements, unless a row is longer.
const SCRATCH: usize = 32 << 20;

const F32: usize = size_of::<f32>();

/// Sizes that follow from a model and options, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    residual: usize,
    normed: usize,
    qkv: usize,
    queries: usize,
    attended: usize,
    inner: usize,
    activated: usize,
    delta: usize,
    second_delta: usize,
    places: Places,
    chosen: usize,
    logits: usize,
    routing: RoutingSizes,
    low: usize,
    chunks: usize,
    partials: usize,
    scratch: usize,
    input: usize,
}

impl Sizes {
    /// For a device with so many multiprocessors.
    pub fn new(spec: &ModelSpec, options: &CudaOptions, multiprocessors: usize) -> Self {
        let attention = &spec.attention;
        let (heads, kv_heads, size) = (attention.heads, attention.kv_heads, attention.head_size);
        let Largest { rows, logits } = Largest::of(options);
        let of = |width: usize| rows * width * options.element.bytes();
        let is_parallel = matches!(spec.block, Block::Parallel { .. });
        let projections = if spec.mlp.gated { 2 } else { 1 };
        // An MLP has a row for each expert that a row uses.
        let inner = spec.mlp.experts.map_or(1, |experts| experts.used) * spec.mlp.intermediate;
        let peak_bytes = logits * size_of::<DevicePeak>();
        let places = Places::new(logits);
        let widest = spec.hidden.max(spec.mlp.intermediate).max(heads * size);
        Self {
            residual: rows * spec.hidden * F32,
            // Also the gathered rows before the head.
            normed: of(spec.hidden).max(logits * spec.hidden * F32),
            qkv: of((heads + 2 * kv_heads) * size),
            queries: of(heads * size),
            attended: of(heads * size),
            inner: of(projections * inner),
            activated: of(inner),
            delta: of(spec.hidden),
            second_delta: if is_parallel { of(spec.hidden) } else { 0 },
            places,
            chosen: places.end,
            logits: logits * spec.vocab * F32,
            routing: RoutingSizes::new(spec, rows, options.element),
            low: low_bytes(rows, options),
            chunks: peak_bytes * peak_chunks(spec.vocab as u32) as usize,
            partials: partial_bytes(
                options.positions(spec),
                multiprocessors,
                (heads, kv_heads, size),
            ),
            scratch: SCRATCH.max(widest) * options.element.bytes(),
            input: input_bytes(spec, options),
        }
    }

    /// All of them together.
    pub fn total(&self) -> usize {
        let Self { residual, normed, qkv, queries, attended, inner, activated, delta, .. } = self;
        let Self { second_delta, chosen, logits, chunks, partials, scratch, input, .. } = self;
        let stream = residual + normed + qkv + queries + attended + inner + activated + delta;
        let stream = stream + self.routing.total() + self.low;
        stream + second_delta + chosen + logits + chunks + partials + scratch + input
    }
}

/// Rows of the largest step, those that fill up included.
struct Largest {
    rows: usize,
    logits: usize,
}

impl Largest {
    fn of(options: &CudaOptions) -> Self {
        let decoded = options.logit_rows.min(options.batch_tokens);
        let bucket = decode_buckets(decoded).last().copied().unwrap_or(0);
        Self {
            rows: padded_rows(options.batch_tokens).max(bucket),
            logits: options.logit_rows.max(bucket),
        }
    }
}

/// Most that a step's input takes: tokens, positions, slots, adapters, wanted rows, tiles, page
/// tables, choices.
fn input_bytes(spec: &ModelSpec, options: &CudaOptions) -> usize {
    let Largest { rows, logits } = Largest::of(options);
    let pages = options.batch_tokens * options.positions(spec).div_ceil(PAGE_TOKENS);
    let words = 4 * rows + logits + 4 * (rows + 1) + pages + most_words(rows, logits);
    words * size_of::<u32>()
}

/// The regions.
pub(crate) struct Arena {
    /// `f32 [rows, hidden]`.
    pub residual: Region,
    /// `T [rows, hidden]`.
    pub normed: Region,
    /// `T [rows, (heads + 2 kv_heads) head_size]`.
    pub qkv: Region,
    /// `T [rows, heads head_size]`.
    pub queries: Region,
    /// `T [rows, heads head_size]`.
    pub attended: Region,
    /// `T [rows, 2 intermediate]`, or half of it; a row for each expert that a row uses.
    pub inner: Region,
    /// `T [rows, intermediate]`, likewise.
    pub activated: Region,
    /// `T [rows, hidden]`.
    pub delta: Region,
    /// `T [rows, hidden]` where blocks are parallel.
    pub second_delta: Region,
    /// Peaks, samples and best tokens, by [`Places`]: what comes back in one copy.
    pub chosen: Region,
    /// Where they lie.
    pub places: Places,
    /// `f32 [logit rows, vocab]`.
    pub logits: Region,
    /// What rows use of experts.
    pub routing: Routing,
    /// Of adapters, `f32 [rows, slots, rank]`.
    pub low: Region,
    /// Peaks of chunks.
    pub chunks: Region,
    /// What splits leave.
    pub partials: Region,
    /// Unpacked weights.
    pub scratch: Region,
    /// A step's input.
    pub input: Region,
}

impl Arena {
    /// Takes all regions.
    pub fn new<D: Device>(device: &mut D, sizes: &Sizes) -> Result<Self, CudaError> {
        let mut take = |bytes| device.allocate("activations and logits", bytes);
        Ok(Self {
            residual: take(sizes.residual)?,
            normed: take(sizes.normed)?,
            qkv: take(sizes.qkv)?,
            queries: take(sizes.queries)?,
            attended: take(sizes.attended)?,
            inner: take(sizes.inner)?,
            activated: take(sizes.activated)?,
            delta: take(sizes.delta)?,
            second_delta: take(sizes.second_delta)?,
            chosen: take(sizes.chosen)?,
            places: sizes.places,
            logits: take(sizes.logits)?,
            routing: Routing::new(&mut take, &sizes.routing)?,
            low: take(sizes.low)?,
            chunks: take(sizes.chunks)?,
            partials: take(sizes.partials)?,
            scratch: take(sizes.scratch)?,
            input: take(sizes.input)?,
        })
    }

    /// The logits of the first `rows` wanted rows.
    pub fn logits(&self, rows: usize, vocab: usize) -> Region {
        self.logits.part(0, rows * vocab * F32)
    }
}

/// K and V of one token in all layers, bytes.
pub fn kv_bytes_per_token(spec: &ModelSpec, element: Element) -> u64 {
    let width = spec.attention.kv_heads * spec.attention.head_size;
    2 * (spec.layers * width * element.bytes()) as u64
}

/// Everything besides weights and pages, bytes: activations, results, tables of rope, and the work of
/// cuBLASLt.
pub fn arena_bytes(spec: &ModelSpec, options: &CudaOptions, multiprocessors: usize) -> u64 {
    let tables = match &spec.position {
        Position::Rope { dimensions, layers, .. } => {
            distinct(layers.iter()).0.len() * options.positions(spec) * dimensions * F32
        }
        _ => 0,
    };
    (Sizes::new(spec, options, multiprocessors).total() + tables + WORKSPACE_BYTES) as u64
}
