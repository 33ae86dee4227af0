//! What a safetensors file holds (<https://github.com/huggingface/safetensors#format>).

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::quantized::GgmlDType;
use safetensors::{Dtype, SafeTensors};

use crate::error::Defect;
use crate::source::{Content, Tensor};
use crate::storage::StorageType;

/// What stands before the header: its length.
const LENGTH_BYTES: usize = 8;

/// What a tensor is and where it lies; any type, also those that only a quantization method or a
/// model's own code reads.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Row-major.
    pub shape: Vec<usize>,
    /// Which of the model's files has it.
    pub file: usize,
    /// Its bytes in that file.
    pub range: Range<usize>,
}

impl Stored {
    /// The tensor as one of floats.
    pub fn floats(&self, name: &str) -> Result<Tensor, Defect> {
        let dtype = storage_type(self.dtype).ok_or_else(|| {
            let dtype = self.dtype;
            Defect::unsupported(format!(
                "tensor {name} has type {dtype:?}, this version reads F32, F16 and BF16"
            ))
        })?;
        let content = Content::Stored { file: self.file, range: self.range.clone() };
        Ok(Tensor { name: name.to_owned(), dtype, shape: self.shape.clone(), content })
    }
}

fn storage_type(dtype: Dtype) -> Option<StorageType> {
    let dtype = match dtype {
        Dtype::F32 => GgmlDType::F32,
        Dtype::F16 => GgmlDType::F16,
        Dtype::BF16 => GgmlDType::BF16,
        _ => return None,
    };
    Some(dtype.into())
}

/// Reads the header of file number `file`.
///
/// The crate vouches for what a hostile file could forge: the length of the header, that every
/// tensor has the size of its shape, and that tensors lie side by side up to the end of the file.
pub(super) fn tensors(file: usize, bytes: &[u8]) -> Result<BTreeMap<String, Stored>, Defect> {
    let (header, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|error| Defect::damaged(format!("its header cannot be used: {error}")))?;
    let data = header + LENGTH_BYTES;
    let stored = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let (start, end) = info.data_offsets;
        let (shape, range) = (info.shape.clone(), data + start..data + end);
        (name, Stored { dtype: info.dtype, shape, file, range })
    };
    Ok(metadata.tensors().into_iter().map(stored).collect())
}
