//! GGUF files, versions 2 and 3 (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).
//!
//! A file is untrusted. [`header::check`] walks its header and vouches for every count, length,
//! type and range; only then candle's reader turns the header into values.

mod cursor;
mod dtype;
mod header;
mod layout;
pub(crate) mod mapped;
pub(crate) mod metadata;
mod part;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Content;

use crate::error::Defect;
use metadata::Metadata;
pub use part::FilePart;

/// What a tensor is and where it lies.
#[derive(Debug)]
pub(crate) struct Tensor {
    /// Name in the file.
    pub name: String,
    /// How its numbers are stored.
    pub dtype: GgmlDType,
    /// Row-major, `[rows, columns]` or `[n]`.
    pub shape: Vec<usize>,
    /// Its bytes in the file.
    pub range: Range<usize>,
}

/// A checked header: all that is in a file besides the weights.
#[derive(Debug)]
pub(crate) struct Header {
    /// Keys and values.
    pub metadata: Metadata,
    /// Tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Checks a file's bytes and reads its header.
pub(crate) fn read(bytes: &[u8]) -> Result<Header, Defect> {
    let ranges = header::check(bytes)?;
    let content = Content::read(&mut Cursor::new(bytes))
        .map_err(|error| Defect::damaged(format!("its header cannot be read: {error}")))?;
    let mut tensors = BTreeMap::new();
    for (name, info) in content.tensor_infos {
        let range = ranges.get(name.as_str()).cloned().ok_or_else(|| {
            Defect::damaged(format!("tensor {name:?} has a name that readers disagree about"))
        })?;
        let (dtype, shape) = (info.ggml_dtype, info.shape.into_dims());
        tensors.insert(name.clone(), Tensor { name, dtype, shape, range });
    }
    Ok(Header { metadata: Metadata::new(content.metadata), tensors })
}
