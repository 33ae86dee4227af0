//! Mixtral (Jiang et al. 2024, <https://arxiv.org/abs/2401.04088>). GGUF has it as llama.

use super::config::Config;
use super::llama::{self, ATTENTION, NORMS};
use super::names::{Names, Place};
use super::shared::{rotary, window};
use crate::error::Defect;
use crate::spec::{Experts, ModelSpec, Role};

/// Rope base when the file names none.
const ROPE_BASE: f32 = 1_000_000.0;

/// Mistral with experts.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = rotary(config, config.base(&["rms_norm_eps"], false)?, ROPE_BASE)?;
    window(config, &mut spec)?;
    spec.mlp.experts = Some(Experts {
        count: config.dimension(&["num_local_experts"])?,
        used: config.dimension(&["num_experts_per_tok"])?,
        normalized: true,
    });
    Ok(spec)
}

/// Llama's attention.
pub(super) const NAMES: Names = Names { block: &[NORMS, ATTENTION, EXPERTS], ..llama::NAMES };

const EXPERTS: &[(Role, Place)] = &[
    (Role::Router, Place::alone("block_sparse_moe.gate.weight")),
    (Role::ExpertGate(0), Place::alone("block_sparse_moe.experts.{}.w1.weight")),
    (Role::ExpertUp(0), Place::alone("block_sparse_moe.experts.{}.w3.weight")),
    (Role::ExpertDown(0), Place::alone("block_sparse_moe.experts.{}.w2.weight")),
];
