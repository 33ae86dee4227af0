//! How the words of packed weights are made, by who made them.

/// Bits of a word.
const WORD: usize = 32;

/// Who packed a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packer {
    /// AWQ.
    Awq,
    /// GPTQ; `zero` is added to what `qzeros` holds: 1, or 0 in its second format.
    Gptq {
        /// 0 or 1.
        zero: u8,
        /// 4 or 8.
        bits: usize,
    },
    /// compressed-tensors (`pack_quantized.py`), symmetric.
    Compressed {
        /// 4 or 8.
        bits: usize,
    },
}

impl Packer {
    /// Bits of a number.
    pub fn bits(self) -> usize {
        match self {
            Self::Awq => 4,
            Self::Gptq { bits, .. } | Self::Compressed { bits } => bits,
        }
    }

    /// Numbers in a word.
    pub fn in_word(self) -> usize {
        WORD / self.bits()
    }

    /// The largest number.
    pub fn mask(self) -> u8 {
        u8::MAX >> (8 - self.bits())
    }

    /// A number of a word.
    pub fn number(self, word: u32, place: usize) -> u8 {
        (word >> (self.bits() * place)) as u8 & self.mask()
    }

    /// The middle of the range, which symmetric quantization has as zero.
    pub fn middle(self) -> u8 {
        self.mask() / 2 + 1
    }

    /// Ends of the names of a layer's weights, zeros, scales, and group of each input.
    pub fn ends(self) -> [&'static str; 4] {
        match self {
            Self::Compressed { .. } => {
                ["weight_packed", "weight_zero_point", "weight_scale", "weight_g_idx"]
            }
            _ => ["qweight", "qzeros", "scales", "g_idx"],
        }
    }

    /// What `qzeros` holds as a zero, kept within the bits (TGI's `quant_linear.py`).
    pub fn zero(self, stored: u8) -> u8 {
        match self {
            Self::Awq | Self::Compressed { .. } => stored,
            Self::Gptq { zero, .. } => stored.wrapping_add(zero) & self.mask(),
        }
    }
}
