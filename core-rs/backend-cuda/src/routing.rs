//! Working memory of experts: what the rows of a step use, and lists of it.

use tgi_cuda_kernels::signatures::{EXPERT_GEMM_ROWS, Element, GEMV_ROWS, expert_tiles};
use tgi_model::ModelSpec;

use crate::CudaError;
use crate::device::Region;

const WORD: usize = size_of::<u32>();

/// Sizes in bytes; zeros for a model without experts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoutingSizes {
    scores: usize,
    /// Of picks, and of their weights.
    picks: usize,
    places: usize,
    tile_experts: usize,
    products: usize,
}

impl RoutingSizes {
    /// For steps of up to `rows` rows.
    pub fn new(spec: &ModelSpec, rows: usize, element: Element) -> Self {
        let Some(experts) = spec.mlp.experts else { return Self::default() };
        let places = rows * experts.used;
        let [few, many] = [GEMV_ROWS, EXPERT_GEMM_ROWS].map(|tile_rows| {
            let tiles = expert_tiles(places, experts.count, tile_rows as usize);
            (tiles, tiles * tile_rows as usize)
        });
        Self {
            scores: rows * experts.count * size_of::<f32>(),
            picks: places * WORD,
            places: few.1.max(many.1) * WORD,
            tile_experts: few.0.max(many.0) * WORD,
            products: places * spec.hidden * element.bytes(),
        }
    }

    /// All of them together.
    pub fn total(&self) -> usize {
        let Self { scores, picks, places, tile_experts, products } = self;
        scores + 2 * picks + places + tile_experts + products
    }
}

/// The regions.
pub(crate) struct Routing {
    /// Of the router, `f32 [rows, experts]`.
    pub scores: Region,
    /// Expert of each place, `u32 [rows, used]`.
    pub picks: Region,
    /// Weight of each place, `f32 [rows, used]`.
    pub weights: Region,
    /// Places by tile.
    pub places: Region,
    /// Expert of each tile.
    pub tile_experts: Region,
    /// What experts give, `T [rows, used, hidden]`.
    pub products: Region,
}

impl Routing {
    /// Takes all regions.
    pub fn new(
        take: &mut impl FnMut(usize) -> Result<Region, CudaError>,
        sizes: &RoutingSizes,
    ) -> Result<Self, CudaError> {
        Ok(Self {
            scores: take(sizes.scores)?,
            picks: take(sizes.picks)?,
            weights: take(sizes.picks)?,
            places: take(sizes.places)?,
            tile_experts: take(sizes.tile_experts)?,
            products: take(sizes.products)?,
        })
    }
}
