//! Falcon (Almazrouei et al. 2023, <https://arxiv.org/abs/2311.16867>).

use super::bloom::ATTENTION;
use super::config::Config;
use super::decoder;
use super::gpt_neox::PLAIN_MLP;
use super::keys::Keys;
use super::llama::{NORM_BIASES, NORMS};
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, layer_normed, rotary};
use crate::error::Defect;
use crate::spec::{Activation, Block, ModelSpec, Position, Role, RopeLayout};

/// The 7B model and its kind, which share one norm.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?);
    layer_normed(&mut spec, false);
    spec.mlp.activation = Activation::GeluErf;
    spec.block = Block::Parallel { mlp_norm: false };
    Ok(spec)
}

/// Three kinds: parallel with one norm (7B, 11B), with two (40B, 180B), and sequential (RW).
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let is_new = config.is(&["new_decoder_architecture"])?;
    let mut base = config.base(&["layer_norm_epsilon"], true)?;
    let shape = &mut base.shape;
    let is_shared = config.bool(&["multi_query"])?.unwrap_or(true);
    shape.kv_heads = match (is_new, is_shared) {
        (true, _) => config.optional_dimension(&["num_kv_heads"])?.unwrap_or(shape.heads),
        (false, true) => 1,
        (false, false) => shape.heads,
    };
    let intermediate = config.optional_dimension(&["ffn_hidden_size"])?;
    shape.intermediate = intermediate.unwrap_or(4 * shape.hidden);
    base.shape = base.shape.checked()?;
    let mut spec = rotary(config, base, ROPE_BASE)?;
    layer_normed(&mut spec, config.is(&["bias"])?);
    spec.mlp.activation = config.activation(&["activation"], Activation::GeluErf)?;
    if config.is(&["alibi"])? {
        spec.position = Position::Alibi { factor: spec.attention.scale };
    }
    if is_new || config.bool(&["parallel_attn"])?.unwrap_or(true) {
        let norms = config.optional_dimension(&["num_ln_in_parallel_attn"])?;
        spec.block = Block::Parallel { mlp_norm: norms.map_or(is_new, |norms| norms == 2) };
    }
    Ok(spec)
}

/// Names where attention and MLP share a norm, or follow each other.
pub(super) const NAMES: Names = Names {
    prefixes: &["transformer.", ""],
    layer: "h.",
    model: &[
        (Role::TokenEmbedding, Place::alone("word_embeddings.weight")),
        (Role::OutputNorm, Place::alone("ln_f.weight")),
        (Role::OutputNormBias, Place::alone("ln_f.bias")),
    ],
    block: &[NORMS, NORM_BIASES, ATTENTION, PLAIN_MLP],
    head: "lm_head.weight",
    unused: &["rotary_emb.inv_freq"],
};

/// Names where each has a norm.
pub(super) const TWO_NORMS_NAMES: Names =
    Names { block: &[TWO_NORMS, ATTENTION, PLAIN_MLP], ..NAMES };

const TWO_NORMS: &[(Role, Place)] = &[
    (Role::AttentionNorm, Place::alone("ln_attn.weight")),
    (Role::AttentionNormBias, Place::alone("ln_attn.bias")),
    (Role::MlpNorm, Place::alone("ln_mlp.weight")),
    (Role::MlpNormBias, Place::alone("ln_mlp.bias")),
];
