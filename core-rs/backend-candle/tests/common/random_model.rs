//! Tiny random models that use, between them, all that a specification can ask for.

use tgi_model::spec::{
    Activation, Attention, Block, Embedding, Mlp, ModelSpec, Norm, NormKind, Position, Role, Rope,
    RopeLayout, RopeScaling,
};

pub const VOCAB: usize = 40;

/// One of each family: llama, Gemma, and a decoder with layer norms as Falcon's or GPT-2's.
pub fn specs() -> [ModelSpec; 3] {
    [llama(), gemma(), layer_normed()]
}

/// Interleaved rope, grouped heads, a gated MLP, nothing else.
pub fn llama() -> ModelSpec {
    let rope = Rope { base: 100.0, scaling: RopeScaling::None };
    ModelSpec {
        architecture: "llama".to_owned(),
        vocab: VOCAB,
        hidden: 16,
        layers: 2,
        context: 200,
        attention: Attention {
            heads: 4,
            kv_heads: 2,
            head_size: 4,
            scale: 0.5,
            soft_cap: None,
            qk_norm: false,
            qkv_bias: false,
            output_bias: false,
            windows: vec![None; 2],
        },
        position: Position::Rope {
            layout: RopeLayout::Interleaved,
            dimensions: 4,
            layers: vec![rope; 2],
        },
        norm: Norm { kind: NormKind::Rms, epsilon: 1e-5, weight_offset: 0.0, bias: false },
        block: Block::Sequential { post_norms: false },
        mlp: Mlp { intermediate: 24, activation: Activation::Silu, gated: true, bias: false },
        embedding: Embedding { tied: false, scale: 1.0, logit_scale: 1.0, logit_soft_cap: None },
    }
}

/// Windows, two ropes of which one turns a part of the head, qk-norms, post-norms, soft-caps.
pub fn gemma() -> ModelSpec {
    let mut spec = llama();
    spec.architecture = String::from("gemma");
    spec.attention.head_size = 6;
    spec.attention.windows = vec![Some(5), None];
    spec.attention.qk_norm = true;
    spec.attention.soft_cap = Some(2.0);
    let local = Rope { base: 10.0, scaling: RopeScaling::None };
    let global = Rope { base: 100.0, scaling: RopeScaling::Linear { factor: 2.0 } };
    let (layout, layers) = (RopeLayout::Halves, vec![local, global]);
    spec.position = Position::Rope { layout, dimensions: 4, layers };
    spec.norm.weight_offset = 0.5;
    spec.block = Block::Sequential { post_norms: true };
    spec.mlp.activation = Activation::GeluTanh;
    spec.embedding =
        Embedding { tied: true, scale: 4.0, logit_scale: 1.0, logit_soft_cap: Some(3.0) };
    spec
}

/// Layer norms, a parallel block with a plain MLP, learned positions, and every bias.
pub fn layer_normed() -> ModelSpec {
    let mut spec = llama();
    spec.architecture = String::from("layer-normed");
    spec.attention.kv_heads = 1;
    spec.attention.qkv_bias = true;
    spec.attention.output_bias = true;
    spec.position = Position::Learned { offset: 2 };
    spec.norm = Norm { kind: NormKind::Layer, bias: true, ..spec.norm };
    spec.block = Block::Parallel;
    spec.mlp = Mlp { activation: Activation::GeluErf, gated: false, bias: true, ..spec.mlp };
    spec.embedding.logit_scale = 0.25;
    spec
}

/// Elements of a weight: the same for the same role, layer and shape. Rows of a matrix have a
/// length of about 1.5, elements of a vector are between 0.5 and 1.5.
pub fn weights(role: Role, layer: Option<usize>, shape: &[usize]) -> Vec<f32> {
    let mut state = (role as u64) << 32 | layer.map_or(0, |layer| layer as u64 + 1);
    let mut uniform = || {
        // SplitMix64 (Steele et al. 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z >> 40) as f32 / (1u32 << 24) as f32 * 2.0 - 1.0
    };
    let count = shape.iter().product();
    let element = |_| match shape {
        [_, columns] => uniform() * 1.5 * (3.0 / *columns as f32).sqrt(),
        _ => 1.0 + 0.5 * uniform(),
    };
    (0..count).map(element).collect()
}
