//! Tiny random models that use, between them, all that a specification can ask for.

use tgi_model::Shape;
use tgi_model::spec::{
    Activation, Block, Embedding, Experts, Mlp, ModelSpec, Norm, NormKind, Norms, Position, QkNorm,
    Role, Rope, RopeLayout, RopeScaling,
};

pub const VOCAB: usize = 40;

/// One of each family: llama, Gemma, decoders with layer norms as Falcon's or GPT-2's and as
/// BLOOM's, experts with norms as `OLMo` 2's, and normed sums as OPT 350M's.
pub fn specs() -> [ModelSpec; 6] {
    [llama(), gemma(), layer_normed(), biased(), experts(), normed_sums()]
}

/// Interleaved rope, grouped heads, a gated MLP, nothing else.
pub fn llama() -> ModelSpec {
    let rope = Rope { base: 100.0, scaling: RopeScaling::None };
    let shape = Shape {
        vocab: VOCAB,
        hidden: 16,
        layers: 2,
        context: 200,
        heads: 4,
        kv_heads: 2,
        head_size: 4,
        intermediate: 24,
    };
    let mut spec = ModelSpec::plain("llama", &shape, RopeLayout::Interleaved, rope);
    spec.embedding.tied = false;
    spec
}

/// Windows, two ropes of which one turns a part of the head, qk-norms, post-norms, soft-caps.
pub fn gemma() -> ModelSpec {
    let mut spec = llama();
    spec.architecture = String::from("gemma");
    spec.attention.head_size = 6;
    spec.attention.windows = vec![Some(5), None];
    spec.attention.qk_norm = Some(QkNorm::Head);
    spec.attention.soft_cap = Some(2.0);
    let local = Rope { base: 10.0, scaling: RopeScaling::None };
    let global = Rope { base: 100.0, scaling: RopeScaling::Linear { factor: 2.0 } };
    let (layout, layers) = (RopeLayout::Halves, vec![Some(local), Some(global)]);
    spec.position = Position::Rope { layout, dimensions: 4, layers };
    spec.norm.weight_offset = 0.5;
    spec.block = Block::Sequential(Norms::Around);
    spec.mlp.activation = Activation::GeluTanh;
    spec.embedding =
        Embedding { tied: true, scale: 4.0, logit_soft_cap: Some(3.0), ..spec.embedding };
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
    spec.block = Block::Parallel { mlp_norm: true };
    spec.mlp = Mlp { activation: Activation::GeluErf, gated: false, bias: true, ..spec.mlp };
    spec.embedding.logit_scale = 0.25;
    spec
}

/// Linear biases on the scores, a normed embedding, and biases on a gated MLP.
pub fn biased() -> ModelSpec {
    let mut spec = layer_normed();
    spec.architecture = String::from("biased");
    spec.position = Position::Alibi { factor: 0.5 };
    spec.block = Block::Parallel { mlp_norm: false };
    spec.mlp.gated = true;
    spec.embedding.norm = true;
    spec
}

/// Experts, norms on outputs and on whole rows of q and k, a layer without positions, a base that
/// grows with the text.
pub fn experts() -> ModelSpec {
    let mut spec = llama();
    spec.architecture = String::from("experts");
    spec.attention.qk_norm = Some(QkNorm::Row);
    let scaling = RopeScaling::Dynamic { factor: 4.0, original: 20 };
    let (layout, rope) = (RopeLayout::Halves, Rope { base: 100.0, scaling });
    spec.position = Position::Rope { layout, dimensions: 4, layers: vec![None, Some(rope)] };
    spec.block = Block::Sequential(Norms::After);
    spec.residual_scale = 0.5;
    spec.mlp.experts = Some(Experts { count: 4, used: 2, normalized: false });
    spec
}

/// Normed sums, and heads of q and k with layer norms of their own.
pub fn normed_sums() -> ModelSpec {
    let mut spec = layer_normed();
    spec.architecture = String::from("normed-sums");
    spec.attention.kv_heads = 2;
    spec.attention.qk_norm = Some(QkNorm::Each);
    spec.block = Block::NormedSums;
    spec.mlp.activation = Activation::Relu;
    spec
}

/// Elements of a weight: the same for the same role, layer and shape. Rows of a matrix have a
/// length of about 1.5, elements of a vector are between 0.5 and 1.5.
pub fn weights(role: Role, layer: Option<usize>, shape: &[usize]) -> Vec<f32> {
    // FNV-1a of the role's name (Fowler, Noll and Vo 1991).
    let name = format!("{role:?}").bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut state = name << 8 | layer.map_or(0, |layer| layer as u64 + 1);
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
