//! Llama and what is stored as it: Llama 1 to 3, Mistral, `SmolLM`, `TinyLlama` (Touvron et al. 2023,
//! <https://arxiv.org/abs/2302.13971>).

use super::decoder;
use super::keys::Keys;
use crate::error::Defect;
use crate::spec::{ModelSpec, Rope, RopeLayout};

/// Rope base when the file names none.
const ROPE_BASE: f32 = 10_000.0;

/// GGUF permutes llama's q and k rows, so that rope turns neighbours.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let rope = Rope { base: keys.rope_base(ROPE_BASE)?, scaling: keys.rope_scaling()? };
    decoder(keys, RopeLayout::Interleaved, rope)
}
