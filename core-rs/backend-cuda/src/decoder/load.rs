//! From a specification and weights to a decoder on the device.

use tgi_cuda_kernels::signatures as kernels;
use tgi_cuda_kernels::signatures::{Element, Kernel, MMA_HEAD_SIZES, mma_tile_rows};
use tgi_model::spec::{Activation, Block, NormKind, Position, QkNorm, RopeLayout, distinct};
use tgi_model::{ModelSpec, Role, alibi};

use super::{Attention, Decoder, Embedding, FeedForward, Head, Layer, Mlp, Norm};
use crate::device::{Device, Region};
use crate::experts::ExpertRole;
use crate::matrix::{Matrix, Multiplier};
use crate::rope::table;
use crate::weights::Loader;
use crate::{CudaError, CudaOptions};

/// Rows of a full tile of the kernel that takes any head size.
const TILE_ROWS: usize = 4;

impl Decoder {
    /// Reads all weights of a checked specification; `scratch` is where blocks are unpacked.
    pub fn load<D: Device>(
        spec: &ModelSpec,
        options: &CudaOptions,
        loader: &mut Loader<D>,
        scratch: Region,
    ) -> Result<Self, CudaError> {
        loader.norm_offset = spec.norm.weight_offset;
        let embedding = embedding(loader, spec)?;
        let head = head(loader, spec, &embedding)?;
        let roles = (Role::OutputNorm, Role::OutputNormBias);
        let has_norm = spec.block != Block::NormedSums;
        let norm = has_norm.then(|| norm(loader, spec, roles)).transpose()?;
        let ropes = ropes(loader, spec, options.positions(spec))?;
        let mut layers = Vec::with_capacity(spec.layers);
        for (number, place) in ropes.into_iter().zip(&spec.attention.windows).enumerate() {
            loader.layer = Some(number);
            layers.push(layer(loader, spec, (place.0, *place.1))?);
        }
        loader.layer = None;
        Ok(Self {
            embedding,
            norm_kind: match spec.norm.kind {
                NormKind::Rms => kernels::NormKind::Rms,
                NormKind::Layer => kernels::NormKind::Layer,
            },
            epsilon: spec.norm.epsilon,
            residual_scale: spec.residual_scale,
            attention: attention(loader, spec, options.element)?,
            mlp: Mlp {
                kind: match spec.mlp.activation {
                    Activation::Silu => kernels::ActivationKind::Silu,
                    Activation::GeluTanh => kernels::ActivationKind::GeluTanh,
                    Activation::GeluErf => kernels::ActivationKind::GeluErf,
                    Activation::Relu => kernels::ActivationKind::Relu,
                },
                is_gated: spec.mlp.gated,
                width: spec.mlp.intermediate,
                experts: spec.mlp.experts,
            },
            layers,
            norm,
            head,
            multiplier: Multiplier {
                element: options.element,
                is_batch_invariant: options.is_batch_invariant,
                scratch,
            },
            hidden: spec.hidden,
            vocab: spec.vocab,
        })
    }
}

fn embedding<D: Device>(loader: &mut Loader<D>, spec: &ModelSpec) -> Result<Embedding, CudaError> {
    let matrix = loader.matrix(&[(Role::TokenEmbedding, spec.vocab)], None, spec.hidden)?;
    let positions = match spec.position {
        Position::Learned { offset } => {
            let rows = spec.context + offset;
            let table = loader.table(Role::PositionEmbedding, [rows, spec.hidden])?;
            Some((table, rows, offset))
        }
        _ => None,
    };
    let roles = (Role::EmbeddingNorm, Role::EmbeddingNormBias);
    Ok(Embedding {
        weights: matrix.parts[0].weights,
        table: matrix.parts[0].region,
        scale: spec.embedding.scale,
        positions,
        norm: if spec.embedding.norm { Some(norm(loader, spec, roles)?) } else { None },
    })
}

