//! The storage types that can be served.

use candle_core::quantized::GgmlDType;

use crate::error::Defect;
use crate::storage::StorageType;

/// A storage type as files name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// ggml's number of the type.
    pub code: u32,
    /// ggml's name.
    pub name: &'static str,
    /// The type.
    pub storage: StorageType,
}

const fn entry(code: u32, name: &'static str, dtype: GgmlDType) -> Entry {
    Entry { code, name, storage: StorageType::Ggml(dtype) }
}

/// Types of ggml.h that can be served: those that candle reads, less those that only activations
/// have (`Q8_1`, `Q8_K`), and `IQ4_NL`.
pub(super) const STORAGE_TYPES: [Entry; 14] = [
    entry(0, "F32", GgmlDType::F32),
    entry(1, "F16", GgmlDType::F16),
    entry(30, "BF16", GgmlDType::BF16),
    entry(2, "Q4_0", GgmlDType::Q4_0),
    entry(3, "Q4_1", GgmlDType::Q4_1),
    entry(6, "Q5_0", GgmlDType::Q5_0),
    entry(7, "Q5_1", GgmlDType::Q5_1),
    entry(8, "Q8_0", GgmlDType::Q8_0),
    entry(10, "Q2_K", GgmlDType::Q2K),
    entry(11, "Q3_K", GgmlDType::Q3K),
    entry(12, "Q4_K", GgmlDType::Q4K),
    entry(13, "Q5_K", GgmlDType::Q5K),
    entry(14, "Q6_K", GgmlDType::Q6K),
    Entry { code: 20, name: "IQ4_NL", storage: StorageType::Iq4Nl },
];

/// Looks a type up by ggml's number.
pub(super) fn storage_type(code: u32, tensor: &str) -> Result<Entry, Defect> {
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

    #[test]
    fn names_and_sizes_are_those_of_ggml() {
        let sizes = STORAGE_TYPES.map(|entry| {
            let storage = entry.storage;
            (entry.name, storage.block_size(), storage.type_size())
        });
        let expected = [
            ("F32", 1, 4),
            ("F16", 1, 2),
            ("BF16", 1, 2),
            ("Q4_0", 32, 18),
            ("Q4_1", 32, 20),
            ("Q5_0", 32, 22),
            ("Q5_1", 32, 24),
            ("Q8_0", 32, 34),
            ("Q2_K", 256, 84),
            ("Q3_K", 256, 110),
            ("Q4_K", 256, 144),
            ("Q5_K", 256, 176),
            ("Q6_K", 256, 210),
            ("IQ4_NL", 32, 18),
        ];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn a_type_without_a_reader_is_refused_with_the_list() {
        assert_eq!(storage_type(12, "t").unwrap().name, "Q4_K");
        for code in [4, 9, 15, 19, 39, u32::MAX] {
            let found = storage_type(code, "t").unwrap_err().found;
            assert!(found.contains(&format!("storage type {code}, this version reads F32")));
        }
    }
}
