//! `SmolLM3` (Hugging Face 2025, <https://huggingface.co/blog/smollm3>).

use super::config::Config;
use super::keys::Keys;
use super::llama;
use super::shared::{optional_biases, rotary, windows, without_rope};
use crate::error::Defect;
use crate::spec::ModelSpec;

/// Rope base when the file names none.
const ROPE_BASE: f32 = 2_000_000.0;
/// Every so many layers one has no rope, when the file does not say which.
const INTERVAL: usize = 4;

/// Llama, with layers that know no positions.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = llama::spec(keys)?;
    without_rope(&mut spec, |layer| (layer + 1) % INTERVAL != 0);
    Ok(spec)
}

/// `no_rope_layers` has a 1 for each layer *with* rope.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = rotary(config, config.base(&["rms_norm_eps"], true)?, ROPE_BASE)?;
    optional_biases(config, &mut spec)?;
    if config.is(&["use_sliding_window"])? {
        windows(config, &mut spec, |_| false)?;
    }
    match config.list(&["no_rope_layers"])? {
        Some(layers) => {
            let has_rope = |layer: usize| layers.get(layer).is_none_or(|it| it.as_u64() != Some(0));
            without_rope(&mut spec, has_rope);
        }
        None => {
            let interval = config.optional_dimension(&["no_rope_layer_interval"])?;
            let interval = interval.unwrap_or(INTERVAL);
            without_rope(&mut spec, |layer| (layer + 1) % interval != 0);
        }
    }
    Ok(spec)
}
