//! The queue for records of the validation workers: several writers, so a lock; one record for
//! each request, so it costs nothing that matters.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes after which writers wait for the reader.
const LIMIT_BYTES: usize = 1024 * 1024;

/// A bounded queue of whole records.
#[derive(Debug, Default)]
pub struct SideQueue {
    state: Mutex<State>,
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<u8>,
    closed: bool,
}

impl SideQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a record, visible at once; waits while the queue is full, drops it when closed.
    pub fn push(&self, record: &[u8]) {
        let mut state = self
            .room
            .wait_while(self.lock(), |state| !state.closed && state.records.len() >= LIMIT_BYTES)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.closed {
            state.records.extend_from_slice(record);
        }
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.lock().records.is_empty()
    }

    /// Moves whole records to the front of `out`. Returns the bytes, and whether that was all.
    pub fn read(&self, out: &mut [u8]) -> (usize, bool) {
        let mut state = self.lock();
        let bytes = whole_records(&state.records, out.len());
        out[..bytes].copy_from_slice(&state.records[..bytes]);
        state.records.drain(..bytes);
        if bytes > 0 {
            self.room.notify_all();
        }
        (bytes, state.records.is_empty())
    }

    /// Releases the writers that wait; what is pushed from now on is dropped.
    pub fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
    }
}

/// Bytes of the leading records that fit in `limit`.
fn whole_records(records: &[u8], limit: usize) -> usize {
    if records.len() <= limit {
        return records.len();
    }
    let mut bytes = 0;
    while let Some(length) = records[bytes..].first_chunk() {
        let next = bytes + u32::from_le_bytes(*length) as usize;
        if next > limit {
            break;
        }
        bytes = next;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: usize) -> Vec<u8> {
        let mut record = vec![0; bytes];
        record[..4].copy_from_slice(&(bytes as u32).to_le_bytes());
        record
    }

    #[test]
    fn records_are_never_split() {
        let queue = SideQueue::default();
        for bytes in [24, 32, 40] {
            queue.push(&record(bytes));
        }
        let mut out = [0; 60];
        assert_eq!(queue.read(&mut out), (56, false));
        assert_eq!(queue.read(&mut out), (40, true));
        assert_eq!(out[..40], record(40));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_holds_its_writer_until_the_reader_comes() {
        let (queue, records) = (SideQueue::default(), 3 * LIMIT_BYTES / 1024);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..records).for_each(|_| queue.push(&record(1024))));
            let (mut out, mut bytes) = (vec![0; 4096], 0);
            while bytes < records * 1024 {
                assert!(queue.lock().records.len() <= LIMIT_BYTES);
                bytes += queue.read(&mut out).0;
            }
        });
        assert!(queue.is_empty());
    }

    #[test]
    fn closing_releases_a_writer_that_waits() {
        let queue = SideQueue::default();
        std::thread::scope(|scope| {
            let writer =
                scope.spawn(|| (0..=LIMIT_BYTES / 1024).for_each(|_| queue.push(&record(1024))));
            queue.close();
            writer.join().unwrap();
        });
        assert!(queue.lock().records.len() <= LIMIT_BYTES);
    }
}
