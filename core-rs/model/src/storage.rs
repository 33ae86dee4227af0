//! How a tensor's numbers are stored.

use std::fmt;

use candle_core::quantized::GgmlDType;
use half::f16;

/// A storage type of ggml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageType {
    /// One that candle reads.
    Ggml(GgmlDType),
    /// `IQ4_NL`: 32 numbers in 18 bytes, an f16 scale and the 4-bit indices of
    /// [`IQ4_NL_VALUES`], the low halves of the bytes first.
    Iq4Nl,
}

/// What the indices of `IQ4_NL` stand for (`kvalues_iq4nl` of ggml-common.h).
pub const IQ4_NL_VALUES: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

impl StorageType {
    /// Numbers in a block.
    pub fn block_size(self) -> usize {
        match self {
            Self::Ggml(dtype) => dtype.block_size(),
            Self::Iq4Nl => 32,
        }
    }

    /// Bytes of a block.
    pub fn type_size(self) -> usize {
        match self {
            Self::Ggml(dtype) => dtype.type_size(),
            Self::Iq4Nl => 18,
        }
    }
}

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Ggml(dtype) => write!(f, "{dtype:?}"),
            Self::Iq4Nl => f.write_str("IQ4_NL"),
        }
    }
}

impl From<GgmlDType> for StorageType {
    fn from(dtype: GgmlDType) -> Self {
        Self::Ggml(dtype)
    }
}

/// Numbers of whole `IQ4_NL` blocks.
pub(crate) fn dequantize_iq4_nl(bytes: &[u8]) -> Vec<f32> {
    let mut out = Vec::with_capacity(bytes.len() / 18 * 32);
    for block in bytes.as_chunks::<18>().0 {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        let value = |index: u8| scale * f32::from(IQ4_NL_VALUES[usize::from(index)]);
        out.extend(block[2..].iter().map(|byte| value(byte & 15)));
        out.extend(block[2..].iter().map(|byte| value(byte >> 4)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_halves_come_before_high_halves() {
        let mut block = [0u8; 18];
        block[..2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
        block[2] = 0xF0;
        block[17] = 0x08;
        let numbers = dequantize_iq4_nl(&block);
        assert_eq!(numbers.len(), 32);
        assert_eq!((numbers[0], numbers[16]), (-63.5, 56.5));
        assert_eq!((numbers[15], numbers[31]), (0.5, -63.5));
    }
}
