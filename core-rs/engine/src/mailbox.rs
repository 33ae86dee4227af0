//! The way into the engine's thread.

use std::{
    mem,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::sequence::Sequence;

#[derive(Debug, Default)]
struct Content {
    arrivals: Vec<Sequence>,
    closed: bool,
}

/// Prepared sequences for the engine's thread, and its bell.
///
/// One atomic flag says whether anything changed, so that a step in which nothing did takes no
/// lock.
#[derive(Debug, Default)]
pub struct Mailbox {
    changed: AtomicBool,
    stopping: AtomicBool,
    content: Mutex<Content>,
    bell: Condvar,
}

impl Mailbox {
    /// Hands over a sequence; false when the engine's thread has ended.
    pub fn push(&self, sequence: Sequence) -> bool {
        let mut content = self.lock();
        if content.closed {
            return false;
        }
        content.arrivals.push(sequence);
        self.ring(content);
        true
    }

    /// Makes the engine's thread look at the flags of its requests.
    pub fn wake(&self) {
        self.ring(self.lock());
    }

    /// Asks the engine's thread to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the engine was asked to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether something changed since the last call; if so, moves the arrivals into `arrivals`.
    pub(crate) fn take(&self, arrivals: &mut Vec<Sequence>) -> bool {
        if !self.changed.load(Ordering::Acquire) {
            return false;
        }
        let mut content = self.lock();
        self.changed.store(false, Ordering::Release);
        mem::swap(&mut content.arrivals, arrivals);
        true
    }

    /// Refuses everything from now on, and gives what is left.
    pub(crate) fn close(&self) -> Vec<Sequence> {
        let mut content = self.lock();
        content.closed = true;
        mem::take(&mut content.arrivals)
    }

    /// Sleeps until something changes, or for `limit` at most.
    pub(crate) fn wait(&self, limit: Option<Duration>) {
        let content = self.lock();
        let unchanged = |_: &mut Content| !self.changed.load(Ordering::Acquire);
        match limit {
            Some(limit) => drop(self.bell.wait_timeout_while(content, limit, unchanged)),
            None => drop(self.bell.wait_while(content, unchanged)),
        }
    }

    /// Sets the flag while the lock is held, so that a thread about to sleep cannot miss it.
    fn ring(&self, content: MutexGuard<'_, Content>) {
        self.changed.store(true, Ordering::Release);
        drop(content);
        self.bell.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
