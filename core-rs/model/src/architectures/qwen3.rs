//! Qwen 3, with one MLP or with experts (Yang et al. 2025, <https://arxiv.org/abs/2505.09388>).

use super::config::Config;
use super::decoder;
use super::keys::Keys;
use super::llama::{self, ATTENTION, GATED_MLP, NORMS, OUTPUT_BIAS, QK_NORMS, QKV_BIASES};
use super::names::{Names, Place};
use super::shared::{ROPE_BASE, optional_biases, qwen_windows, rotary};
use crate::error::Defect;
use crate::spec::{Experts, ModelSpec, QkNorm, Role, RopeLayout};

/// Llama with norms on each head of q and k.
pub(super) fn spec(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = decoder(keys.base()?, RopeLayout::Halves, keys.rope(ROPE_BASE)?);
    spec.attention.qk_norm = Some(QkNorm::Head);
    Ok(spec)
}

/// The width of an expert has a key of its own.
pub(super) fn spec_with_experts(keys: &Keys) -> Result<ModelSpec, Defect> {
    let mut spec = spec(keys)?;
    spec.mlp.experts = keys.experts(true)?;
    spec.mlp.intermediate = keys.dimension("expert_feed_forward_length")?;
    Ok(spec)
}

/// The same.
pub(super) fn from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = rotary(config, config.base(&["rms_norm_eps"], false)?, ROPE_BASE)?;
    spec.attention.qk_norm = Some(QkNorm::Head);
    optional_biases(config, &mut spec)?;
    qwen_windows(config, &mut spec)?;
    Ok(spec)
}

/// Layers of one MLP among those of experts are not known.
pub(super) fn with_experts_from_config(config: &Config) -> Result<ModelSpec, Defect> {
    let mut spec = from_config(config)?;
    let dense = config.list(&["mlp_only_layers"])?.map_or(0, <[_]>::len);
    let step = config.optional_dimension(&["decoder_sparse_step"])?.unwrap_or(1);
    if dense > 0 || step > 1 {
        return Err(Defect::unsupported(format!(
            "config.json: {dense} of its layers have no experts and decoder_sparse_step is {step}, \
             this version knows experts in every layer"
        )));
    }
    spec.mlp.intermediate = config.dimension(&["moe_intermediate_size"])?;
    spec.mlp.experts = Some(Experts {
        count: config.dimension(&["num_experts", "num_local_experts"])?,
        used: config.dimension(&["num_experts_per_tok"])?,
        normalized: config.is(&["norm_topk_prob"])?,
    });
    Ok(spec)
}

/// Llama's, and the norms.
pub(super) const NAMES: Names = Names {
    block: &[NORMS, ATTENTION, QKV_BIASES, OUTPUT_BIAS, QK_NORMS, GATED_MLP],
    ..llama::NAMES
};

/// The same with experts.
pub(super) const NAMES_WITH_EXPERTS: Names = Names {
    block: &[NORMS, ATTENTION, QKV_BIASES, OUTPUT_BIAS, QK_NORMS, EXPERTS],
    ..llama::NAMES
};

const EXPERTS: &[(Role, Place)] = &[
    (Role::Router, Place::alone("mlp.gate.weight")),
    (Role::ExpertGate(0), Place::alone("mlp.experts.{}.gate_proj.weight")),
    (Role::ExpertUp(0), Place::alone("mlp.experts.{}.up_proj.weight")),
    (Role::ExpertDown(0), Place::alone("mlp.experts.{}.down_proj.weight")),
];
