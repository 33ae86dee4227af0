//! A bounded, lock-free byte ring of records between the engine's thread and the poller.
//!
//! Single producer, single consumer (Lamport, "Specifying Concurrent Program Modules", 1983):
//! the producer alone moves `tail`, the consumer alone moves `head`. Records start 8-aligned and
//! are whole words long, so the ring is one of words and needs no unsafe code: relaxed loads and
//! stores of the words, ordered by the two positions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::record::{MAX_RECORD_BYTES, WORD_BYTES};

/// Keeps the two positions on cache lines of their own: each is written by another thread.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Position(AtomicUsize);

#[derive(Debug)]
struct Shared {
    words: Box<[AtomicU64]>,
    /// Words read so far; counts up for ever.
    head: Position,
    /// Words published so far; counts up for ever.
    tail: Position,
}

impl Shared {
    fn word(&self, position: usize) -> &AtomicU64 {
        &self.words[position & (self.words.len() - 1)]
    }
}

/// The engine's end.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    /// Words written, published or not.
    next: usize,
}

/// The poller's end.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
}

/// A ring of at least `bytes`, and never less than two of the longest records.
pub fn ring(bytes: usize) -> (Producer, Consumer) {
    let words = bytes.max(2 * MAX_RECORD_BYTES).div_ceil(WORD_BYTES).next_power_of_two();
    let shared = Arc::new(Shared {
        words: (0..words).map(|_| AtomicU64::new(0)).collect(),
        head: Position::default(),
        tail: Position::default(),
    });
    (Producer { shared: shared.clone(), next: 0 }, Consumer { shared })
}

impl Producer {
    /// Whether a record of `bytes` can be written now.
    pub fn has_room(&self, bytes: usize) -> bool {
        let used = self.next - self.shared.head.0.load(Ordering::Acquire);
        used + bytes / WORD_BYTES <= self.shared.words.len()
    }

    /// Writes a record that stays unseen until [`Producer::publish`]; `false` when it does not
    /// fit yet. `record` is whole words long.
    pub fn try_write(&mut self, record: &[u8]) -> bool {
        if !self.has_room(record.len()) {
            return false;
        }
        let (words, _) = record.as_chunks::<WORD_BYTES>();
        for word in words {
            self.shared.word(self.next).store(u64::from_le_bytes(*word), Ordering::Relaxed);
            self.next += 1;
        }
        true
    }

    /// Makes everything written so far visible to the consumer.
    pub fn publish(&self) {
        self.shared.tail.0.store(self.next, Ordering::Release);
    }
}

impl Consumer {
    /// Where the published records end. What is read up to here happened before this call.
    pub fn tail(&self) -> usize {
        self.shared.tail.0.load(Ordering::Acquire)
    }

    /// Whether every published record was read.
    pub fn is_empty(&self) -> bool {
        self.tail() == self.shared.head.0.load(Ordering::Relaxed)
    }

    /// Moves whole records, up to position `tail`, to the front of `out`; returns the bytes.
    pub fn read(&mut self, tail: usize, out: &mut [u8]) -> usize {
        let head = self.shared.head.0.load(Ordering::Relaxed);
        let (out, _) = out.as_chunks_mut::<WORD_BYTES>();
        let words = self.whole_records(head, tail, out.len());
        for (position, slot) in (head..).zip(&mut out[..words]) {
            *slot = self.shared.word(position).load(Ordering::Relaxed).to_le_bytes();
        }
        self.shared.head.0.store(head + words, Ordering::Release);
        words * WORD_BYTES
    }

    /// Words of the records from `head` that end at or before `tail` and fit in `limit` words.
    fn whole_records(&self, head: usize, tail: usize, limit: usize) -> usize {
        if tail - head <= limit {
            return tail - head;
        }
        let mut words = 0;
        loop {
            // A record's length is the lower half of its first word.
            let header = self.shared.word(head + words).load(Ordering::Relaxed);
            let next = words + header as u32 as usize / WORD_BYTES;
            if next > limit {
                return words;
            }
            words = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A record of `words` words, all but the first filled from `seed`.
    fn record(words: usize, seed: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(words * WORD_BYTES);
        bytes.extend(((words * WORD_BYTES) as u32).to_le_bytes());
        bytes.extend(seed.to_le_bytes());
        for word in 1..words {
            bytes.extend((u64::from(seed) << 32 | word as u64).to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_record_is_unseen_until_it_is_published() {
        let (mut producer, consumer) = ring(0);
        assert!(producer.try_write(&record(3, 1)));
        assert!(consumer.is_empty());
        producer.publish();
        assert!(!consumer.is_empty());
    }

    #[test]
    fn a_full_ring_refuses_and_takes_again_after_a_read() {
        let (mut producer, mut consumer) = ring(0);
        let longest = record(MAX_RECORD_BYTES / WORD_BYTES, 7);
        assert!(producer.try_write(&longest) && producer.try_write(&longest));
        assert!(!producer.try_write(&record(2, 8)));
        producer.publish();
        let mut out = vec![0; MAX_RECORD_BYTES];
        assert_eq!(consumer.read(consumer.tail(), &mut out), MAX_RECORD_BYTES);
        assert_eq!(out, longest);
        assert!(producer.try_write(&record(2, 8)));
    }

    #[test]
    fn what_is_published_after_the_tail_was_taken_is_left_for_later() {
        let (mut producer, mut consumer) = ring(0);
        producer.try_write(&record(2, 1));
        producer.publish();
        let tail = consumer.tail();
        producer.try_write(&record(4, 2));
        producer.publish();
        let mut out = [0; 64];
        assert_eq!(consumer.read(tail, &mut out), 16);
        assert_eq!(consumer.read(consumer.tail(), &mut out), 32);
    }

    #[test]
    fn a_buffer_below_the_next_record_gets_nothing() {
        let (mut producer, mut consumer) = ring(0);
        producer.try_write(&record(4, 1));
        producer.publish();
        assert_eq!(consumer.read(consumer.tail(), &mut [0; 31]), 0);
        assert_eq!(consumer.read(consumer.tail(), &mut [0; 33]), 32);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn two_threads_pass_every_record_in_order(
            sizes in vec(2usize..2000, 1..1500),
            publish_each in 1usize..9,
            buffer in 16_000usize..70_000,
        ) {
            let (mut producer, mut consumer) = ring(0);
            let expected: Vec<u8> = sizes
                .iter()
                .enumerate()
                .flat_map(|(index, &words)| record(words, index as u32))
                .collect();
            let received = std::thread::scope(|scope| {
                scope.spawn(|| {
                    for (index, &words) in sizes.iter().enumerate() {
                        while !producer.try_write(&record(words, index as u32)) {
                            producer.publish();
                            std::thread::yield_now();
                        }
                        if index % publish_each == 0 {
                            producer.publish();
                        }
                    }
                    producer.publish();
                });
                let (mut received, mut out) = (Vec::new(), vec![0; buffer]);
                while received.len() < expected.len() {
                    let bytes = consumer.read(consumer.tail(), &mut out);
                    received.extend_from_slice(&out[..bytes]);
                    std::thread::yield_now();
                }
                received
            });
            prop_assert!(received == expected);
            prop_assert!(consumer.is_empty());
        }
    }
}
