//! Gemma 1 and 2 (Gemma Team 2024, <https://arxiv.org/abs/2403.08295>,
//! <https://arxiv.org/abs/2408.00118>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::llama::{self, ATTENTION, GATED_MLP};
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, rotary, windows};
use crate::error::Defect;
use crate::spec::{Activation, Block, ModelSpec, Norms, Role, RopeLayout};

/// Layers of Gemma 2's 27B model, the only one whose attention is not scaled by its head size.
const LAYERS_OF_27B: usize = 46;

/// GGUF's norm weights hold the sum `1 + w` already.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    Ok(first(decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?)))
}

/// Every second layer sees all, the others a window.
pub(super) fn second_spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = spec(keys)?;
    spec.block = Block::Sequential(Norms::Around);
    let window = keys.dimension("attention.sliding_window")?;
    spec.attention.windows.iter_mut().step_by(2).for_each(|layer| *layer = Some(window));
    spec.attention.soft_cap = keys.positive("attn_logit_softcapping")?;
    spec.embedding.logit_soft_cap = keys.positive("final_logit_softcapping")?;
    if spec.layers == LAYERS_OF_27B {
        let share = spec.hidden as f32 / spec.attention.heads as f32;
        spec.attention.scale = 1.0 / share.sqrt();
    }
    Ok(spec)
}

/// Hugging Face's norm weights lack the 1. Its names are llama's.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = first(rotary(config, config.base(&["rms_norm_eps"], true)?, ROPE_BASE)?);
    spec.norm.weight_offset = 1.0;
    // `hidden_act` says `gelu` in old files and means this one.
    spec.mlp.activation = config.activation(&["hidden_activation"], Activation::GeluTanh)?;
    Ok(spec)
}

/// The same with windows and caps.
pub(super) fn second_from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = from_config(config)?;
    spec.block = Block::Sequential(Norms::Around);
    windows(config, &mut spec, |layer| layer % 2 == 0)?;
    spec.attention.soft_cap = config.positive(&["attn_logit_softcapping"])?;
    spec.embedding.logit_soft_cap = config.positive(&["final_logit_softcapping"])?;
    if let Some(scalar) = config.positive(&["query_pre_attn_scalar"])? {
        spec.attention.scale = 1.0 / scalar.sqrt();
    }
    Ok(spec)
}

fn first(mut spec: ModelSpec) -> ModelSpec {
    spec.mlp.activation = Activation::GeluTanh;
    spec.embedding.scale = (spec.hidden as f32).sqrt();
    spec
}

/// Llama's, and two norms more.
pub(super) const SECOND_NAMES: Names =
    Names { block: &[FOUR_NORMS, ATTENTION, GATED_MLP], ..llama::NAMES };

/// Norms on inputs and outputs.
pub(super) const FOUR_NORMS: &[(Role, Place)] = &[
    (Role::AttentionNorm, Place::alone("input_layernorm.weight")),
    (Role::PostAttentionNorm, Place::alone("post_attention_layernorm.weight")),
    (Role::MlpNorm, Place::alone("pre_feedforward_layernorm.weight")),
    (Role::PostMlpNorm, Place::alone("post_feedforward_layernorm.weight")),
];
