//! Gemma 3, text (Gemma Team 2025, <https://arxiv.org/abs/2503.19786>).

use super::decoder;
use super::keys::Keys;
use crate::error::Defect;
use crate::spec::{
    Activation, Block, ModelSpec, Norms, Position, QkNorm, Rope, RopeLayout, RopeScaling,
};

/// Every sixth layer sees the whole context, the others a window.
const GLOBAL_EVERY: usize = 6;
/// Rope base of global layers when the file names none.
const GLOBAL_ROPE_BASE: f32 = 1_000_000.0;
/// Rope base of layers with a window when the file names none; they are never scaled.
const LOCAL_ROPE_BASE: f32 = 10_000.0;
/// Layers of the 27B model, the only one whose attention is not scaled by its head size.
const LAYERS_OF_27B: usize = 62;

/// GGUF's norm weights hold the sum `1 + w` already.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let window = keys.dimension("attention.sliding_window")?;
    let global = Rope { base: keys.rope_base(GLOBAL_ROPE_BASE)?, scaling: keys.rope_scaling()? };
    let local = Rope {
        base: keys.positive("rope.freq_base_swa")?.unwrap_or(LOCAL_ROPE_BASE),
        scaling: RopeScaling::None,
    };
    let mut spec = decoder(keys, RopeLayout::Halves, global.clone())?;
    let is_global = |layer: usize| layer % GLOBAL_EVERY == GLOBAL_EVERY - 1;
    if let Position::Rope { layers, .. } = &mut spec.position {
        let rope = |layer| if is_global(layer) { global.clone() } else { local.clone() };
        *layers = (0..spec.layers).map(rope).map(Some).collect();
    }
    spec.attention.windows = (0..spec.layers).map(|n| (!is_global(n)).then_some(window)).collect();
    spec.attention.qk_norm = Some(QkNorm::Head);
    if spec.layers == LAYERS_OF_27B {
        let share = spec.hidden as f32 / spec.attention.heads as f32;
        spec.attention.scale = 1.0 / share.sqrt();
    }
    spec.block = Block::Sequential(Norms::Around);
    spec.mlp.activation = Activation::GeluTanh;
    spec.embedding.scale = (spec.hidden as f32).sqrt();
    Ok(spec)
}
