//! Which tensors a specification implies, and what GGUF calls them.

use std::collections::{BTreeMap, HashMap};

use crate::error::Defect;
use crate::source::{Source, Tensor};
use crate::spec::{Attention, Block, ModelSpec, Position, Role};

/// A role, and the layer for those that every layer has.
pub(crate) type Key = (Role, Option<usize>);

/// The name of a tensor (`gguf-py/gguf/constants.py` of ggml).
pub(crate) fn name(role: Role, layer: Option<usize>) -> String {
    let (stem, suffix) = stem(role);
    match layer {
        Some(layer) => format!("blk.{layer}.{stem}.{suffix}"),
        None => format!("{stem}.{suffix}"),
    }
}

fn stem(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::TokenEmbedding => ("token_embd", "weight"),
        Role::PositionEmbedding => ("position_embd", "weight"),
        Role::OutputNorm => ("output_norm", "weight"),
        Role::OutputNormBias => ("output_norm", "bias"),
        Role::Output => ("output", "weight"),
        Role::AttentionNorm => ("attn_norm", "weight"),
        Role::AttentionNormBias => ("attn_norm", "bias"),
        Role::Query => ("attn_q", "weight"),
        Role::QueryBias => ("attn_q", "bias"),
        Role::Key => ("attn_k", "weight"),
        Role::KeyBias => ("attn_k", "bias"),
        Role::Value => ("attn_v", "weight"),
        Role::ValueBias => ("attn_v", "bias"),
        Role::QueryNorm => ("attn_q_norm", "weight"),
        Role::KeyNorm => ("attn_k_norm", "weight"),
        Role::AttentionOutput => ("attn_output", "weight"),
        Role::AttentionOutputBias => ("attn_output", "bias"),
        Role::PostAttentionNorm => ("post_attention_norm", "weight"),
        Role::MlpNorm => ("ffn_norm", "weight"),
        Role::MlpNormBias => ("ffn_norm", "bias"),
        Role::Gate => ("ffn_gate", "weight"),
        Role::Up => ("ffn_up", "weight"),
        Role::UpBias => ("ffn_up", "bias"),
        Role::Down => ("ffn_down", "weight"),
        Role::DownBias => ("ffn_down", "bias"),
        Role::PostMlpNorm => ("post_ffw_norm", "weight"),
    }
}

/// Sorts a GGUF file's tensors by role; exactly those that `spec` implies must be there, in its shapes.
pub(crate) fn assign(
    spec: &ModelSpec,
    mut found: BTreeMap<String, Tensor>,
) -> Result<HashMap<Key, Source>, Defect> {
    let mut assigned = HashMap::new();
    for (role, layer, shape) in shapes(spec) {
        let tensor = take(&mut found, role, layer, &shape)?;
        assigned.insert((role, layer), Source::whole(tensor));
    }
    match found.keys().next() {
        None => Ok(assigned),
        Some(name) => Err(Defect::unsupported(format!(
            "tensor {name} has no use in the architecture {} with {} layers",
            spec.architecture, spec.layers
        ))),
    }
}

fn take(
    found: &mut BTreeMap<String, Tensor>,
    role: Role,
    layer: Option<usize>,
    shape: &[usize],
) -> Result<Tensor, Defect> {
    let name = name(role, layer);
    let tensor = found.remove(&name).ok_or_else(|| {
        Defect::malformed(format!("tensor {name} is missing, expected one of shape {shape:?}"))
    })?;
    if tensor.shape != shape {
        let found = &tensor.shape;
        return Err(Defect::malformed(format!(
            "tensor {name} has shape {found:?}, its metadata calls for {shape:?}"
        )));
    }
    Ok(tensor)
}

/// Every tensor that a specification implies: its role, its layer, its shape, row-major.
pub fn shapes(spec: &ModelSpec) -> Vec<(Role, Option<usize>, Vec<usize>)> {
    let mut shapes: Vec<_> =
        model_roles(spec).into_iter().map(|(role, shape)| (role, None, shape)).collect();
    let block = block_roles(spec);
    for layer in 0..spec.layers {
        shapes.extend(block.iter().map(|(role, shape)| (*role, Some(layer), shape.clone())));
    }
    shapes
}

fn model_roles(spec: &ModelSpec) -> Vec<(Role, Vec<usize>)> {
    let hidden = vec![spec.hidden];
    let table = vec![spec.vocab, spec.hidden];
    let mut roles = vec![(Role::TokenEmbedding, table.clone()), (Role::OutputNorm, hidden.clone())];
    if spec.norm.bias {
        roles.push((Role::OutputNormBias, hidden));
    }
    if let Position::Learned { offset } = spec.position {
        roles.push((Role::PositionEmbedding, vec![spec.context + offset, spec.hidden]));
    }
    if !spec.embedding.tied {
        roles.push((Role::Output, table));
    }
    roles
}

fn block_roles(spec: &ModelSpec) -> Vec<(Role, Vec<usize>)> {
    let hidden = vec![spec.hidden];
    let mut roles = vec![(Role::AttentionNorm, hidden.clone())];
    if spec.norm.bias {
        roles.push((Role::AttentionNormBias, hidden.clone()));
    }
    roles.extend(attention_roles(&spec.attention, spec.hidden));
    if let Block::Sequential { post_norms } = spec.block {
        roles.push((Role::MlpNorm, hidden.clone()));
        if spec.norm.bias {
            roles.push((Role::MlpNormBias, hidden.clone()));
        }
        if post_norms {
            roles.push((Role::PostAttentionNorm, hidden.clone()));
            roles.push((Role::PostMlpNorm, hidden.clone()));
        }
    }
    let intermediate = spec.mlp.intermediate;
    if spec.mlp.gated {
        roles.push((Role::Gate, vec![intermediate, spec.hidden]));
    }
    roles.push((Role::Up, vec![intermediate, spec.hidden]));
    roles.push((Role::Down, vec![spec.hidden, intermediate]));
    if spec.mlp.bias {
        roles.push((Role::UpBias, vec![intermediate]));
        roles.push((Role::DownBias, hidden));
    }
    roles
}

fn attention_roles(attention: &Attention, hidden: usize) -> Vec<(Role, Vec<usize>)> {
    let query = attention.heads * attention.head_size;
    let key = attention.kv_heads * attention.head_size;
    let mut roles = vec![
        (Role::Query, vec![query, hidden]),
        (Role::Key, vec![key, hidden]),
        (Role::Value, vec![key, hidden]),
        (Role::AttentionOutput, vec![hidden, query]),
    ];
    if attention.qkv_bias {
        roles.push((Role::QueryBias, vec![query]));
        roles.push((Role::KeyBias, vec![key]));
        roles.push((Role::ValueBias, vec![key]));
    }
    if attention.output_bias {
        roles.push((Role::AttentionOutputBias, vec![hidden]));
    }
    if attention.qk_norm {
        roles.push((Role::QueryNorm, vec![attention.head_size]));
        roles.push((Role::KeyNorm, vec![attention.head_size]));
    }
    roles
}
