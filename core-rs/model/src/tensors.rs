//! Which tensors a specification implies, and what GGUF calls them.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::Defect;
use crate::source::{Rows, Source, Tensor};
use crate::spec::{Attention, Block, Mlp, ModelSpec, Position, QkNorm, Role};

/// A role, and the layer for those that every layer has.
pub(crate) type Key = (Role, Option<usize>);

/// Tensors that may hold the rows of several roles, one role behind the other, when the first of
/// them has no tensor of its own.
const STACKED: [(&str, &[Role]); 3] = [
    ("attn_qkv.weight", &[Role::Query, Role::Key, Role::Value]),
    ("attn_qkv.bias", &[Role::QueryBias, Role::KeyBias, Role::ValueBias]),
    ("ffn_up.weight", &[Role::Gate, Role::Up]),
];

/// Tensors that hold rope's scaling and no weights of a layer.
pub(crate) const ROPE_FACTORS: [&str; 3] =
    ["rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"];

/// The name of a tensor (`gguf-py/gguf/constants.py` of ggml).
pub(crate) fn name(role: Role, layer: Option<usize>) -> String {
    let (stem, suffix) = stem(role);
    let expert = role.expert().map(|expert| format!(".{expert}")).unwrap_or_default();
    match layer {
        Some(layer) => format!("blk.{layer}.{stem}{expert}.{suffix}"),
        None => format!("{stem}.{suffix}"),
    }
}

fn stem(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::TokenEmbedding => ("token_embd", "weight"),
        Role::PositionEmbedding => ("position_embd", "weight"),
        Role::EmbeddingNorm => ("token_embd_norm", "weight"),
        Role::EmbeddingNormBias => ("token_embd_norm", "bias"),
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
        Role::Gate | Role::ExpertGate(_) => ("ffn_gate", "weight"),
        Role::GateBias => ("ffn_gate", "bias"),
        Role::Up | Role::ExpertUp(_) => ("ffn_up", "weight"),
        Role::UpBias => ("ffn_up", "bias"),
        Role::Down | Role::ExpertDown(_) => ("ffn_down", "weight"),
        Role::DownBias => ("ffn_down", "bias"),
        Role::PostMlpNorm => ("post_ffw_norm", "weight"),
        Role::Router => ("ffn_gate_inp", "weight"),
    }
}

/// Sorts a file's tensors by role; exactly those that `spec` implies must be there, in its shapes.
pub(crate) fn assign(
    spec: &ModelSpec,
    found: &BTreeMap<String, Tensor>,
) -> Result<HashMap<Key, Source>, Defect> {
    let shapes = shapes(spec);
    let finder = Finder {
        found,
        rows: shapes.iter().map(|(role, _, shape)| (*role, shape[0])).collect(),
        experts: spec.mlp.experts.map_or(0, |experts| experts.count),
    };
    let mut assigned = HashMap::new();
    for (role, layer, shape) in shapes {
        let (name, rows, expected) = finder.place(role, layer, &shape);
        let tensor = finder.tensor(&name, &expected)?;
        assigned.insert((role, layer), Source { shape, parts: vec![(tensor, rows)] });
    }
    let used: HashSet<&str> = assigned.values().map(Source::name).collect();
    let is_unknown =
        |name: &&String| !used.contains(name.as_str()) && !ROPE_FACTORS.contains(&name.as_str());
    match found.keys().find(is_unknown) {
        None => Ok(assigned),
        Some(name) => Err(Defect::unsupported(format!(
            "tensor {name} has no use in the architecture {} with {} layers",
            spec.architecture, spec.layers
        ))),
    }
}

struct Finder<'a> {
    found: &'a BTreeMap<String, Tensor>,
    /// Rows of each role.
    rows: HashMap<Role, usize>,
    experts: usize,
}

