//! Qwen 2 and 2.5 (Yang et al. 2024, <https://arxiv.org/abs/2407.10671>).

use super::decoder;
use super::keys::Keys;
use crate::error::Defect;
use crate::spec::{ModelSpec, Rope, RopeLayout};

/// Rope base when the file names none.
const ROPE_BASE: f32 = 10_000.0;

/// Llama with biases on q, k and v.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let rope = Rope { base: keys.rope_base(ROPE_BASE)?, scaling: keys.rope_scaling()? };
    let mut spec = decoder(keys, RopeLayout::Halves, rope)?;
    spec.attention.qkv_bias = true;
    Ok(spec)
}
