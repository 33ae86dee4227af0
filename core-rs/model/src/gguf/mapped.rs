//! The bytes of a model file, mapped into memory.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::{Mmap, MmapMut, MmapOptions};

use super::part::FilePart;

/// Maps a regular file, or a part of it, read-only.
pub(crate) fn map(path: &Path, part: Option<FilePart>) -> io::Result<Mmap> {
    // Opening a pipe would wait for a writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = File::open(path)?;
    let mut options = MmapOptions::new();
    if let Some(part) = part {
        let (offset, length) = part.within(file.metadata()?.len())?;
        options.offset(offset).len(length);
    }
    // SAFETY: the mapping is private to this process and never written through. Its bytes could
    // change only if another process writes into the same file while it is served; all checks of
    // ranges are made against the mapping's own length, so that even then no read leaves it, and
    // weights are plain numbers without invalid values. A file that is cut short meanwhile ends
    // the process with SIGBUS: a model file must be replaced by renaming, never truncated.
    unsafe { options.map(&file) }
}

/// Copies bytes into memory of their own, aligned to a page like a mapped file.
pub(crate) fn copy(bytes: &[u8]) -> io::Result<Mmap> {
    let mut memory = MmapMut::map_anon(bytes.len())?;
    memory.copy_from_slice(bytes);
    memory.make_read_only()
}
