use super::MMA_HEAD_SIZES;

/// Type of activations, KV and plain weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// Brain float, 2 bytes.
    Bf16,
    /// IEEE half, 2 bytes.
    F16,
    /// IEEE single, 4 bytes.
    F32,
}

impl Element {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::Bf16, Self::F16, Self::F32];

    /// Name in kernels' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }

    /// Size of one, bytes.
    pub fn bytes(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }
}

/// Weights in blocks of ggml that kernels read as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blocks {
    /// 32 weights of 4 bits, one scale.
    Q4_0,
    /// 256 weights of 4 bits, scales and minima for each 32.
    Q4K,
    /// 256 weights of 6 bits, scales for each 16.
    Q6K,
    /// 32 weights of 8 bits, one scale.
    Q8_0,
}

impl Blocks {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Q4_0, Self::Q4K, Self::Q6K, Self::Q8_0];

    /// Name in kernels' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "q4_0",
            Self::Q4K => "q4_k",
            Self::Q6K => "q6_k",
            Self::Q8_0 => "q8_0",
        }
    }

    /// Weights in a block.
    pub fn weights(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub fn bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q4K => 144,
            Self::Q6K => 210,
            Self::Q8_0 => 34,
        }
    }
}

/// How a weight matrix is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weights {
    /// One number after the other.
    Plain(Element),
    /// In blocks.
    Blocks(Blocks),
}

impl Weights {
    fn name(self) -> &'static str {
        match self {
            Self::Plain(element) => element.name(),
            Self::Blocks(blocks) => blocks.name(),
        }
    }
}

/// A kernel of the fatbin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// [`super::EmbeddingParams`].
    Embedding(Weights),
    /// [`super::AddNormParams`].
    AddNorm(Element),
    /// [`super::RopeKvParams`].
    RopeKv(Element),
    /// [`super::AttentionParams`], any head size.
    Attention(Element),
    /// [`super::AttentionParams`] on tensor cores, for a head size of [`MMA_HEAD_SIZES`]; never
    /// for `f32`.
    AttentionMma(u32, Element),
    /// [`super::AttentionCombineParams`].
    AttentionCombine(Element),
    /// [`super::ActivationParams`].
    Activation(Element),
    /// [`super::MatmulParams`], a few rows, plain weights.
    Gemv(Element),
    /// [`super::MatmulParams`], a few rows, weights in blocks; the element is that of `x` and `out`.
    GemvBlocks(Blocks, Element),
    /// [`super::MatmulParams`], many rows, plain weights.
    Gemm(Element),
    /// [`super::DequantizeParams`].
    Dequantize(Blocks, Element),
    /// [`super::LowRankParams`], first of two.
    LowRankDown(Element),
    /// [`super::LowRankParams`], second of two.
    LowRankUp(Element),
    /// [`super::RouteParams`].
    Route,
    /// [`super::GroupPlacesParams`].
    GroupPlaces,
    /// [`super::ExpertMatmulParams`] in tiles of [`super::GEMV_ROWS`] places; the element is that of
    /// `x` and `out`.
    ExpertGemv(Weights, Element),
    /// [`super::ExpertMatmulParams`] in tiles of [`super::EXPERT_GEMM_ROWS`] places, plain weights.
    ExpertGemm(Element),
    /// [`super::CombineExpertsParams`].
    CombineExperts(Element),
    /// [`super::ScaleLogitsParams`].
    ScaleLogits,
    /// [`super::PeakParams`], first of two.
    PeakChunks,
    /// [`super::PeakParams`], second of two.
    PeakJoin,
    /// [`super::SampleParams`].
    Sample,
    /// [`super::TopParams`].
    Top,
    /// [`super::HandOverParams`].
    HandOver,
    /// [`super::CopyPageParams`].
    CopyPage,
    /// [`super::FillParams`].
    Fill(Element),
}

