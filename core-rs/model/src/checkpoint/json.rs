//! JSON files of a folder, read within limits.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Defect, ModelError};

/// Reads a file of at most `limit` bytes; `None` when there is no such file.
pub(super) fn bytes(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ModelError> {
    let name = || path.display().to_string();
    let read = || {
        // Opening a pipe would wait for a writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > limit => {
            let found = format!("it has more than {limit} bytes, the limit for such a file");
            Err(Defect::damaged(found).of(&name()))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ModelError::Unreadable { file: name(), source }),
    }
}

/// Reads a JSON object from a file of at most `limit` bytes; `None` when there is no such file.
pub(super) fn object(path: &Path, limit: u64) -> Result<Option<Map<String, Value>>, ModelError> {
    let Some(bytes) = bytes(path, limit)? else { return Ok(None) };
    let object = serde_json::from_slice(&bytes).map_err(|error| {
        Defect::damaged(format!("it is no JSON object: {error}")).of(&path.display().to_string())
    })?;
    Ok(Some(object))
}