impl Finder<'_> {
    /// The tensor that holds a role, the role's rows of it, and the shape that it must have.
    fn place(
        &self,
        role: Role,
        layer: Option<usize>,
        shape: &[usize],
    ) -> (String, Rows, Vec<usize>) {
        let own = name(role, layer);
        let mut expected = shape.to_vec();
        if let (Some(expert), Some(layer), false) =
            (role.expert(), layer, self.found.contains_key(&own))
        {
            let (stem, suffix) = stem(role);
            expected.insert(0, self.experts);
            let rows = Rows { first: expert as usize, count: 1, ..Rows::all(self.experts) };
            return (format!("blk.{layer}.{stem}_exps.{suffix}"), rows, expected);
        }
        let stacked = STACKED.iter().find(|(_, roles)| roles.contains(&role));
        let (Some((stem, roles)), Some(layer)) = (stacked, layer) else {
            return (own, Rows::all(shape[0]), expected);
        };
        let stacked = format!("blk.{layer}.{stem}");
        let has_own = self.found.contains_key(&name(roles[0], Some(layer)));
        if has_own || !self.found.contains_key(&stacked) {
            return (own, Rows::all(shape[0]), expected);
        }
        let rows_of = |role: &Role| self.rows.get(role).copied().unwrap_or(0);
        let first = roles.iter().take_while(|other| **other != role).map(rows_of).sum();
        let total = roles.iter().map(rows_of).sum();
        expected[0] = total;
        let rows = Rows { first, count: shape[0], ..Rows::all(total) };
        (stacked, rows, expected)
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, Defect> {
        let tensor = self.found.get(name).ok_or_else(|| {
            Defect::malformed(format!("tensor {name} is missing, expected one of shape {shape:?}"))
        })?;
        if tensor.shape != shape {
            let found = &tensor.shape;
            return Err(Defect::malformed(format!(
                "tensor {name} has shape {found:?}, its metadata calls for {shape:?}"
            )));
        }
        Ok(tensor.clone())
    }
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
    let mut roles = vec![(Role::TokenEmbedding, table.clone())];
    let has_output_norm = spec.block != Block::NormedSums;
    if has_output_norm {
        roles.push((Role::OutputNorm, hidden.clone()));
    }
    if spec.embedding.norm {
        roles.push((Role::EmbeddingNorm, hidden.clone()));
    }
    if spec.norm.bias {
        if has_output_norm {
            roles.push((Role::OutputNormBias, hidden.clone()));
        }
        if spec.embedding.norm {
            roles.push((Role::EmbeddingNormBias, hidden));
        }
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
    let mut roles = Vec::new();
    let before = match spec.block {
        Block::Sequential(norms) => [norms.before(); 2],
        Block::Parallel { mlp_norm } => [true, mlp_norm],
        Block::NormedSums => [true; 2],
    };
    let inputs =
        [(Role::AttentionNorm, Role::AttentionNormBias), (Role::MlpNorm, Role::MlpNormBias)];
    for (norm, bias) in inputs.into_iter().zip(before).filter(|(_, has)| *has).map(|(it, _)| it) {
        roles.push((norm, vec![spec.hidden]));
        if spec.norm.bias {
            roles.push((bias, vec![spec.hidden]));
        }
    }
    roles.extend(attention_roles(&spec.attention, spec.hidden));
    if matches!(spec.block, Block::Sequential(norms) if norms.after()) {
        roles.push((Role::PostAttentionNorm, vec![spec.hidden]));
        roles.push((Role::PostMlpNorm, vec![spec.hidden]));
    }
    let Some(experts) = spec.mlp.experts else {
        let roles_of = (Role::Gate, Role::Up, Role::Down);
        roles.extend(mlp_matrices(&spec.mlp, spec.hidden, roles_of));
        roles.extend(mlp_biases(&spec.mlp, spec.hidden));
        return roles;
    };
    roles.push((Role::Router, vec![experts.count, spec.hidden]));
    for expert in 0..experts.count as u32 {
        let roles_of = (Role::ExpertGate(expert), Role::ExpertUp(expert), Role::ExpertDown(expert));
        roles.extend(mlp_matrices(&spec.mlp, spec.hidden, roles_of));
    }
    roles
}

fn mlp_matrices(
    mlp: &Mlp,
    hidden: usize,
    (gate, up, down): (Role, Role, Role),
) -> Vec<(Role, Vec<usize>)> {
    let inward = vec![mlp.intermediate, hidden];
    let mut roles = vec![(up, inward.clone()), (down, vec![hidden, mlp.intermediate])];
    if mlp.gated {
        roles.push((gate, inward));
    }
    roles
}

fn mlp_biases(mlp: &Mlp, hidden: usize) -> Vec<(Role, Vec<usize>)> {
    let inward = vec![mlp.intermediate];
    match (mlp.bias, mlp.gated) {
        (false, _) => Vec::new(),
        (true, false) => vec![(Role::UpBias, inward), (Role::DownBias, vec![hidden])],
        (true, true) => vec![
            (Role::GateBias, inward.clone()),
            (Role::UpBias, inward),
            (Role::DownBias, vec![hidden]),
        ],
    }
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
    let norms = match attention.qk_norm {
        None => return roles,
        Some(QkNorm::Head) => [vec![attention.head_size], vec![attention.head_size]],
        Some(QkNorm::Row) => [vec![query], vec![key]],
        Some(QkNorm::Each) => {
            [attention.heads, attention.kv_heads].map(|heads| vec![heads, attention.head_size])
        }
    };
    roles.extend([Role::QueryNorm, Role::KeyNorm].into_iter().zip(norms));
    roles
}
