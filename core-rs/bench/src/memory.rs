//! The process's largest memory.

use std::fs::{read_to_string, write};

/// The most that was resident so far, bytes; `None` where the system does not tell.
pub fn peak_rss_bytes() -> Option<u64> {
    peak(&read_to_string("/proc/self/status").ok()?)
}

/// Lets the peak begin anew at what is resident; without effect where the system does not allow it
/// (proc(5), `clear_refs`).
pub fn forget_peak() {
    // A peak that cannot be reset is reported as it is.
    let _ = write("/proc/self/clear_refs", "5");
}

/// The value of the line `VmHWM:   1024 kB` (proc(5)), bytes.
fn peak(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_in_bytes() {
        assert_eq!(peak("VmPeak:  9 kB\nVmHWM:\t    1024 kB\n"), Some(1 << 20));
        assert_eq!(peak("VmPeak:  9 kB\n"), None);
    }
}
