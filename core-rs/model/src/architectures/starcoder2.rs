//! `StarCoder` 2 (Lozhkov et al. 2024, <https://arxiv.org/abs/2402.19173>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::llama::{self, ATTENTION, NORM_BIASES, NORMS, OUTPUT_BIAS, QKV_BIASES};
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, layer_normed, rotary, window};
use crate::error::Defect;
use crate::spec::{Activation, ModelSpec, Role, RopeLayout};

/// Layer norms, rope, a plain MLP, biases.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?);
    layer_normed(&mut spec, true);
    spec.mlp.activation = Activation::GeluTanh;
    keys.window(&mut spec)?;
    Ok(spec)
}

/// The same.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = rotary(config, config.base(&["norm_epsilon"], true)?, ROPE_BASE)?;
    layer_normed(&mut spec, config.bool(&["use_bias"])?.unwrap_or(true));
    spec.mlp.activation = config.activation(&["hidden_act"], Activation::GeluTanh)?;
    window(config, &mut spec)?;
    Ok(spec)
}

/// Llama's, and an MLP of its own.
pub(super) const NAMES: Names = Names {
    model: NORMED_MODEL,
    block: &[NORMS, NORM_BIASES, ATTENTION, QKV_BIASES, OUTPUT_BIAS, MLP],
    ..llama::NAMES
};

/// Llama's, and the bias of the last norm.
pub(super) const NORMED_MODEL: &[(Role, Place)] = &[
    (Role::TokenEmbedding, Place::alone("embed_tokens.weight")),
    (Role::OutputNorm, Place::alone("norm.weight")),
    (Role::OutputNormBias, Place::alone("norm.bias")),
];

const MLP: &[(Role, Place)] = &[
    (Role::Up, Place::alone("mlp.c_fc.weight")),
    (Role::UpBias, Place::alone("mlp.c_fc.bias")),
    (Role::Down, Place::alone("mlp.c_proj.weight")),
    (Role::DownBias, Place::alone("mlp.c_proj.bias")),
];
