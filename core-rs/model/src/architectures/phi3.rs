//! Phi 3, 3.5 and 4 (Abdin et al. 2024, <https://arxiv.org/abs/2404.14219>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::llama::{self, NORMS};
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, rotary, window};
use crate::error::Defect;
use crate::spec::{ModelSpec, Role, RopeLayout};

/// Llama with fused projections.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?);
    keys.window(&mut spec)?;
    Ok(spec)
}

/// The same.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = rotary(config, config.base(&["rms_norm_eps"], false)?, ROPE_BASE)?;
    window(config, &mut spec)?;
    Ok(spec)
}

/// Llama's, fused.
pub(super) const NAMES: Names = Names { block: &[NORMS, FUSED], ..llama::NAMES };

const QKV: &[Role] = &[Role::Query, Role::Key, Role::Value];
const GATE_UP: &[Role] = &[Role::Gate, Role::Up];

const FUSED: &[(Role, Place)] = &[
    (Role::Query, Place::stacked("self_attn.qkv_proj.weight", QKV)),
    (Role::Key, Place::stacked("self_attn.qkv_proj.weight", QKV)),
    (Role::Value, Place::stacked("self_attn.qkv_proj.weight", QKV)),
    (Role::AttentionOutput, Place::alone("self_attn.o_proj.weight")),
    (Role::Gate, Place::stacked("mlp.gate_up_proj.weight", GATE_UP)),
    (Role::Up, Place::stacked("mlp.gate_up_proj.weight", GATE_UP)),
    (Role::Down, Place::alone("mlp.down_proj.weight")),
];
