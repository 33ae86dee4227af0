//! A wake-up that costs one atomic read while nobody sleeps.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Lets one thread sleep until another has changed something.
///
/// The sleeper announces itself before it looks for the last time, the other side changes first
/// and looks for a sleeper then; with a full fence between on both sides one of the two always
/// sees the other (Dekker's rule), so no wake-up is lost and none is paid for needlessly.
#[derive(Debug, Default)]
pub struct Doorbell {
    sleeping: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Doorbell {
    /// Sleeps until `ready` holds; without a deadline for ever. Returns whether it held.
    pub fn wait(&self, deadline: Option<Instant>, ready: impl Fn() -> bool) -> bool {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.sleeping.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if ready() {
                self.sleeping.store(false, Ordering::Relaxed);
                return true;
            }
            guard = match deadline.map(|end| end.saturating_duration_since(Instant::now())) {
                None => self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    self.sleeping.store(false, Ordering::Relaxed);
                    return false;
                }
                Some(left) => {
                    self.wake.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Wakes the sleeper, if there is one, to look again. Call it after the change.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            // The sleeper holds the lock from its last look until it waits: once we had the
            // lock, it waits and hears the notification.
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_condition_that_holds_needs_no_ring() {
        assert!(Doorbell::default().wait(None, || true));
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let deadline = Instant::now() + Duration::from_millis(1);
        assert!(!Doorbell::default().wait(Some(deadline), || false));
    }

    #[test]
    fn no_wake_up_is_lost_over_many_turns() {
        let (bell, echo) = (Doorbell::default(), Doorbell::default());
        let (asked, answered) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 1..=20_000 {
                    bell.wait(None, || asked.load(Ordering::Acquire) >= turn);
                    answered.store(turn, Ordering::Release);
                    echo.ring();
                }
            });
            for turn in 1..=20_000 {
                asked.store(turn, Ordering::Release);
                bell.ring();
                echo.wait(None, || answered.load(Ordering::Acquire) >= turn);
            }
        });
        assert_eq!(answered.into_inner(), 20_000);
    }
}
