//! Qwen 2 and 2.5 (Yang et al. 2024, <https://arxiv.org/abs/2407.10671>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::llama::{self, ATTENTION, GATED_MLP, NORMS, QKV_BIASES};
use super::names::Names;
use crate::error::Defect;
use crate::spec::{Activation, ModelSpec, Rope, RopeLayout};

/// Rope base when the file names none.
const ROPE_BASE: f32 = 10_000.0;

/// Llama with biases on q, k and v.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let rope = Rope { base: keys.rope_base(ROPE_BASE)?, scaling: keys.rope_scaling()? };
    let mut spec = decoder(keys.base()?, RopeLayout::Halves, rope);
    spec.attention.qkv_bias = true;
    Ok(spec)
}

/// The window counts for layers from `max_window_layers` on, and only with `use_sliding_window`.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let rope = Rope { base: config.rope_base(ROPE_BASE)?, scaling: config.rope_scaling()? };
    let mut spec = decoder(config.base(&["rms_norm_eps"], false)?, RopeLayout::Halves, rope);
    spec.attention.qkv_bias = true;
    spec.mlp.activation = config.activation(&["hidden_act"], Activation::Silu)?;
    if config.bool(&["use_sliding_window"])? == Some(true) {
        let window = config.dimension(&["sliding_window"])?;
        let first = config.number(&["max_window_layers"])?.unwrap_or(0.0) as usize;
        spec.attention.windows.iter_mut().skip(first).for_each(|layer| *layer = Some(window));
    }
    Ok(spec)
}

/// Llama's, and the biases.
pub(super) const NAMES: Names =
    Names { block: &[NORMS, ATTENTION, QKV_BIASES, GATED_MLP], ..llama::NAMES };