impl Kernel {
    /// Name of the function in the fatbin.
    pub fn name(self) -> String {
        match self {
            Self::Embedding(weights) => format!("tgi_embedding_{}", weights.name()),
            Self::AddNorm(element) => format!("tgi_add_norm_{}", element.name()),
            Self::RopeKv(element) => format!("tgi_rope_kv_{}", element.name()),
            Self::Attention(element) => format!("tgi_attention_{}", element.name()),
            Self::AttentionMma(size, element) => {
                format!("tgi_attention_mma_{size}_{}", element.name())
            }
            Self::AttentionCombine(element) => format!("tgi_attention_combine_{}", element.name()),
            Self::Activation(element) => format!("tgi_activation_{}", element.name()),
            Self::Gemv(element) => format!("tgi_gemv_{}", element.name()),
            Self::GemvBlocks(blocks, element) => {
                format!("tgi_gemv_{}_{}", blocks.name(), element.name())
            }
            Self::Gemm(element) => format!("tgi_gemm_{}", element.name()),
            Self::Dequantize(blocks, element) => {
                format!("tgi_dequantize_{}_{}", blocks.name(), element.name())
            }
            Self::LowRankDown(element) => format!("tgi_low_rank_down_{}", element.name()),
            Self::LowRankUp(element) => format!("tgi_low_rank_up_{}", element.name()),
            Self::Route => "tgi_route".into(),
            Self::GroupPlaces => "tgi_group_places".into(),
            Self::ExpertGemv(Weights::Plain(_), element) => {
                format!("tgi_expert_gemv_{}", element.name())
            }
            Self::ExpertGemv(Weights::Blocks(blocks), element) => {
                format!("tgi_expert_gemv_{}_{}", blocks.name(), element.name())
            }
            Self::ExpertGemm(element) => format!("tgi_expert_gemm_{}", element.name()),
            Self::CombineExperts(element) => format!("tgi_combine_experts_{}", element.name()),
            Self::ScaleLogits => "tgi_scale_logits".into(),
            Self::PeakChunks => "tgi_peak_chunks".into(),
            Self::PeakJoin => "tgi_peak_join".into(),
            Self::Sample => "tgi_sample".into(),
            Self::Top => "tgi_top".into(),
            Self::HandOver => "tgi_hand_over".into(),
            Self::CopyPage => "tgi_copy_page".into(),
            Self::Fill(element) => format!("tgi_fill_{}", element.name()),
        }
    }

    /// Every kernel of the fatbin.
    pub fn all() -> Vec<Self> {
        let mut all = vec![
            Self::ScaleLogits,
            Self::PeakChunks,
            Self::PeakJoin,
            Self::Sample,
            Self::Top,
            Self::HandOver,
            Self::CopyPage,
            Self::Route,
            Self::GroupPlaces,
        ];
        for blocks in Blocks::ALL {
            all.push(Self::Embedding(Weights::Blocks(blocks)));
        }
        for element in Element::ALL {
            all.extend([
                Self::Embedding(Weights::Plain(element)),
                Self::AddNorm(element),
                Self::RopeKv(element),
                Self::Attention(element),
                Self::AttentionCombine(element),
                Self::Activation(element),
                Self::Gemv(element),
                Self::Gemm(element),
                Self::Fill(element),
                Self::ExpertGemv(Weights::Plain(element), element),
                Self::ExpertGemm(element),
                Self::CombineExperts(element),
                Self::LowRankDown(element),
                Self::LowRankUp(element),
            ]);
            for blocks in Blocks::ALL {
                all.extend([
                    Self::GemvBlocks(blocks, element),
                    Self::Dequantize(blocks, element),
                    Self::ExpertGemv(Weights::Blocks(blocks), element),
                ]);
            }
            if element != Element::F32 {
                all.extend(MMA_HEAD_SIZES.map(|size| Self::AttentionMma(size, element)));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kernel_has_a_name_of_its_own() {
        let all = Kernel::all();
        let names: HashSet<_> = all.iter().map(|kernel| kernel.name()).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.contains("tgi_gemv_q4_k_bf16"));
        assert!(names.contains("tgi_attention_mma_128_f16"));
    }
}
