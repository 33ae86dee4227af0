//! `OLMo` 2 (Team `OLMo` 2024, <https://arxiv.org/abs/2501.00656>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::llama::{self, ATTENTION, GATED_MLP, OUTPUT_BIAS, QK_NORMS, QKV_BIASES};
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, optional_biases, rotary};
use crate::error::Defect;
use crate::spec::{Block, ModelSpec, Norms, QkNorm, Role, RopeLayout};

/// Norms on outputs alone, and on whole rows of q and k.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    Ok(normed(decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?)))
}

/// The same.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = normed(rotary(config, config.base(&["rms_norm_eps"], false)?, ROPE_BASE)?);
    optional_biases(config, &mut spec)?;
    Ok(spec)
}

fn normed(mut spec: ModelSpec) -> ModelSpec {
    spec.block = Block::Sequential(Norms::After);
    spec.attention.qk_norm = Some(QkNorm::Row);
    spec
}

/// Llama's, but for the norms.
pub(super) const NAMES: Names = Names {
    block: &[AFTER, QK_NORMS, ATTENTION, QKV_BIASES, OUTPUT_BIAS, GATED_MLP],
    ..llama::NAMES
};

const AFTER: &[(Role, Place)] = &[
    (Role::PostAttentionNorm, Place::alone("post_attention_layernorm.weight")),
    (Role::PostMlpNorm, Place::alone("post_feedforward_layernorm.weight")),
];
