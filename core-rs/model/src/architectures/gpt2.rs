//! GPT-2 (Radford et al. 2019) and `StarCoder` 1, which Hugging Face calls `gpt_bigcode` (Li et al.
//! 2023, <https://arxiv.org/abs/2305.06161>).

use super::config::Config;
use super::decoder;
use super::keys::{Base, Keys};
use super::names::{Names, Place};
use super::shared::layer_normed;
use crate::error::Defect;
use crate::spec::{Activation, ModelSpec, Position, Role, Rope, RopeLayout, RopeScaling};

/// Learned positions, layer norms, a plain MLP, biases. In GGUF both are alike.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    Ok(learned(keys.base()?))
}

/// Switches that no well-known model turns are refused.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    config.only(&["scale_attn_weights"], true)?;
    config.only(&["scale_attn_by_inverse_layer_idx"], false)?;
    config.only(&["add_cross_attention"], false)?;
    let mut spec = learned(config.base(&["layer_norm_epsilon"], true)?);
    spec.mlp.activation = config.activation(&["activation_function"], Activation::GeluTanh)?;
    Ok(spec)
}

/// One key head for all queries, unless the file says otherwise.
pub(super) fn bigcode_from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = from_config(config)?;
    let is_shared = config.bool(&["multi_query"])?.unwrap_or(true);
    spec.attention.kv_heads = if is_shared { 1 } else { spec.attention.heads };
    Ok(spec)
}

/// A decoder with learned positions, as GPT-2 is.
pub(super) fn learned(base: Base) -> ModelSpec {
    let replaced = Rope { base: 1.0, scaling: RopeScaling::None };
    let mut spec = decoder(base, RopeLayout::Halves, replaced);
    layer_normed(&mut spec, true);
    spec.mlp.activation = Activation::GeluTanh;
    spec.position = Position::Learned { offset: 0 };
    spec
}

/// GPT-2 stores its matrices as `[inputs, outputs]`; files of old have the causal mask too.
pub(super) const NAMES: Names = Names {
    prefixes: &["transformer.", ""],
    layer: "h.",
    model: &[
        (Role::TokenEmbedding, Place::alone("wte.weight")),
        (Role::PositionEmbedding, Place::alone("wpe.weight")),
        (Role::OutputNorm, Place::alone("ln_f.weight")),
        (Role::OutputNormBias, Place::alone("ln_f.bias")),
    ],
    block: &[NORMS, BIASES, TRANSPOSED],
    head: "lm_head.weight",
    unused: &[".attn.bias", ".attn.masked_bias"],
};

/// `StarCoder` does not, and its fused projection goes head by head.
pub(super) const BIGCODE_NAMES: Names = Names { block: &[NORMS, BIASES, BY_HEAD], ..NAMES };

const NORMS: &[(Role, Place)] = &[
    (Role::AttentionNorm, Place::alone("ln_1.weight")),
    (Role::AttentionNormBias, Place::alone("ln_1.bias")),
    (Role::MlpNorm, Place::alone("ln_2.weight")),
    (Role::MlpNormBias, Place::alone("ln_2.bias")),
];

const BIASES: &[(Role, Place)] = &[
    (Role::AttentionOutputBias, Place::alone("attn.c_proj.bias")),
    (Role::UpBias, Place::alone("mlp.c_fc.bias")),
    (Role::DownBias, Place::alone("mlp.c_proj.bias")),
];

const QKV: &[Role] = &[Role::Query, Role::Key, Role::Value];
const QKV_BIASES: &[Role] = &[Role::QueryBias, Role::KeyBias, Role::ValueBias];

const TRANSPOSED: &[(Role, Place)] = &[
    (Role::Query, Place::stacked("attn.c_attn.weight", QKV).transposed()),
    (Role::Key, Place::stacked("attn.c_attn.weight", QKV).transposed()),
    (Role::Value, Place::stacked("attn.c_attn.weight", QKV).transposed()),
    (Role::QueryBias, Place::stacked("attn.c_attn.bias", QKV_BIASES)),
    (Role::KeyBias, Place::stacked("attn.c_attn.bias", QKV_BIASES)),
    (Role::ValueBias, Place::stacked("attn.c_attn.bias", QKV_BIASES)),
    (Role::AttentionOutput, Place::alone("attn.c_proj.weight").transposed()),
    (Role::Up, Place::alone("mlp.c_fc.weight").transposed()),
    (Role::Down, Place::alone("mlp.c_proj.weight").transposed()),
];

const BY_HEAD: &[(Role, Place)] = &[
    (Role::Query, Place::by_key_head("attn.c_attn.weight", QKV)),
    (Role::Key, Place::by_key_head("attn.c_attn.weight", QKV)),
    (Role::Value, Place::by_key_head("attn.c_attn.weight", QKV)),
    (Role::QueryBias, Place::by_key_head("attn.c_attn.bias", QKV_BIASES)),
    (Role::KeyBias, Place::by_key_head("attn.c_attn.bias", QKV_BIASES)),
    (Role::ValueBias, Place::by_key_head("attn.c_attn.bias", QKV_BIASES)),
    (Role::AttentionOutput, Place::alone("attn.c_proj.weight")),
    (Role::Up, Place::alone("mlp.c_fc.weight")),
    (Role::Down, Place::alone("mlp.c_proj.weight")),
];
