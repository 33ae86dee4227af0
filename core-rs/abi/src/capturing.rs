//! How far the capture of CUDA graphs is, for whoever waits for [`crate::exports::tgi_open`].

use std::sync::atomic::{AtomicU64, Ordering};

/// Graphs in all in the high half, those captured in the low one; 0 where none are wanted.
static CAPTURING: AtomicU64 = AtomicU64::new(0);

/// Notes that `captured` of `graphs` are there.
pub fn note(captured: usize, graphs: usize) {
    CAPTURING.store((graphs as u64) << 32 | captured as u64, Ordering::Relaxed);
}

/// What was noted last, graphs in all in the high half.
pub fn noted() -> u64 {
    CAPTURING.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_are_in_one_number() {
        note(7, 40);
        assert_eq!(noted(), 40 << 32 | 7);
    }
}