fn head<D: Device>(
    loader: &mut Loader<D>,
    spec: &ModelSpec,
    embedding: &Embedding,
) -> Result<Head, CudaError> {
    let (outputs, inputs) = (spec.vocab, spec.hidden);
    let matrix = if spec.embedding.tied {
        let (weights, region) = (embedding.weights, embedding.table);
        let part = crate::matrix::Part { weights, region, first: 0, outputs };
        Matrix { roles: Vec::new(), parts: vec![part], outputs, inputs, bias: None, updates: None }
    } else {
        loader.matrix(&[(Role::Output, outputs)], None, inputs)?
    };
    let scale = spec.embedding.logit_scale;
    Ok(Head { matrix, scale, soft_cap: spec.embedding.logit_soft_cap.unwrap_or(0.0) })
}

fn norm<D: Device>(
    loader: &mut Loader<D>,
    spec: &ModelSpec,
    (weight, bias): (Role, Role),
) -> Result<Norm, CudaError> {
    let bias = spec.norm.bias.then(|| loader.vector(bias, spec.hidden)).transpose()?;
    Ok(Norm { weight: loader.norm(weight, &[spec.hidden])?, bias })
}

/// The table of each layer; equal ones are one.
fn ropes<D: Device>(
    loader: &mut Loader<D>,
    spec: &ModelSpec,
    positions: usize,
) -> Result<Vec<Option<Region>>, CudaError> {
    let Position::Rope { dimensions, layers, .. } = &spec.position else {
        return Ok(vec![None; spec.layers]);
    };
    let (different, place) = distinct(layers.iter());
    let mut tables = Vec::with_capacity(different.len());
    for rope in different {
        let table = rope.as_ref().map(|rope| table(rope, *dimensions, positions));
        tables.push(table.map(|values| loader.put("the table of rope", &values)).transpose()?);
    }
    Ok(place.into_iter().map(|place| tables[place]).collect())
}

fn attention<D: Device>(
    loader: &mut Loader<D>,
    spec: &ModelSpec,
    element: Element,
) -> Result<Attention, CudaError> {
    let of = &spec.attention;
    let slopes = match spec.position {
        Position::Alibi { factor } => {
            let slopes = (0..of.heads).map(|head| factor * alibi::slope(head, of.heads));
            Some(loader.put("slopes", &slopes.collect::<Vec<_>>())?)
        }
        _ => None,
    };
    let (rope_layout, rope_dimensions) = match spec.position {
        Position::Rope { layout: RopeLayout::Interleaved, dimensions, .. } => {
            (kernels::RopeLayout::Interleaved, dimensions)
        }
        Position::Rope { dimensions, .. } => (kernels::RopeLayout::Halves, dimensions),
        _ => (kernels::RopeLayout::Halves, 0),
    };
    let (kernel, tile_rows) = attention_kernel((of.heads, of.kv_heads, of.head_size), element);
    Ok(Attention {
        heads: of.heads,
        kv_heads: of.kv_heads,
        head_size: of.head_size,
        scale: of.scale,
        soft_cap: of.soft_cap.unwrap_or(0.0),
        qk_norm: match of.qk_norm {
            None => kernels::QkNorm::None,
            Some(QkNorm::Head) => kernels::QkNorm::Head,
            Some(QkNorm::Row) => kernels::QkNorm::Row,
            Some(QkNorm::Each) => kernels::QkNorm::Each,
        },
        rope_layout,
        rope_dimensions,
        slopes,
        kernel,
        tile_rows,
    })
}

/// Tensor cores where they take the type and the head's size, and rows of a full tile.
fn attention_kernel(
    (heads, kv_heads, head_size): (usize, usize, usize),
    element: Element,
) -> (Kernel, usize) {
    let size = head_size as u32;
    if element != Element::F32 && MMA_HEAD_SIZES.contains(&size) {
        let rows = mma_tile_rows(heads as u32, kv_heads as u32) as usize;
        return (Kernel::AttentionMma(size, element), rows);
    }
    (Kernel::Attention(element), TILE_ROWS)
}

