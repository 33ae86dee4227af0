//! GGUF files, versions 2 and 3 (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>).
//!
//! A file is untrusted. [`header::check`] walks its header and vouches for every count, length,
//! type and range, and reads the tensors' descriptions; only then candle's reader turns keys and
//! values into values.

mod cursor;
mod dtype;
mod header;
mod layout;
pub(crate) mod mapped;
pub(crate) mod metadata;
mod part;
pub(crate) mod split;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;

use candle_core::quantized::gguf_file::Content;

use crate::error::Defect;
use crate::source::Tensor;
use metadata::Metadata;
pub use part::FilePart;

/// Where a file counts its tensors, after magic number and version.
const TENSOR_COUNT: Range<usize> = 8..16;

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
    let (tensors, metadata_end) = header::check(bytes)?;
    // Candle refuses a file with a tensor of a type that it lacks: it is shown none.
    let mut metadata = bytes[..metadata_end].to_vec();
    metadata[TENSOR_COUNT].fill(0);
    let content = Content::read(&mut Cursor::new(metadata))
        .map_err(|error| Defect::damaged(format!("its header cannot be read: {error}")))?;
    Ok(Header { metadata: Metadata::new(content.metadata), tensors })
}
