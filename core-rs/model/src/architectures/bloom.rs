//! BLOOM (`BigScience` 2022, <https://arxiv.org/abs/2211.05100>).

use super::config::Config;
use super::gpt_neox::PLAIN_MLP;
use super::gpt2::learned;
use super::keys::Keys;
use super::llama::{NORM_BIASES, NORMS};
use super::names::{Names, Place};
use crate::error::Defect;
use crate::spec::{ModelSpec, Position, Role};

/// Linear biases for positions, layer norms, one of them on the embedding.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    Ok(biased(learned(keys.base()?)))
}

/// A residual stream of normed values is not known.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    config.only(&["apply_residual_connection_post_layernorm"], false)?;
    Ok(biased(learned(config.base(&["layer_norm_epsilon"], true)?)))
}

fn biased(mut spec: ModelSpec) -> ModelSpec {
    spec.position = Position::Alibi { factor: 1.0 };
    spec.embedding.norm = true;
    spec
}

/// Names of Megatron's.
pub(super) const NAMES: Names = Names {
    prefixes: &["transformer.", ""],
    layer: "h.",
    model: &[
        (Role::TokenEmbedding, Place::alone("word_embeddings.weight")),
        (Role::EmbeddingNorm, Place::alone("word_embeddings_layernorm.weight")),
        (Role::EmbeddingNormBias, Place::alone("word_embeddings_layernorm.bias")),
        (Role::OutputNorm, Place::alone("ln_f.weight")),
        (Role::OutputNormBias, Place::alone("ln_f.bias")),
    ],
    block: &[NORMS, NORM_BIASES, ATTENTION, PLAIN_MLP],
    head: "lm_head.weight",
    unused: &[],
};

const QKV: &[Role] = &[Role::Query, Role::Key, Role::Value];
const QKV_BIASES: &[Role] = &[Role::QueryBias, Role::KeyBias, Role::ValueBias];

/// Projections fused head by head.
pub(super) const ATTENTION: &[(Role, Place)] = &[
    (Role::Query, Place::by_key_head("self_attention.query_key_value.weight", QKV)),
    (Role::Key, Place::by_key_head("self_attention.query_key_value.weight", QKV)),
    (Role::Value, Place::by_key_head("self_attention.query_key_value.weight", QKV)),
    (Role::QueryBias, Place::by_key_head("self_attention.query_key_value.bias", QKV_BIASES)),
    (Role::KeyBias, Place::by_key_head("self_attention.query_key_value.bias", QKV_BIASES)),
    (Role::ValueBias, Place::by_key_head("self_attention.query_key_value.bias", QKV_BIASES)),
    (Role::AttentionOutput, Place::alone("self_attention.dense.weight")),
    (Role::AttentionOutputBias, Place::alone("self_attention.dense.bias")),
];
