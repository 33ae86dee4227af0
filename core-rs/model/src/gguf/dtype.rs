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
