//! GPT-NeoX and Pythia (Black et al. 2022, <https://arxiv.org/abs/2204.06745>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::llama::{NORM_BIASES, NORMS};
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, layer_normed, partly_rotary};
use crate::error::Defect;
use crate::spec::{Activation, Block, ModelSpec, Role, RopeLayout};

/// Part of a head that rotates when the file names none.
const SHARE: f32 = 0.25;

/// Attention and MLP side by side, each with a norm of its own.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let spec = decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?);
    Ok(of(spec, true, keys.bool("use_parallel_residual")?.unwrap_or(true)))
}

/// The same.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut base = config.base(&["layer_norm_eps"], false)?;
    base.shape.kv_heads = base.shape.heads;
    let spec = partly_rotary(config, base, ROPE_BASE, SHARE)?;
    let biases = config.bool(&["attention_bias"])?.unwrap_or(true);
    let is_parallel = config.bool(&["use_parallel_residual"])?.unwrap_or(true);
    let mut spec = of(spec, biases, is_parallel);
    spec.mlp.activation = config.activation(&["hidden_act"], Activation::GeluErf)?;
    Ok(spec)
}

fn of(mut spec: ModelSpec, attention_biases: bool, is_parallel: bool) -> ModelSpec {
    layer_normed(&mut spec, attention_biases);
    spec.mlp.bias = true;
    spec.mlp.activation = Activation::GeluErf;
    if is_parallel {
        spec.block = Block::Parallel { mlp_norm: true };
    }
    spec
}

/// Files of old have the causal mask and the frequencies of rope as buffers.
pub(super) const NAMES: Names = Names {
    prefixes: &["gpt_neox.", ""],
    layer: "layers.",
    model: &[
        (Role::TokenEmbedding, Place::alone("embed_in.weight")),
        (Role::OutputNorm, Place::alone("final_layer_norm.weight")),
        (Role::OutputNormBias, Place::alone("final_layer_norm.bias")),
    ],
    block: &[NORMS, NORM_BIASES, ATTENTION, PLAIN_MLP],
    head: "embed_out.weight",
    unused: &["attention.bias", "attention.masked_bias", "rotary_emb.inv_freq"],
};

/// An MLP by Megatron's names.
pub(super) const PLAIN_MLP: &[(Role, Place)] = &[
    (Role::Up, Place::alone("mlp.dense_h_to_4h.weight")),
    (Role::UpBias, Place::alone("mlp.dense_h_to_4h.bias")),
    (Role::Down, Place::alone("mlp.dense_4h_to_h.weight")),
    (Role::DownBias, Place::alone("mlp.dense_4h_to_h.bias")),
];

const QKV: &[Role] = &[Role::Query, Role::Key, Role::Value];
const QKV_BIASES: &[Role] = &[Role::QueryBias, Role::KeyBias, Role::ValueBias];

const ATTENTION: &[(Role, Place)] = &[
    (Role::Query, Place::by_key_head("attention.query_key_value.weight", QKV)),
    (Role::Key, Place::by_key_head("attention.query_key_value.weight", QKV)),
    (Role::Value, Place::by_key_head("attention.query_key_value.weight", QKV)),
    (Role::QueryBias, Place::by_key_head("attention.query_key_value.bias", QKV_BIASES)),
    (Role::KeyBias, Place::by_key_head("attention.query_key_value.bias", QKV_BIASES)),
    (Role::ValueBias, Place::by_key_head("attention.query_key_value.bias", QKV_BIASES)),
    (Role::AttentionOutput, Place::alone("attention.dense.weight")),
    (Role::AttentionOutputBias, Place::alone("attention.dense.bias")),
];
