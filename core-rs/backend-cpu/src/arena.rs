//! All memory of a step, taken once at load.

use tgi_backend::PAGE_TOKENS;
use tgi_model::ModelSpec;
use tgi_model::spec::Position;

use crate::activation::ActivationBlock;
use crate::attention::{KvCache, KvShape, MAX_ROWS, Partial, Scratch};
use crate::decoder::peaks::{BLOCK_PANELS, BlockPeak, blocks};
use crate::decoder::{Gathered, Routes};
use crate::lora::LowRows;
use crate::options::{CpuOptions, KvFormat};
use crate::product::PanelRow;
use crate::shared::{PerWorker, Shared};
use crate::tile::pack::PANEL_ROWS;

/// Tokens that a panel multiplies before the next panel's turn.
pub const TOKEN_CHUNK: usize = 64;

/// Rows that each thread norms for itself rather than wait for the others' share.
pub const FEW_ROWS: usize = 4;

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
    /// Terms that adapters add to them.
    pub terms: Vec<PanelRow>,
    /// Queries of some rows, `[rows][head]`.
    pub queries: Vec<f32>,
    /// Attention scores.
    pub scratch: Scratch,
    /// Soft-maxes of some rows: so far, and of one chunk.
    pub partials: [Vec<Partial>; 2],
    /// Weighted values that go with them.
    pub values: [Vec<f32>; 2],
    /// One row of the residual stream.
    pub row: Vec<f32>,
    /// Logits of some panels, `[panels][rows]`.
    pub logits: Vec<PanelRow>,
    /// Rows that use an expert, of a model with some.
    pub gathered: Gathered,
    /// Sums over the experts of each row for one panel.
    pub sums: Vec<PanelRow>,
}

impl Worker {
    fn new(widths: &Widths, logit_rows: usize, expert_rows: usize) -> Self {
        let heads = || vec![0.0; MAX_ROWS * widths.head];
        Self {
            panels: [0, 1].map(|_| vec![PanelRow::default(); TOKEN_CHUNK]),
            terms: vec![PanelRow::default(); TOKEN_CHUNK],
            queries: heads(),
            scratch: Scratch::new(widths.head),
            partials: [0, 1].map(|_| vec![Partial::default(); MAX_ROWS]),
            values: [0, 1].map(|_| heads()),
            row: vec![0.0; widths.hidden],
            logits: vec![PanelRow::default(); BLOCK_PANELS * logit_rows],
            gathered: Gathered::new(expert_rows.min(TOKEN_CHUNK), widths.hidden),
            sums: vec![PanelRow::default(); expert_rows],
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
    /// The same of up to [`FEW_ROWS`] rows, for each thread.
    pub own_normed: PerWorker<Activations>,
    /// Query, key and value projections, `[tokens, width]`.
    pub projected: [Shared<f32>; 3],
    /// Output of attention.
    pub attended: Activations,
    /// Between the MLP's projections; with experts a row for each that a token uses.
    pub gated: Activations,
    /// Which experts the tokens use.
    pub routes: Option<Routes>,
    /// Cosines and sines of each distinct rope, `[tokens][pairs]` each.
    pub turns: Vec<[Shared<f32>; 2]>,
    /// Soft-maxes of split attention, `[PARTIAL_ROWS]`.
    pub partials: Shared<Partial>,
    /// Weighted values that go with them, `[PARTIAL_ROWS][head]`.
    pub partial_values: Shared<f32>,
    /// `[logit_rows][vocab]`.
    pub logits: Shared<f32>,
    /// Of the rows that ask for their peak, `[peak_rows][blocks]`.
    pub block_peaks: Shared<BlockPeak>,
    /// Low rows of adapters, where there are some.
    pub low: Option<LowRows>,
    /// Pages of each layer.
    pub kv: Vec<KvCache>,
    /// Sizes of the pages.
    pub shape: KvShape,
    /// One for each thread.
    pub workers: PerWorker<Worker>,
}

/// MLPs that a token passes through.
fn used(spec: &ModelSpec) -> usize {
    spec.mlp.experts.map_or(1, |experts| experts.used)
}

impl Arena {
    /// Takes all of it.
    pub fn new(spec: &ModelSpec, options: &CpuOptions, ropes: usize, threads: usize) -> Self {
        let (widths, tokens) = (Widths::new(spec), options.batch_tokens);
        let shape = Self::kv_shape(spec, options.kv);
        let expert_rows = spec.mlp.experts.map_or(0, |_| tokens);
        let worker = || Worker::new(&widths, options.logit_rows, expert_rows);
        Self {
            x: Shared::new(tokens * widths.hidden),
            y: Shared::new(tokens * widths.hidden),
            normed: Activations::new(tokens, widths.hidden),
            own_normed: PerWorker::new(threads, || Activations::new(FEW_ROWS, widths.hidden)),
            projected: [widths.query, widths.key, widths.key]
                .map(|width| Shared::new(tokens * width)),
            attended: Activations::new(tokens, widths.query),
            gated: Activations::new(tokens * used(spec), widths.intermediate),
            routes: spec.mlp.experts.map(|experts| Routes::new(experts, tokens)),
            turns: (0..ropes).map(|_| [0, 1].map(|_| Shared::new(tokens * widths.pairs))).collect(),
            partials: Shared::new(PARTIAL_ROWS),
            partial_values: Shared::new(PARTIAL_ROWS * widths.head),
            logits: Shared::new(options.logit_rows * spec.vocab),
            block_peaks: Shared::new(options.logit_rows * blocks(spec.vocab)),
            low: None,
            kv: (0..spec.layers).map(|_| KvCache::new(shape, options.pages)).collect(),
            shape,
            workers: PerWorker::new(threads, worker),
            widths,
        }
    }

    /// Bytes that [`Arena::new`] takes, KV pages apart.
    pub fn bytes(spec: &ModelSpec, options: &CpuOptions) -> u64 {
        let widths = Widths::new(spec);
        let block = size_of::<ActivationBlock>() / 32;
        let activations = widths.hidden + widths.query + used(spec) * widths.intermediate;
        let floats =
            2 * widths.hidden + activations + widths.query + 2 * widths.key + 4 * widths.pairs;
        let token = 4 * floats + block * activations;
        let split = PARTIAL_ROWS * (size_of::<Partial>() + 4 * widths.head);
        let own = options.threads() * BLOCK_PANELS * size_of::<PanelRow>();
        let row = 4 * spec.vocab + size_of::<BlockPeak>() * blocks(spec.vocab) + own;
        let routes = spec.mlp.experts.map_or(0, |experts| {
            let gathered = TOKEN_CHUNK * widths.hidden * (4 + block);
            let sums = options.batch_tokens * size_of::<PanelRow>();
            Routes::bytes(experts, options.batch_tokens) + options.threads() * (gathered + sums)
        });
        (options.batch_tokens * token + split + options.logit_rows * row + routes) as u64
    }

    fn kv_shape(spec: &ModelSpec, format: KvFormat) -> KvShape {
        KvShape {
            kv_heads: spec.attention.kv_heads,
            head_size: spec.attention.head_size,
            padded: Widths::new(spec).head,
            format,
        }
    }

    /// Bytes of K and V of one token, over all layers.
    pub fn kv_bytes_per_token(spec: &ModelSpec, format: KvFormat) -> u64 {
        let page = KvCache::page_bytes(Self::kv_shape(spec, format));
        (page / PAGE_TOKENS * spec.layers) as u64
    }
}
