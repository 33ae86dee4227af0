//! The way out: events of all threads become records, in an order that a client can rely on.
//!
//! The engine's thread writes to the ring, the validation workers to the side queue. A worker
//! writes `Accepted` before it hands the request on, so a record in the ring always has its
//! `Accepted` in the side queue already. [`Outbox::poll`] therefore takes the ring's tail first,
//! empties the side queue next, and reads the ring up to that tail last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use tgi_engine::{Event, EventSink};

use crate::doorbell::Doorbell;
use crate::record::Encoder;
use crate::ring::{Consumer, Producer, ring};
use crate::side::SideQueue;

/// Records that wait for the poller, and the ways to wake each side.
#[derive(Debug)]
pub struct Outbox {
    side: SideQueue,
    ring: Mutex<Consumer>,
    /// Rung for the poller when there are records.
    records: Doorbell,
    /// Rung for the engine's thread when the ring has room again.
    room: Doorbell,
    closed: AtomicBool,
}

/// What a poll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// So many bytes of records.
    Records(usize),
    /// Nothing within the time.
    Timeout,
    /// The outbox is closed.
    Closed,
    /// Another poll is under way.
    Busy,
}

/// An outbox with a ring of `bytes`, and the sink for the engine's thread.
pub fn outbox(bytes: usize) -> (Arc<Outbox>, StepSink) {
    let (producer, consumer) = ring(bytes);
    let outbox = Arc::new(Outbox {
        side: SideQueue::default(),
        ring: Mutex::new(consumer),
        records: Doorbell::default(),
        room: Doorbell::default(),
        closed: AtomicBool::new(false),
    });
    let sink = StepSink {
        encoder: Encoder::default(),
        writer: RingWriter { producer, outbox: outbox.clone() },
    };
    (outbox, sink)
}

impl Outbox {
    /// Moves records to the front of `out`, and waits up to `timeout` for the first. `out` holds
    /// at least one of the longest records.
    pub fn poll(&self, out: &mut [u8], timeout: Duration) -> Polled {
        let mut ring = match self.ring.try_lock() {
            Ok(ring) => ring,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Polled::Busy,
        };
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.is_closed() {
                return Polled::Closed;
            }
            let bytes = self.read(&mut ring, out);
            if bytes > 0 {
                return Polled::Records(bytes);
            }
            let ready = || self.is_closed() || !ring.is_empty() || !self.side.is_empty();
            if !self.records.wait(deadline, ready) {
                return Polled::Timeout;
            }
        }
    }

    fn read(&self, ring: &mut Consumer, out: &mut [u8]) -> usize {
        let tail = ring.tail();
        let (mut bytes, is_all) = self.side.read(out);
        if is_all {
            bytes += ring.read(tail, &mut out[bytes..]);
            self.room.ring();
        }
        bytes
    }

    /// Ends every poll, and lets every sink drop its events instead of waiting.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.side.close();
        self.records.ring();
        self.room.ring();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// The sink of the engine's thread: lock-free while the poller is awake and the ring has room.
#[derive(Debug)]
pub struct StepSink {
    encoder: Encoder,
    writer: RingWriter,
}

#[derive(Debug)]
struct RingWriter {
    producer: Producer,
    outbox: Arc<Outbox>,
}

impl RingWriter {
    fn write(&mut self, record: &[u8]) {
        while !self.outbox.is_closed() && !self.producer.try_write(record) {
            // What is written must be visible, or the poller could not make room.
            self.publish();
            let ready = || self.outbox.is_closed() || self.producer.has_room(record.len());
            self.outbox.room.wait(None, ready);
        }
    }

    fn publish(&self) {
        self.producer.publish();
        self.outbox.records.ring();
    }
}

impl EventSink for StepSink {
    fn emit(&mut self, event: Event<'_>) {
        self.encoder.encode(event, |record| self.writer.write(record));
    }

    fn publish(&mut self) {
        self.writer.publish();
    }
}

/// The sink of one validation worker. An event is visible as soon as it is emitted.
#[derive(Debug)]
pub struct WorkerSink {
    encoder: Encoder,
    outbox: Arc<Outbox>,
}

impl WorkerSink {
    /// A sink into `outbox`.
    pub fn new(outbox: Arc<Outbox>) -> Self {
        Self { encoder: Encoder::default(), outbox }
    }
}

impl EventSink for WorkerSink {
    fn emit(&mut self, event: Event<'_>) {
        self.encoder.encode(event, |record| self.outbox.side.push(record));
    }

    fn publish(&mut self) {
        self.outbox.records.ring();
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
