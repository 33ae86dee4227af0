//! Llama and what is stored as it: Llama 1 to 3, Mistral, `SmolLM`, Yi, `TinyLlama` (Touvron et al.
//! 2023, <https://arxiv.org/abs/2302.13971>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, optional_biases, rotary, window};
use crate::error::Defect;
use crate::spec::{ModelSpec, Role, RopeLayout};

/// GGUF permutes llama's q and k rows, so that rope turns neighbours. Mixtral is stored so too.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = decoder(keys.base()?, RopeLayout::Interleaved, keys.rope(ROPE_BASE)?);
    keys.biases(&mut spec);
    spec.mlp.experts = keys.experts(true)?;
    Ok(spec)
}

/// Mistral's configuration is the same and may have a window on every layer.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = rotary(config, config.base(&["rms_norm_eps"], false)?, ROPE_BASE)?;
    window(config, &mut spec)?;
    optional_biases(config, &mut spec)?;
    Ok(spec)
}

/// Checkpoints of old have the frequencies of rope as a buffer.
pub(super) const NAMES: Names = Names {
    prefixes: &["model.", ""],
    layer: "layers.",
    model: MODEL,
    block: &[NORMS, ATTENTION, QKV_BIASES, OUTPUT_BIAS, GATED_MLP, MLP_BIASES],
    head: "lm_head.weight",
    unused: &["rotary_emb.inv_freq"],
};

/// Embedding and last norm.
pub(super) const MODEL: &[(Role, Place)] = &[
    (Role::TokenEmbedding, Place::alone("embed_tokens.weight")),
    (Role::OutputNorm, Place::alone("norm.weight")),
];

/// Norms before attention and MLP.
pub(super) const NORMS: &[(Role, Place)] = &[
    (Role::AttentionNorm, Place::alone("input_layernorm.weight")),
    (Role::MlpNorm, Place::alone("post_attention_layernorm.weight")),
];

/// Their biases.
pub(super) const NORM_BIASES: &[(Role, Place)] = &[
    (Role::AttentionNormBias, Place::alone("input_layernorm.bias")),
    (Role::MlpNormBias, Place::alone("post_attention_layernorm.bias")),
];

/// Projections of attention.
pub(super) const ATTENTION: &[(Role, Place)] = &[
    (Role::Query, Place::alone("self_attn.q_proj.weight")),
    (Role::Key, Place::alone("self_attn.k_proj.weight")),
    (Role::Value, Place::alone("self_attn.v_proj.weight")),
    (Role::AttentionOutput, Place::alone("self_attn.o_proj.weight")),
];

/// Biases of q, k and v.
pub(super) const QKV_BIASES: &[(Role, Place)] = &[
    (Role::QueryBias, Place::alone("self_attn.q_proj.bias")),
    (Role::KeyBias, Place::alone("self_attn.k_proj.bias")),
    (Role::ValueBias, Place::alone("self_attn.v_proj.bias")),
];

/// Bias of the output projection.
pub(super) const OUTPUT_BIAS: &[(Role, Place)] =
    &[(Role::AttentionOutputBias, Place::alone("self_attn.o_proj.bias"))];

/// Norms of q and k.
pub(super) const QK_NORMS: &[(Role, Place)] = &[
    (Role::QueryNorm, Place::alone("self_attn.q_norm.weight")),
    (Role::KeyNorm, Place::alone("self_attn.k_norm.weight")),
];

/// Projections of a gated MLP.
pub(super) const GATED_MLP: &[(Role, Place)] = &[
    (Role::Gate, Place::alone("mlp.gate_proj.weight")),
    (Role::Up, Place::alone("mlp.up_proj.weight")),
    (Role::Down, Place::alone("mlp.down_proj.weight")),
];

/// Their biases.
pub(super) const MLP_BIASES: &[(Role, Place)] = &[
    (Role::GateBias, Place::alone("mlp.gate_proj.bias")),
    (Role::UpBias, Place::alone("mlp.up_proj.bias")),
    (Role::DownBias, Place::alone("mlp.down_proj.bias")),
];
