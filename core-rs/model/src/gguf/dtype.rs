//! The storage types that can be served.

use crate::error::Defect;

/// A storage type of ggml: `block` numbers in `bytes` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StorageType {
    /// ggml's number of the type.
    pub code: u32,
    /// ggml's name.
    pub name: &'static str,
    /// Numbers in a block.
    pub block: u64,
    /// Bytes of a block.
    pub bytes: u64,
}

const fn entry(code: u32, name: &'static str, block: u64, bytes: u64) -> StorageType {
    StorageType { code, name, block, bytes }
}

/// Types of ggml.h that candle reads, less those that only activations have (`Q8_1`, `Q8_K`).
pub(super) const STORAGE_TYPES: [StorageType; 13] = [
    entry(0, "F32", 1, 4),
    entry(1, "F16", 1, 2),
    entry(30, "BF16", 1, 2),
    entry(2, "Q4_0", 32, 18),
    entry(3, "Q4_1", 32, 20),
    entry(6, "Q5_0", 32, 22),
    entry(7, "Q5_1", 32, 24),
    entry(8, "Q8_0", 32, 34),
    entry(10, "Q2_K", 256, 84),
    entry(11, "Q3_K", 256, 110),
    entry(12, "Q4_K", 256, 144),
    entry(13, "Q5_K", 256, 176),
    entry(14, "Q6_K", 256, 210),
];

/// Looks a type up by ggml's number.
pub(super) fn storage_type(code: u32, tensor: &str) -> Result<StorageType, Defect> {
    STORAGE_TYPES.into_iter().find(|known| known.code == code).ok_or_else(|| {
        let known = STORAGE_TYPES.map(|known| known.name).join(", ");
        Defect::unsupported(format!(
            "tensor {tensor} has storage type {code}, this version reads {known}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::GgmlDType;

    #[test]
    fn sizes_are_those_of_candle() {
        use GgmlDType::{BF16, F16, F32, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
        let types = [F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2K, Q3K, Q4K, Q5K, Q6K];
        for (ours, theirs) in STORAGE_TYPES.into_iter().zip(types) {
            assert_eq!(ours.name.replace("_K", "K"), format!("{theirs:?}"));
            assert_eq!(ours.block, theirs.block_size() as u64, "{}", ours.name);
            assert_eq!(ours.bytes, theirs.type_size() as u64, "{}", ours.name);
        }
    }

    #[test]
    fn a_type_without_a_reader_is_refused_with_the_list() {
        assert_eq!(storage_type(12, "t").unwrap().name, "Q4_K");
        for code in [4, 9, 15, 20, 39, u32::MAX] {
            let found = storage_type(code, "t").unwrap_err().found;
            assert!(found.contains(&format!("storage type {code}, this version reads F32")));
        }
    }
}
