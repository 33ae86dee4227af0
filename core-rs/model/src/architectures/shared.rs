//! What many tables read in the same way.

use super::config::Config;
use super::config_rope::stretched;
use super::decoder;
use super::keys::Base;
use crate::error::Defect;
use crate::spec::{Activation, ModelSpec, NormKind, Position, RopeLayout};

/// Rope base when the file names none.
pub(super) const ROPE_BASE: f32 = 10_000.0;

/// A decoder like llama with the file's rope.
pub(super) fn rotary(config: &Config, base: Base, rope_base: f32) -> Result<ModelSpec, Defect> {
    partly_rotary(config, base, rope_base, 1.0)
}

/// The same for an architecture that turns but a `share` of each head when the file names none.
pub(super) fn partly_rotary(
    config: &Config,
    base: Base,
    rope_base: f32,
    share: f32,
) -> Result<ModelSpec, Defect> {
    let rope = config.rope(rope_base)?;
    let rope_dimensions = config.rope_dimensions(base.shape.head_size, share)?;
    let context = stretched(base.shape.context, &rope.scaling);
    let mut spec = decoder(Base { rope_dimensions, ..base }, RopeLayout::Halves, rope);
    spec.context = context;
    spec.mlp.activation = config.activation(&["hidden_act"], Activation::Silu)?;
    Ok(spec)
}

/// A decoder whose norms take the mean off and have biases, and whose MLP is plain.
pub(super) fn layer_normed(spec: &mut ModelSpec, biases: bool) {
    spec.norm.kind = NormKind::Layer;
    spec.norm.bias = true;
    spec.mlp.gated = false;
    spec.mlp.bias = biases;
    spec.attention.qkv_bias = biases;
    spec.attention.output_bias = biases;
}

/// Biases on all projections of attention, and on those of the MLP.
pub(super) fn optional_biases(config: &Config, spec: &mut ModelSpec) -> Result<(), Defect> {
    let attention = config.is(&["attention_bias"])?;
    spec.attention.qkv_bias = attention;
    spec.attention.output_bias = attention;
    spec.mlp.bias = config.is(&["mlp_bias"])?;
    Ok(())
}

/// One window for all layers, when the file has one.
pub(super) fn window(config: &Config, spec: &mut ModelSpec) -> Result<(), Defect> {
    let window = config.optional_dimension(&["sliding_window"])?;
    spec.attention.windows.fill(window.filter(|&window| window < spec.context));
    Ok(())
}

/// A window for those layers that `layer_types` names, or else that `has_window` picks.
pub(super) fn windows(
    config: &Config,
    spec: &mut ModelSpec,
    has_window: impl Fn(usize) -> bool,
) -> Result<(), Defect> {
    let picked: Vec<bool> = match layer_kinds(config, spec.layers)? {
        Some(kinds) => kinds.iter().map(|&is_global| !is_global).collect(),
        None => (0..spec.layers).map(has_window).collect(),
    };
    if picked.contains(&true) {
        let window = config.dimension(&["sliding_window"])?;
        spec.attention.windows = picked.iter().map(|&has| has.then_some(window)).collect();
    }
    Ok(())
}

/// Whether each layer sees all, as `layer_types` says.
pub(super) fn layer_kinds(config: &Config, layers: usize) -> Result<Option<Vec<bool>>, Defect> {
    let Some(kinds) = config.list(&["layer_types"])? else { return Ok(None) };
    let is_global = |kind: &serde_json::Value| match kind.as_str() {
        Some("full_attention") => Ok(true),
        Some("sliding_attention") => Ok(false),
        _ => Err(Defect::unsupported(format!(
            "config.json: layer_types has {kind}, this version knows full_attention and \
             sliding_attention"
        ))),
    };
    if kinds.len() != layers {
        let found = format!("config.json: layer_types has {} layers of {layers}", kinds.len());
        return Err(Defect::damaged(found));
    }
    kinds.iter().map(is_global).collect::<Result<_, _>>().map(Some)
}

/// First layer with a window when the file of a Qwen names none: transformers' default.
const FIRST_WINDOW: f32 = 28.0;

/// The windows of Qwen 2 and 3: for layers from `max_window_layers` on, and only with
/// `use_sliding_window`.
pub(super) fn qwen_windows(config: &Config, spec: &mut ModelSpec) -> Result<(), Defect> {
    if !config.is(&["use_sliding_window"])? {
        return Ok(());
    }
    let first = config.number(&["max_window_layers"])?.unwrap_or(FIRST_WINDOW) as usize;
    windows(config, spec, |layer| layer >= first)
}

/// Takes rope off the layers for which `knows_positions` is false.
pub(super) fn without_rope(spec: &mut ModelSpec, knows_positions: impl Fn(usize) -> bool) {
    if let Position::Rope { layers, .. } = &mut spec.position {
        for (layer, rope) in layers.iter_mut().enumerate() {
            if !knows_positions(layer) {
                *rope = None;
            }
        }
    }
}
