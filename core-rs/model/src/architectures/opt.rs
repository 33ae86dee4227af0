//! OPT and Galactica (Zhang et al. 2022, <https://arxiv.org/abs/2205.01068>).

use super::config::Config;
use super::gpt2::learned;
use super::llama::{ATTENTION, QKV_BIASES};
use super::names::{Names, Place};
use crate::error::Defect;
use crate::spec::{Activation, ModelSpec, Position, Role};

/// Epsilon of its layer norms, PyTorch's default; files do not name it.
const EPSILON: f32 = 1e-5;
/// Rows of the table of positions before position 0.
const OFFSET: usize = 2;

/// GPT-2 with another activation. The 350M model, whose norms come after and whose embedding has a
/// width of its own, is not known.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    config.only(&["do_layer_norm_before"], true)?;
    config.only(&["_remove_final_layer_norm"], false)?;
    config.only(&["layer_norm_elementwise_affine"], true)?;
    let mut spec = learned(config.base_with(EPSILON, true)?);
    let (width, hidden) = (config.optional_dimension(&["word_embed_proj_dim"])?, spec.hidden);
    if let Some(width) = width.filter(|&width| width != hidden) {
        return Err(Defect::unsupported(format!(
            "config.json: word_embed_proj_dim is {width}, this version knows the model's own \
             width, {hidden}"
        )));
    }
    let biases = config.bool(&["enable_bias"])?.unwrap_or(true);
    spec.attention.qkv_bias = biases;
    spec.attention.output_bias = biases;
    spec.mlp.bias = biases;
    spec.mlp.activation = config.activation(&["activation_function"], Activation::Relu)?;
    spec.position = Position::Learned { offset: OFFSET };
    Ok(spec)
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
