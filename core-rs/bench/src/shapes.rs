//! Shapes of well-known models and how quantizers store them, as data.

use candle_core::quantized::GgmlDType;
use tgi_model::spec::{Rope, RopeLayout, RopeScaling};
use tgi_model::{ModelSpec, Role};

/// Numbers of a published configuration (`config.json`). All of these are decoders of the llama
/// family: RMS norm, rotary positions, gated `SiLU`, a head tied to the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// As `--random` takes it.
    pub name: &'static str,
    /// GGUF's name of the architecture.
    pub architecture: &'static str,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Decoder blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_size: usize,
    /// Width between the projections of the MLP.
    pub intermediate: usize,
    /// Rows of the embedding, tokens.
    pub vocab: usize,
    /// Positions, tokens.
    pub context: usize,
    /// Base of the rotary frequencies.
    pub rope_base: u32,
    /// Biases on q, k and v.
    pub qkv_bias: bool,
    /// The head is the embedding itself.
    pub tied: bool,
}

const LLAMA: Shape = Shape {
    name: "llama-3.2-1b",
    architecture: "llama",
    hidden: 2048,
    layers: 16,
    heads: 32,
    kv_heads: 8,
    head_size: 64,
    intermediate: 8192,
    vocab: 128_256,
    context: 131_072,
    rope_base: 500_000,
    qkv_bias: false,
    tied: true,
};

const QWEN: Shape = Shape {
    name: "qwen2.5-0.5b",
    architecture: "qwen2",
    hidden: 896,
    layers: 24,
    heads: 14,
    kv_heads: 2,
    head_size: 64,
    intermediate: 4864,
    vocab: 151_936,
    context: 32_768,
    rope_base: 1_000_000,
    qkv_bias: true,
    tied: true,
};

const SMOLLM: Shape = Shape {
    name: "smollm2-135m",
    architecture: "llama",
    hidden: 576,
    layers: 30,
    heads: 9,
    kv_heads: 3,
    head_size: 64,
    intermediate: 1536,
    vocab: 49_152,
    context: 8192,
    rope_base: 100_000,
    qkv_bias: false,
    tied: true,
};

/// All shapes.
pub const SHAPES: [Shape; 7] = [
    SMOLLM,
    Shape {
        name: "smollm2-360m",
        hidden: 960,
        layers: 32,
        heads: 15,
        kv_heads: 5,
        intermediate: 2560,
        ..SMOLLM
    },
    QWEN,
    Shape {
        name: "qwen2.5-1.5b",
        hidden: 1536,
        layers: 28,
        heads: 12,
        head_size: 128,
        intermediate: 8960,
        ..QWEN
    },
    LLAMA,
    Shape { name: "llama-3.2-3b", hidden: 3072, layers: 28, heads: 24, head_size: 128, ..LLAMA },
    Shape {
        name: "llama-3-8b",
        hidden: 4096,
        layers: 32,
        head_size: 128,
        intermediate: 14_336,
        context: 8192,
        tied: false,
        ..LLAMA
    },
];

/// How a quantizer stores a model (llama.cpp, `llama_tensor_get_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// As `--random` takes it, behind the shape and a colon.
    pub name: &'static str,
    /// Of the projections.
    pub base: GgmlDType,
    /// Of the value and down projections in the layers that get more bits.
    pub more: GgmlDType,
    /// Of the embedding and of the head.
    pub head: GgmlDType,
}

const fn mix(name: &'static str, base: GgmlDType, more: GgmlDType, head: GgmlDType) -> Mix {
    Mix { name, base, more, head }
}

