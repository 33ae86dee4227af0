//! Bytes that a backend will take, known before anything is loaded.

use candle_core::DType;
use tgi_backend::PAGE_TOKENS;
use tgi_model::{Adapter, Model, ModelSpec, tensor_shapes};

use crate::CandleOptions;

const F32: u64 = 4;

/// K and V of one token in all layers, bytes.
pub fn kv_bytes_per_token(spec: &ModelSpec, dtype: DType) -> u64 {
    let width = spec.attention.kv_heads * spec.attention.head_size;
    2 * (spec.layers * width) as u64 * dtype.size_in_bytes() as u64
}

/// All weights once dequantized, bytes. Norms are f32 whatever the others are, and biases, which are
/// as few, count as if they were.
pub fn weight_bytes(model: &Model, dtype: DType) -> u64 {
    let (rows, others) = weight_elements(&model.spec);
    others * dtype.size_in_bytes() as u64 + rows * F32
}

/// The most that one step takes besides weights and pages, bytes: an upper bound, when one
/// sequence fills the step and attends to all that fits.
///
/// Counts the widest tensors alive at once: in a layer the residual stream and either attention's
/// q, k, v, scores and their soft-max, or the MLP's inner rows; behind the layers the logits. All
/// count as f32, in which norms, rope, soft-max and logits are whatever the type of the model is.
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

/// An adapter once loaded, bytes.
pub fn adapter_bytes(adapter: &Adapter) -> u64 {
    let elements = adapter.updates().map(|update| update.down.len() + update.up.len());
    elements.sum::<usize>() as u64 * F32
}

/// Weights in tensors of one dimension (norms and biases), and in all others.
fn weight_elements(spec: &ModelSpec) -> (u64, u64) {
    let shapes = tensor_shapes(spec);
    let sizes = shapes.iter().map(|(.., shape)| (shape.len(), shape.iter().product::<usize>()));
    sizes.fold((0, 0), |(rows, others), (dimensions, size)| {
        if dimensions == 1 { (rows + size as u64, others) } else { (rows, others + size as u64) }
    })
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
            let (rows, others) = weight_elements(&spec);
            assert_eq!(rows + others, elements as u64, "{}", spec.architecture);
        }
    }
}
