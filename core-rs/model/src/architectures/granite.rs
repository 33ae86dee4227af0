//! Granite 3 (IBM 2024, <https://arxiv.org/abs/2405.04324>).

use super::config::Config;
use super::keys::Keys;
use super::llama;
use super::shared::{ROPE_BASE, optional_biases, rotary};
use crate::error::Defect;
use crate::spec::ModelSpec;

/// Llama with a factor in four places.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = llama::spec(keys)?;
    let factor = |key| Ok(keys.positive(key)?.unwrap_or(1.0));
    spec.embedding.scale = factor("embedding_scale")?;
    spec.residual_scale = factor("residual_scale")?;
    spec.embedding.logit_scale = 1.0 / factor("logit_scale")?;
    if let Some(scale) = keys.positive("attention.scale")? {
        spec.attention.scale = scale;
    }
    Ok(spec)
}

/// The same; its names are llama's.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = rotary(config, config.base(&["rms_norm_eps"], false)?, ROPE_BASE)?;
    optional_biases(config, &mut spec)?;
    let factor = |name| Ok(config.positive(name)?.unwrap_or(1.0));
    spec.embedding.scale = factor(&["embedding_multiplier"])?;
    spec.residual_scale = factor(&["residual_multiplier"])?;
    spec.attention.scale = factor(&["attention_multiplier"])?;
    spec.embedding.logit_scale = 1.0 / factor(&["logits_scaling"])?;
    Ok(spec)
}
