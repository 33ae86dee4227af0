//! Gemma 3 (Gemma Team 2025, <https://arxiv.org/abs/2503.19786>): models of text, and the text part
//! of those that see images too.

use serde_json::{Value, json};

use super::config::Config;
use super::decoder;
use super::gemma::FOUR_NORMS;
use super::keys::{Base, Keys};
use super::llama::{self, ATTENTION, GATED_MLP, QK_NORMS};
use super::names::Names;
use super::shared::layer_kinds;
use crate::error::Defect;
use crate::spec::{
    Activation, Block, ModelSpec, Norms, Position, QkNorm, Rope, RopeLayout, RopeScaling,
};

/// Every sixth layer sees the whole context, the others a window.
const GLOBAL_EVERY: usize = 6;
/// Rope base of global layers when the file names none.
const GLOBAL_ROPE_BASE: f32 = 1_000_000.0;
/// Rope base of layers with a window when the file names none; they are never scaled.
const LOCAL_ROPE_BASE: f32 = 10_000.0;
/// Layers of the 27B model, the only one whose attention is not scaled by its head size.
const LAYERS_OF_27B: usize = 62;

/// What a layer's attention may be.
struct Layers {
    /// Tokens that a layer with a window sees.
    window: usize,
    /// Rope of layers without.
    global: Rope,
    /// Rope of layers with.
    local: Rope,
    /// Whether a layer sees all, `[layers]`.
    is_global: Vec<bool>,
}

/// GGUF's norm weights hold the sum `1 + w` already.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let window = keys.dimension("attention.sliding_window")?;
    let global = keys.rope(GLOBAL_ROPE_BASE)?;
    let base = keys.positive("rope.freq_base_swa")?.unwrap_or(LOCAL_ROPE_BASE);
    let local = Rope { base, scaling: RopeScaling::None };
    let base = keys.base()?;
    let is_global = (0..base.shape.layers).map(is_global).collect();
    let mut spec = of(base, &Layers { window, global, local, is_global });
    if spec.layers == LAYERS_OF_27B {
        let share = spec.hidden as f32 / spec.attention.heads as f32;
        spec.attention.scale = 1.0 / share.sqrt();
    }
    Ok(spec)
}

/// Hugging Face's norm weights lack the 1.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let window = config.dimension(&["sliding_window"])?;
    let global = match config.rope_of_layers(&["full_attention"])? {
        Some(rope) => rope,
        None => config.rope(GLOBAL_ROPE_BASE)?,
    };
    let base = config.positive(&["rope_local_base_freq"])?.unwrap_or(LOCAL_ROPE_BASE);
    let local = Rope { base, scaling: RopeScaling::None };
    let local = config.rope_of_layers(&["sliding_attention"])?.unwrap_or(local);
    let base = config.base(&["rms_norm_eps"], true)?;
    let is_global = layer_kinds(config, base.shape.layers)?
        .unwrap_or_else(|| (0..base.shape.layers).map(is_global).collect());
    let mut spec = of(base, &Layers { window, global, local, is_global });
    if let Some(scalar) = config.positive(&["query_pre_attn_scalar"])? {
        spec.attention.scale = 1.0 / scalar.sqrt();
    }
    spec.norm.weight_offset = 1.0;
    Ok(spec)
}

/// The text part of a model that sees images. Its `text_config` leaves out what is as transformers'
/// `Gemma3TextConfig` has it by default.
pub(super) fn of_vision_config(config: &Config) -> Result<ModelSpec, Defect> {
    let Value::Object(mut text) = json!({
        "vocab_size": 262_208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
    }) else {
        return Err(Defect::unsupported("the defaults of Gemma 3 are no object"));
    };
    text.extend(config.within(&["text_config"])?.map(|it| it.set()).unwrap_or_default());
    from_config(&Config::new(config.architecture, &text))
}

fn is_global(layer: usize) -> bool {
    layer % GLOBAL_EVERY == GLOBAL_EVERY - 1
}

fn of(base: Base, layers: &Layers) -> ModelSpec {
    let Layers { window, global, local, is_global } = layers;
    let mut spec = decoder(base, RopeLayout::Halves, global.clone());
    if let Position::Rope { layers, .. } = &mut spec.position {
        let rope = |&all: &bool| if all { global.clone() } else { local.clone() };
        *layers = is_global.iter().map(rope).map(Some).collect();
    }
    spec.attention.windows = is_global.iter().map(|&all| (!all).then_some(*window)).collect();
    spec.attention.qk_norm = Some(QkNorm::Head);
    spec.block = Block::Sequential(Norms::Around);
    spec.mlp.activation = Activation::GeluTanh;
    spec.embedding.scale = (spec.hidden as f32).sqrt();
    spec
}

/// Gemma 2's, and the norms of q and k.
pub(super) const NAMES: Names =
    Names { block: &[FOUR_NORMS, QK_NORMS, ATTENTION, GATED_MLP], ..llama::NAMES };

/// The same beside what sees images, in older checkpoints and in newer ones.
pub(super) const VISION_NAMES: Names = Names {
    prefixes: &["language_model.model.", "model.language_model."],
    unused: &["vision_tower.", "multi_modal_projector.", "language_model.lm_head."],
    ..NAMES
};
