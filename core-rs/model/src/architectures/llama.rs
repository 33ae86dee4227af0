//! Llama and what is stored as it: Llama 1 to 3, Mistral, `SmolLM`, `TinyLlama` (Touvron et al. 2023,
//! <https://arxiv.org/abs/2302.13971>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::names::{Names, Place};
use crate::error::Defect;
use crate::spec::{Activation, ModelSpec, Role, Rope, RopeLayout};

/// Rope base when the file names none.
const ROPE_BASE: f32 = 10_000.0;

/// GGUF permutes llama's q and k rows, so that rope turns neighbours.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let rope = Rope { base: keys.rope_base(ROPE_BASE)?, scaling: keys.rope_scaling()? };
    Ok(decoder(keys.base()?, RopeLayout::Interleaved, rope))
}

/// Mistral's configuration is the same and may have a window on every layer.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let rope = Rope { base: config.rope_base(ROPE_BASE)?, scaling: config.rope_scaling()? };
    let base = config.base(&["rms_norm_eps"], false)?;
    let mut spec = decoder(base, RopeLayout::Halves, rope);
    let window = config.optional_dimension(&["sliding_window"])?;
    spec.attention.windows.fill(window.filter(|&window| window < spec.context));
    spec.mlp.activation = config.activation(&["hidden_act"], Activation::Silu)?;
    for bias in [&["attention_bias"], &["mlp_bias"]] {
        if config.bool(bias)? == Some(true) {
            let found =
                format!("config.json: {} is true, this version knows llama without", bias[0]);
            return Err(Defect::unsupported(found));
        }
    }
    Ok(spec)
}

/// Checkpoints of old have the frequencies of rope as a buffer.
pub(super) const NAMES: Names = Names {
    prefixes: &["model.", ""],
    layer: "layers.",
    model: MODEL,
    block: &[NORMS, ATTENTION, GATED_MLP],
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

/// Projections of a gated MLP.
pub(super) const GATED_MLP: &[(Role, Place)] = &[
    (Role::Gate, Place::alone("mlp.gate_proj.weight")),
    (Role::Up, Place::alone("mlp.up_proj.weight")),
    (Role::Down, Place::alone("mlp.down_proj.weight")),
];
