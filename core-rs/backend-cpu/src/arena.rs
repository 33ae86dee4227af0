//! All memory of a step, taken once at load.

use tgi_backend::PAGE_TOKENS;
use tgi_model::ModelSpec;
use tgi_model::spec::Position;

use crate::activation::ActivationBlock;
use crate::attention::{KvShape, Partial, Scratch};
use crate::options::CpuOptions;
use crate::product::PanelRow;
use crate::shared::{PerWorker, Shared};
use crate::tile::pack::PANEL_ROWS;

/// Tokens that a panel multiplies before the next panel's turn.
pub const TOKEN_CHUNK: usize = 64;

/// Partial results that split attention may hold: query heads x tokens x chunks.
pub const PARTIAL_ROWS: usize = 2048;

/// Widths of the buffers, in whole panels.
#[derive(Clone, Copy, Debug)]
pub struct Widths {
    /// Residual stream.
    pub hidden: usize,
    /// All query heads together.
    pub query: usize,
    /// All key heads together.
    pub key: usize,
    /// Between the MLP's projections.
    pub intermediate: usize,
    /// One head.
    pub head: usize,
    /// Pairs that rope turns in a head.
    pub pairs: usize,
}

impl Widths {
    /// Those of a model.
    pub fn new(spec: &ModelSpec) -> Self {
        let attention = &spec.attention;
        let whole = |width: usize| width.next_multiple_of(PANEL_ROWS);
        Self {
            hidden: whole(spec.hidden),
            query: whole(attention.heads * attention.head_size),
            key: whole(attention.kv_heads * attention.head_size),
            intermediate: whole(spec.mlp.intermediate),
            head: whole(attention.head_size),
            pairs: match spec.position {
                Position::Rope { dimensions, .. } => dimensions / 2,
                _ => 0,
            },
        }
    }
}

/// Activations for a matrix product, in the forms that some matrix of the model reads.
pub struct Activations {
    /// `[width / 32][tokens]`.
    pub blocks: Shared<ActivationBlock>,
    /// `[tokens, width]`.
    pub floats: Shared<f32>,
    /// Elements of a token.
    pub width: usize,
}

impl Activations {
    fn new(tokens: usize, width: usize) -> Self {
        Self {
            blocks: Shared::new(tokens * width / 32),
            floats: Shared::new(tokens * width),
            width,
        }
    }
}

/// What one thread needs for itself.
pub struct Worker {
    /// Results of one panel, of two matrices.
    pub panels: [Vec<PanelRow>; 2],
    /// Attention scores.
    pub scratch: Scratch,
    /// Soft-maxes of some rows: so far, and of one chunk.
    pub partials: [Vec<Partial>; 2],
    /// Weighted values that go with them.
    pub values: [Vec<f32>; 2],
    /// One row of the residual stream.
    pub row: Vec<f32>,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            panels: [0, 1].map(|_| vec![PanelRow::default(); TOKEN_CHUNK]),
            scratch: Scratch::default(),
            partials: [0, 1].map(|_| vec![Partial::default(); crate::attention::MAX_ROWS]),
            values: [Vec::new(), Vec::new()],
            row: Vec::new(),
        }
    }
}

/// The buffers. `tokens` below is what a step may hold at most.
pub struct Arena {
    /// Widths of the rows.
    pub widths: Widths,
    /// Residual stream, `[tokens, hidden]`.
    pub x: Shared<f32>,
    /// Output of a projection that a norm still awaits, `[tokens, hidden]`.
    pub y: Shared<f32>,
    /// Normed residual stream.
    pub normed: Activations,
    /// Query, key and value projections, `[tokens, width]`.
    pub projected: [Shared<f32>; 3],
    /// Queries after norm, rope and scale, `[tokens][heads][head]`.
    pub queries: Shared<f32>,
    /// Output of attention.
    pub attended: Activations,
    /// Between the MLP's projections.
    pub gated: Activations,
    /// Cosines and sines of each distinct rope, `[tokens][pairs]` each.
    pub turns: Vec<[Shared<f32>; 2]>,
    /// Soft-maxes of split attention, `[PARTIAL_ROWS]`.
    pub partials: Shared<Partial>,
    /// Weighted values that go with them, `[PARTIAL_ROWS][head]`.
    pub partial_values: Shared<f32>,
    /// `[logit_rows][vocab]`.
    pub logits: Shared<f32>,
    /// Keys of each layer.
    pub keys: Vec<Shared<u16>>,
    /// Values of each layer.
    pub values: Vec<Shared<u16>>,
    /// Sizes of the pages.
    pub shape: KvShape,
    /// One for each thread.
    pub workers: PerWorker<Worker>,
}

impl Arena {
    /// Takes all of it.
    pub fn new(spec: &ModelSpec, options: &CpuOptions, ropes: usize, threads: usize) -> Self {
        let (widths, tokens) = (Widths::new(spec), options.batch_tokens);
        let shape = KvShape {
            kv_heads: spec.attention.kv_heads,
            head_size: spec.attention.head_size,
            padded: widths.head,
        };
        let pages =
            || (0..spec.layers).map(|_| Shared::new(options.pages * shape.page())).collect();
        let mut workers = PerWorker::<Worker>::new(threads);
        for worker in workers.all() {
            worker.row = vec![0.0; widths.hidden];
            worker.values = [0, 1].map(|_| vec![0.0; crate::attention::MAX_ROWS * widths.head]);
        }
        Self {
            x: Shared::new(tokens * widths.hidden),
            y: Shared::new(tokens * widths.hidden),
            normed: Activations::new(tokens, widths.hidden),
            projected: [widths.query, widths.key, widths.key]
                .map(|width| Shared::new(tokens * width)),
            queries: Shared::new(tokens * spec.attention.heads * widths.head),
            attended: Activations::new(tokens, widths.query),
            gated: Activations::new(tokens, widths.intermediate),
            turns: (0..ropes).map(|_| [0, 1].map(|_| Shared::new(tokens * widths.pairs))).collect(),
            partials: Shared::new(PARTIAL_ROWS),
            partial_values: Shared::new(PARTIAL_ROWS * widths.head),
            logits: Shared::new(options.logit_rows * spec.vocab),
            keys: pages(),
            values: pages(),
            shape,
            workers,
            widths,
        }
    }

    /// Bytes that [`Arena::new`] takes, KV pages apart.
    pub fn bytes(spec: &ModelSpec, options: &CpuOptions) -> u64 {
        let widths = Widths::new(spec);
        let block = size_of::<ActivationBlock>() / 32;
        let activations = widths.hidden + widths.query + widths.intermediate;
        let floats = 2 * widths.hidden
            + activations
            + widths.query
            + 2 * widths.key
            + spec.attention.heads * widths.head
            + 4 * widths.pairs;
        let token = 4 * floats + block * activations;
        let split = PARTIAL_ROWS * (size_of::<Partial>() + 4 * widths.head);
        (options.batch_tokens * token + split + 4 * options.logit_rows * spec.vocab) as u64
    }

    /// Bytes of K and V of one token, over all layers.
    pub fn kv_bytes_per_token(spec: &ModelSpec) -> u64 {
        let page = spec.attention.kv_heads * Widths::new(spec).head * PAGE_TOKENS;
        (2 * size_of::<u16>() * page / PAGE_TOKENS * spec.layers) as u64
    }
}
