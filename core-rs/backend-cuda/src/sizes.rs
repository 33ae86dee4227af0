//! Bytes that a backend will take, known before anything is loaded.

use tgi_cuda_kernels::signatures::Element;
use tgi_model::{Model, Role, TensorInfo};

use crate::weights::{held_as, held_bytes};

/// All weights as they will be held, bytes: norms, tables and biases in f32, biases a second time in
/// the type of activations.
pub fn weight_bytes(model: &Model, element: Element) -> u64 {
    let bytes = |(role, info): (Role, TensorInfo)| {
        let count: usize = info.shape.iter().product();
        match (role, info.shape.len()) {
            (Role::PositionEmbedding | Role::QueryNorm | Role::KeyNorm, _) => {
                count * size_of::<f32>()
            }
            (_, 1) => count * (size_of::<f32>() + element.bytes()),
            _ => held_bytes(held_as(info.dtype, element), count),
        }
    };
    model.tensors().map(bytes).sum::<usize>() as u64
}
