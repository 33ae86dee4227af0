//! The bytes of a model file, mapped into memory.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::{Mmap, MmapMut, MmapOptions};

use super::part::FilePart;
use crate::error::{Defect, ModelError};

/// A file, or a part of one, mapped read-only; or a copy of bytes.
pub(crate) struct ModelFile {
    bytes: Mmap,
    /// Absent for a copy.
    origin: Option<Origin>,
}

/// What a mapping needs of its file.
struct Origin {
    file: File,
    name: String,
    /// Where the mapping ends, bytes.
    end: u64,
}

impl ModelFile {
    /// Maps a regular file, or a part of it.
    pub fn map(path: &Path, part: Option<FilePart>) -> io::Result<Self> {
        // Opening a pipe would wait for a writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let file = File::open(path)?;
        let mut options = MmapOptions::new();
        let mut start = 0;
        if let Some(part) = part {
            let (offset, length) = part.within(file.metadata()?.len())?;
            options.offset(offset).len(length);
            start = offset;
        }
        // A file that is cut short while it is mapped ends the process with SIGBUS: that is why
        // `check_whole` comes before a tensor is read, and why nothing holds the mapping when the
        // weights are loaded.
        // SAFETY: the mapping is private and never written through. Should another process write into
        // the file, no read leaves it (ranges are checked against its own length), and weights are
        // plain numbers without invalid values.
        let bytes = unsafe { options.map(&file) }?;
        let end = start + bytes.len() as u64;
        let name = path.display().to_string();
        Ok(Self { bytes, origin: Some(Origin { file, name, end }) })
    }

    /// Copies bytes into memory of their own, aligned to a page like a mapped file.
    pub fn copy(bytes: &[u8]) -> io::Result<Self> {
        let mut memory = MmapMut::map_anon(bytes.len())?;
        memory.copy_from_slice(bytes);
        Ok(Self { bytes: memory.make_read_only()?, origin: None })
    }

    /// Asks the system whether the file still has all that was mapped. What remains is a file that
    /// is cut short between the answer and the read.
    pub fn check_whole(&self) -> Result<(), ModelError> {
        let Some(Origin { file, name, end }) = &self.origin else { return Ok(()) };
        let length = file
            .metadata()
            .map_err(|source| ModelError::Unreadable { file: name.clone(), source })?
            .len();
        if length >= *end {
            return Ok(());
        }
        let found = format!("it was cut short while it was read: it has {length} of {end} bytes");
        let fix = "replace a model file by renaming another one to its name";
        Err(Defect { found, fix }.of(name))
    }
}

impl Deref for ModelFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for ModelFile {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
