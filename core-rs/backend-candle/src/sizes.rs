//! Bytes that a backend will take, known before anything is loaded.

use candle_core::DType;
use tgi_backend::PAGE_TOKENS;
use tgi_model::spec::{Block, Position};
use tgi_model::{Model, ModelSpec};

use crate::CandleOptions;

const F32: u64 = 4;

/// K and V of one token in all layers, bytes.
pub fn kv_bytes_per_token(spec: &ModelSpec, dtype: DType) -> u64 {
    let width = spec.attention.kv_heads * spec.attention.head_size;
    2 * (spec.layers * width) as u64 * dtype.size_in_bytes() as u64
}

/// All weights once dequantized, bytes; those of norms are f32 whatever the others are.
pub fn weight_bytes(model: &Model, dtype: DType) -> u64 {
    let norms = norm_elements(&model.spec) as u64;
    let others = weight_elements(&model.spec) as u64 - norms;
    others * dtype.size_in_bytes() as u64 + norms * F32
}

/// The most that one step takes besides weights and pages, bytes: an upper bound, when one
/// sequence fills the step and attends to all that fits.
///
/// Everything counts as f32, in which norms, rope, soft-max and logits are computed whatever the type
/// of the model is. Counts the widest tensors alive at once: in a layer the residual stream and either attention's
/// q, k, v, scores and their soft-max, or the MLP's inner rows; behind the layers the logits.
pub fn arena_bytes(spec: &ModelSpec, options: &CandleOptions) -> u64 {
    let attention = &spec.attention;
    let keys = spec.context.min(options.pages * PAGE_TOKENS);
    let q_width = attention.heads * attention.head_size;
    let kv_width = attention.kv_heads * attention.head_size;
    // Scores, their powers and probabilities; the mask of each kind of window has one head.
    let seen = (3 * attention.heads + 2) * keys;
    let attending =
        options.batch_tokens * (5 * q_width + 5 * kv_width + seen) + 4 * keys * kv_width;
    let inner = options.batch_tokens * 4 * spec.mlp.intermediate;
    let stream = options.batch_tokens * 6 * spec.hidden;
    let logits = 3 * options.logit_rows * spec.vocab;
    (stream + attending.max(inner) + logits) as u64 * F32
}

fn weight_elements(spec: &ModelSpec) -> usize {
    let tables = if spec.embedding.tied { 1 } else { 2 } * spec.vocab;
    let positions = match spec.position {
        Position::Learned { offset } => spec.context + offset,
        Position::Rope { .. } | Position::Alibi => 0,
    };
    let layer = attention_elements(spec) + mlp_elements(spec);
    (tables + positions) * spec.hidden + norm_elements(spec) + spec.layers * layer
}

fn norm_elements(spec: &ModelSpec) -> usize {
    let norm = spec.hidden * if spec.norm.bias { 2 } else { 1 };
    let around = match spec.block {
        Block::Sequential { post_norms: true } => 2 * norm + 2 * spec.hidden,
        Block::Sequential { post_norms: false } => 2 * norm,
        Block::Parallel => norm,
    };
    let heads = if spec.attention.qk_norm { 2 * spec.attention.head_size } else { 0 };
    norm + spec.layers * (around + heads)
}

fn attention_elements(spec: &ModelSpec) -> usize {
    let attention = &spec.attention;
    let q_width = attention.heads * attention.head_size;
    let qkv_width = q_width + 2 * attention.kv_heads * attention.head_size;
    let qkv_bias = if attention.qkv_bias { qkv_width } else { 0 };
    let output_bias = if attention.output_bias { spec.hidden } else { 0 };
    (qkv_width + q_width) * spec.hidden + qkv_bias + output_bias
}

fn mlp_elements(spec: &ModelSpec) -> usize {
    let mlp = &spec.mlp;
    let maps = if mlp.gated { 3 } else { 2 };
    let biases = if mlp.bias { mlp.intermediate + spec.hidden } else { 0 };
    maps * mlp.intermediate * spec.hidden + biases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CandleBackend;
    use crate::random_model::{specs, weights};

    #[test]
    fn the_count_of_weights_is_what_a_backend_reads() {
        for spec in specs() {
            let mut elements = 0;
            CandleBackend::from_weights(
                &spec,
                &CandleOptions::cpu(1, 1, 1),
                |role, layer, shape| {
                    elements += shape.iter().product::<usize>();
                    Ok(weights(role, layer, shape))
                },
            )
            .unwrap();
            assert_eq!(weight_elements(&spec), elements, "{}", spec.architecture);
        }
    }
}
