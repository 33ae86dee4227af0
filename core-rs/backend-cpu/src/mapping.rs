//! Anonymous memory of the process, in huge pages where it is large.

use std::io;

use memmap2::MmapMut;

/// Mappings from here on ask for huge pages, bytes: a table walk for each page of 4 KiB would cost
/// as much as reading it.
const HUGE: usize = 4 << 20;

/// Zeros on a page of their own; memory is taken where it is written only.
///
/// # Errors
/// The system's, when it has no room for `bytes`.
pub fn anonymous(bytes: usize) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(bytes)?;
    #[cfg(target_os = "linux")]
    if bytes >= HUGE {
        // Refused where the system has no huge pages: small ones do as well, only slower.
        let _ = memory.advise(memmap2::Advice::HugePage);
    }
    Ok(memory)
}