fn layer<D: Device>(
    loader: &mut Loader<D>,
    spec: &ModelSpec,
    (rope, window): (Option<Region>, Option<usize>),
) -> Result<Layer, CudaError> {
    let norms_sums = spec.block == Block::NormedSums;
    let (is_parallel, before, after) = match spec.block {
        Block::Sequential(norms) => (false, [norms.before(); 2], norms.after()),
        Block::Parallel { mlp_norm } => (true, [true, mlp_norm], false),
        Block::NormedSums => (false, [true; 2], false),
    };
    let of = &spec.attention;
    let (query, key) = (of.heads * of.head_size, of.kv_heads * of.head_size);
    let mut input_norm =
        |wanted: bool, roles| wanted.then(|| norm(loader, spec, roles)).transpose();
    let attention_norm = input_norm(before[0], (Role::AttentionNorm, Role::AttentionNormBias))?;
    let mlp_norm = input_norm(before[1], (Role::MlpNorm, Role::MlpNormBias))?;
    let of_sums = |norm: Option<Norm>| if norms_sums { (None, norm) } else { (norm, None) };
    let (attention_norm, attention_sum_norm) = of_sums(attention_norm);
    let (mlp_norm, mlp_sum_norm) = of_sums(mlp_norm);
    let mut output_norm = |role| after.then(|| loader.norm(role, &[spec.hidden])).transpose();
    let post_attention_norm = output_norm(Role::PostAttentionNorm)?;
    let post_mlp_norm = output_norm(Role::PostMlpNorm)?;
    let mut qk_norm = |role, heads: usize| {
        let size = of.head_size;
        let mut load = |shape: &[usize]| loader.norm(role, shape).map(Some);
        match of.qk_norm {
            None => Ok(None),
            Some(QkNorm::Head) => load(&[size]),
            Some(QkNorm::Row) => load(&[heads * size]),
            Some(QkNorm::Each) => load(&[heads, size]),
        }
    };
    let query_norm = qk_norm(Role::QueryNorm, of.heads)?;
    let key_norm = qk_norm(Role::KeyNorm, of.kv_heads)?;
    let projections = [(Role::Query, query), (Role::Key, key), (Role::Value, key)];
    let biases = [Role::QueryBias, Role::KeyBias, Role::ValueBias];
    let output = [(Role::AttentionOutput, spec.hidden)];
    let output_bias = [Role::AttentionOutputBias];
    Ok(Layer {
        attention_norm,
        qkv: loader.matrix(&projections, of.qkv_bias.then_some(&biases), spec.hidden)?,
        query_norm,
        key_norm,
        rope,
        window,
        attention_output: loader.matrix(&output, of.output_bias.then_some(&output_bias), query)?,
        post_attention_norm,
        attention_sum_norm,
        mlp_norm,
        feed_forward: feed_forward(loader, spec)?,
        post_mlp_norm,
        mlp_sum_norm,
        is_parallel,
    })
}

/// Gate and up as one, and down.
fn feed_forward<D: Device>(
    loader: &mut Loader<D>,
    spec: &ModelSpec,
) -> Result<FeedForward, CudaError> {
    let width = spec.mlp.intermediate;
    if let Some(experts) = spec.mlp.experts {
        let all = [Role::ExpertGate as ExpertRole, Role::ExpertUp].map(|role| (role, width));
        let inward = &all[usize::from(!spec.mlp.gated)..];
        return Ok(FeedForward::Experts {
            router: loader.matrix(&[(Role::Router, experts.count)], None, spec.hidden)?,
            inward: loader.experts(inward, experts.count, spec.hidden)?,
            down: loader.experts(&[(Role::ExpertDown, spec.hidden)], experts.count, width)?,
        });
    }
    let all = [(Role::Gate, width), (Role::Up, width)];
    let biases = [Role::GateBias, Role::UpBias];
    let skipped = usize::from(!spec.mlp.gated);
    let has_bias = spec.mlp.bias;
    let inward =
        loader.matrix(&all[skipped..], has_bias.then_some(&biases[skipped..]), spec.hidden)?;
    let bias = [Role::DownBias];
    let down = [(Role::Down, spec.hidden)];
    let down = loader.matrix(&down, has_bias.then_some(&bias), width)?;
    Ok(FeedForward::Dense { inward, down })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_cores_take_half_types_and_the_common_heads() {
        let (kernel, rows) = attention_kernel((32, 8, 128), Element::Bf16);
        assert_eq!((kernel, rows), (Kernel::AttentionMma(128, Element::Bf16), 16));
        let plain = |size, element| attention_kernel((4, 2, size), element).0;
        assert_eq!(plain(128, Element::F32), Kernel::Attention(Element::F32));
        assert_eq!(plain(20, Element::F16), Kernel::Attention(Element::F16));
    }
}
