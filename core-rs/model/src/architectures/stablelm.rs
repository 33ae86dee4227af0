//! `StableLM` 3B and 2 (Bellagente et al. 2024, <https://arxiv.org/abs/2402.17834>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::llama::{self, ATTENTION, GATED_MLP, NORM_BIASES, NORMS, QKV_BIASES};
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, partly_rotary};
use super::starcoder2::NORMED_MODEL;
use crate::error::Defect;
use crate::spec::{Block, ModelSpec, NormKind, QkNorm, Role, RopeLayout};

/// Part of a head that rotates when the file names none.
const SHARE: f32 = 0.25;

/// Llama with layer norms and a part of each head that rotates.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let spec = decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?);
    let mut spec = of(spec, !keys.has_tensor("blk.0.ffn_norm.weight"));
    if keys.has_tensor("blk.0.attn_q_norm.weight") {
        spec.attention.qk_norm = Some(QkNorm::Each);
    }
    keys.biases(&mut spec);
    Ok(spec)
}

/// `StableLM` 2 12B has norms of q and k and a parallel block.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let base = config.base(&["layer_norm_eps"], false)?;
    let spec = partly_rotary(config, base, ROPE_BASE, SHARE)?;
    let mut spec = of(spec, config.is(&["use_parallel_residual"])?);
    spec.attention.qkv_bias = config.is(&["use_qkv_bias"])?;
    spec.attention.qk_norm = config.is(&["qk_layernorm"])?.then_some(QkNorm::Each);
    Ok(spec)
}

fn of(mut spec: ModelSpec, is_parallel: bool) -> ModelSpec {
    spec.norm.kind = NormKind::Layer;
    spec.norm.bias = true;
    if is_parallel {
        spec.block = Block::Parallel { mlp_norm: false };
    }
    spec
}

/// Norms of q and k, a tensor for each head.
const HEAD_NORMS: &[(Role, Place)] = &[
    (Role::QueryNorm, Place::by_head("self_attn.q_layernorm.norms.{}.weight")),
    (Role::KeyNorm, Place::by_head("self_attn.k_layernorm.norms.{}.weight")),
];

/// Llama's, and biases of the norms.
pub(super) const NAMES: Names = Names {
    model: NORMED_MODEL,
    block: &[NORMS, NORM_BIASES, HEAD_NORMS, ATTENTION, QKV_BIASES, GATED_MLP],
    ..llama::NAMES
};
