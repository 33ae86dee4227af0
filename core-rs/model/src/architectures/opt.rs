//! OPT and Galactica (Zhang et al. 2022, <https://arxiv.org/abs/2205.01068>).

use super::config::Config;
use super::gpt2::learned;
use super::llama::{ATTENTION, QKV_BIASES};
use super::names::{Names, Place};
use crate::error::Defect;
use crate::spec::{Activation, Block, ModelSpec, Position, Role};

/// Epsilon of its layer norms, `PyTorch`'s default; files do not name it.
const EPSILON: f32 = 1e-5;
/// Rows of the table of positions before position 0.
const OFFSET: usize = 2;

/// GPT-2 with another activation. The 350M model norms sums, and its embedding has a width of its own.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    config.only(&["_remove_final_layer_norm"], false)?;
    config.only(&["layer_norm_elementwise_affine"], true)?;
    let mut spec = learned(config.base_with(EPSILON, true)?);
    if !config.bool(&["do_layer_norm_before"])?.unwrap_or(true) {
        spec.block = Block::NormedSums;
    }
    if width(config)?.is_some_and(|width| width != spec.hidden) {
        // The head is the embedding times another matrix.
        spec.embedding.tied = false;
    }
    let biases = config.bool(&["enable_bias"])?.unwrap_or(true);
    spec.attention.qkv_bias = biases;
    spec.attention.output_bias = biases;
    spec.mlp.bias = biases;
    spec.mlp.activation = config.activation(&["activation_function"], Activation::Relu)?;
    spec.position = Position::Learned { offset: OFFSET };
    Ok(spec)
}

/// Width of the embedding.
fn width(config: &Config) -> Result<Option<usize>, Defect> {
    config.optional_dimension(&["word_embed_proj_dim"])
}

/// Names of a checkpoint, by the width of its embedding.
pub(super) fn names(config: &Config, spec: &ModelSpec) -> Result<&'static Names, Defect> {
    let is_narrow = width(config)?.is_some_and(|width| width != spec.hidden);
    Ok(if is_narrow { &NARROW_NAMES } else { &NAMES })
}

/// The norm before the MLP and the last one have the same name.
pub(super) const NAMES: Names = Names {
    prefixes: &["model.decoder.", "decoder.", ""],
    layer: "layers.",
    model: &[
        (Role::TokenEmbedding, Place::alone("embed_tokens.weight")),
        (Role::PositionEmbedding, Place::alone("embed_positions.weight")),
        (Role::OutputNorm, Place::alone("final_layer_norm.weight")),
        (Role::OutputNormBias, Place::alone("final_layer_norm.bias")),
    ],
    block: &[OWN, ATTENTION, QKV_BIASES],
    head: "lm_head.weight",
    unused: &[],
};

/// With projections between the width of the embedding and the model's.
const NARROW_NAMES: Names = Names {
    model: &[
        (
            Role::TokenEmbedding,
            Place::alone("embed_tokens.weight").times("project_in.weight", true),
        ),
        (Role::Output, Place::alone("embed_tokens.weight").times("project_out.weight", false)),
        (Role::PositionEmbedding, Place::alone("embed_positions.weight")),
        (Role::OutputNorm, Place::alone("final_layer_norm.weight")),
        (Role::OutputNormBias, Place::alone("final_layer_norm.bias")),
    ],
    unused: &["lm_head.weight", "project_in.weight", "project_out.weight"],
    ..NAMES
};

const OWN: &[(Role, Place)] = &[
    (Role::AttentionOutput, Place::alone("self_attn.out_proj.weight")),
    (Role::AttentionOutputBias, Place::alone("self_attn.out_proj.bias")),
    (Role::AttentionNorm, Place::alone("self_attn_layer_norm.weight")),
    (Role::AttentionNormBias, Place::alone("self_attn_layer_norm.bias")),
    (Role::MlpNorm, Place::alone("final_layer_norm.weight")),
    (Role::MlpNormBias, Place::alone("final_layer_norm.bias")),
    (Role::Up, Place::alone("fc1.weight")),
    (Role::UpBias, Place::alone("fc1.bias")),
    (Role::Down, Place::alone("fc2.weight")),
    (Role::DownBias, Place::alone("fc2.bias")),
];
