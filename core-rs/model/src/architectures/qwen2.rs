//! Qwen 2 and 2.5 (Yang et al. 2024, <https://arxiv.org/abs/2407.10671>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::shared::{ROPE_BASE, qwen_windows, rotary};
use crate::error::Defect;
use crate::spec::{ModelSpec, RopeLayout};

/// Llama with biases on q, k and v.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?);
    spec.attention.qkv_bias = true;
    Ok(spec)
}

/// The same; its names are llama's.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = rotary(config, config.base(&["rms_norm_eps"], false)?, ROPE_BASE)?;
    spec.attention.qkv_bias = true;
    qwen_windows(config, &mut spec)?;
    Ok(spec)
}
