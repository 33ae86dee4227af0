//! The plain decoder, llama's: what a specification says unless an architecture differs.

use crate::spec::{
    Activation, Attention, Block, Embedding, Mlp, ModelSpec, Norm, NormKind, Norms, Position, Rope,
    RopeLayout,
};

/// Sizes of a decoder; none is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the embedding.
    pub vocab: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Decoder blocks.
    pub layers: usize,
    /// Positions.
    pub context: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head, even.
    pub head_size: usize,
    /// Width of the MLP.
    pub intermediate: usize,
}

impl ModelSpec {
    /// RMS norms before attention and MLP, `rope` over whole heads in every layer, a gated `SiLU`,
    /// no biases, and a head that is the embedding.
    pub fn plain(architecture: &str, shape: &Shape, layout: RopeLayout, rope: Rope) -> Self {
        let &Shape { vocab, hidden, layers, context, heads, kv_heads, head_size, intermediate } =
            shape;
        Self {
            architecture: architecture.to_owned(),
            vocab,
            hidden,
            layers,
            context,
            attention: Attention {
                heads,
                kv_heads,
                head_size,
                scale: 1.0 / (head_size as f32).sqrt(),
                soft_cap: None,
                qk_norm: None,
                qkv_bias: false,
                output_bias: false,
                windows: vec![None; layers],
            },
            position: Position::Rope {
                layout,
                dimensions: head_size,
                layers: vec![Some(rope); layers],
            },
            norm: Norm { kind: NormKind::Rms, epsilon: 1e-5, weight_offset: 0.0, bias: false },
            block: Block::Sequential(Norms::Before),
            residual_scale: 1.0,
            mlp: Mlp {
                intermediate,
                activation: Activation::Silu,
                gated: true,
                bias: false,
                experts: None,
            },
            embedding: Embedding {
                tied: true,
                scale: 1.0,
                norm: false,
                logit_scale: 1.0,
                logit_soft_cap: None,
            },
        }
    }
}