/// All mixes.
pub const MIXES: [Mix; 10] = {
    use GgmlDType::{BF16, F16, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
    [
        mix("q4_0", Q4_0, Q4_0, Q6K),
        mix("q4_1", Q4_1, Q4_1, Q6K),
        mix("q5_0", Q5_0, Q5_0, Q6K),
        mix("q5_1", Q5_1, Q5_1, Q6K),
        mix("q8_0", Q8_0, Q8_0, Q8_0),
        mix("q4_k_m", Q4K, Q6K, Q6K),
        mix("q5_k_m", Q5K, Q6K, Q6K),
        mix("q6_k", Q6K, Q6K, Q6K),
        mix("f16", F16, F16, F16),
        mix("bf16", BF16, BF16, BF16),
    ]
};

impl Mix {
    /// The type of a matrix of `columns` columns; `more_bits` is [`more_bits`] of its layer.
    pub fn dtype(&self, role: Role, more_bits: bool, columns: usize) -> GgmlDType {
        let wanted = match role {
            Role::TokenEmbedding | Role::Output => self.head,
            Role::Value | Role::Down if more_bits => self.more,
            _ => self.base,
        };
        if columns.is_multiple_of(wanted.block_size()) { wanted } else { small_block(wanted) }
    }
}

/// Whether a layer's value and down projections get more bits in a K-quant mix: the first and the
/// last eighth, and every third layer between.
pub fn more_bits(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

/// The type of 32 columns a block that stands in where rows are not whole blocks of 256.
fn small_block(wanted: GgmlDType) -> GgmlDType {
    match wanted {
        GgmlDType::Q4K => GgmlDType::Q5_0,
        GgmlDType::Q5K => GgmlDType::Q5_1,
        GgmlDType::Q6K => GgmlDType::Q8_0,
        other => other,
    }
}

impl Shape {
    /// The same for a backend.
    pub fn spec(&self) -> ModelSpec {
        let rope = Rope { base: self.rope_base as f32, scaling: RopeScaling::None };
        let layout = match self.architecture {
            "llama" => RopeLayout::Interleaved,
            _ => RopeLayout::Halves,
        };
        let Self {
            vocab, hidden, layers, context, heads, kv_heads, head_size, intermediate, ..
        } = *self;
        let shape = tgi_model::Shape {
            vocab,
            hidden,
            layers,
            context,
            heads,
            kv_heads,
            head_size,
            intermediate,
        };
        let mut spec = ModelSpec::plain(self.architecture, &shape, layout, rope);
        spec.attention.qkv_bias = self.qkv_bias;
        spec.embedding.tied = self.tied;
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_with_more_bits_are_those_of_llama_cpp() {
        let chosen: Vec<usize> = (0..24).filter(|&layer| more_bits(layer, 24)).collect();
        assert_eq!(chosen, [0, 1, 2, 5, 8, 11, 14, 17, 20, 21, 22, 23]);
    }

    #[test]
    fn rows_that_are_no_whole_blocks_get_smaller_blocks() {
        let mix = MIXES[5];
        assert_eq!(mix.name, "q4_k_m");
        assert_eq!(mix.dtype(Role::Query, true, 896), GgmlDType::Q5_0);
        assert_eq!(mix.dtype(Role::Value, true, 896), GgmlDType::Q8_0);
        assert_eq!(mix.dtype(Role::Value, false, 896), GgmlDType::Q5_0);
        assert_eq!(mix.dtype(Role::Down, true, 4864), GgmlDType::Q6K);
        assert_eq!(mix.dtype(Role::Down, false, 4864), GgmlDType::Q4K);
        assert_eq!(mix.dtype(Role::TokenEmbedding, false, 896), GgmlDType::Q8_0);
        assert_eq!(mix.dtype(Role::TokenEmbedding, false, 2048), GgmlDType::Q6K);
    }

    #[test]
    fn every_shape_is_one_that_a_backend_takes() {
        for shape in SHAPES {
            let spec = shape.spec();
            assert_eq!(spec.attention.heads % spec.attention.kv_heads, 0, "{}", shape.name);
            assert_eq!(spec.hidden % 32, 0, "{}", shape.name);
            assert_eq!(spec.mlp.intermediate % 32, 0, "{}", shape.name);
        }
    }
}
