//! What the outside wants of open requests: an end, a pause, or the end of them all.

use std::{
    mem,
    time::{Duration, Instant},
};

use crate::{core::Core, event::FailureKind, scheduler::Scheduler, sequence::Sequence};

impl Core {
    /// Ends every open request with a failure, and closes the mailbox.
    pub fn fail_all(&mut self, kind: FailureKind, message: &str) {
        let arrivals = mem::take(&mut self.arrivals);
        let scheduler = &mut self.scheduler;
        let mut open: Vec<_> = arrivals.into_iter().chain(self.intake.mailbox.close()).collect();
        while !scheduler.running.is_empty() {
            open.push(scheduler.retire(0, false));
        }
        open.extend(scheduler.waiting.drain(..));
        for sequence in open {
            if !sequence.ticket.is_cancelled() {
                self.output.fail(&sequence, kind, message);
            }
        }
        self.output.publish();
    }

    /// Queues what arrived; ends, pauses and resumes what the outside asks for.
    pub(crate) fn apply_wishes(&mut self) {
        for sequence in self.arrivals.drain(..) {
            self.scheduler.enqueue(sequence);
        }
        let scheduler = &mut self.scheduler;
        scheduler.may_admit = true;
        for index in (0..scheduler.running.len()).rev() {
            if scheduler.running[index].ticket.is_cancelled() {
                scheduler.retire(index, true);
                self.dropped = true;
            }
        }
        let waiting = scheduler.waiting.len();
        scheduler.waiting.retain(|sequence| !sequence.ticket.is_cancelled());
        self.dropped |= scheduler.waiting.len() < waiting;
        for sequence in scheduler.running.iter_mut().chain(&mut scheduler.waiting) {
            sequence.paused_since = sequence
                .ticket
                .is_paused()
                .then(|| sequence.paused_since.unwrap_or_else(Instant::now));
        }
    }

    /// Gives up what was paused for too long; returns the time until the next may be.
    pub(crate) fn expire_pauses(&mut self) -> Option<Duration> {
        let scheduler = &mut self.scheduler;
        let longest = longest_pause(scheduler)?;
        if longest < self.pause_limit {
            return Some(self.pause_limit.saturating_sub(longest));
        }
        let limit = self.pause_limit;
        let expired = |sequence: &Sequence| {
            sequence.paused_since.is_some_and(|since| since.elapsed() >= limit)
        };
        let message = format!("Reader paused for more than {} ms", limit.as_millis());
        for index in (0..scheduler.running.len()).rev() {
            if expired(&scheduler.running[index]) {
                let sequence = scheduler.retire(index, true);
                self.output.fail(&sequence, FailureKind::Abandoned, &message);
            }
        }
        let output = &mut self.output;
        scheduler.waiting.retain(|sequence| {
            let keep = !expired(sequence);
            if !keep {
                output.fail(sequence, FailureKind::Abandoned, &message);
            }
            keep
        });
        self.dropped = true;
        longest_pause(scheduler).map(|longest| limit.saturating_sub(longest))
    }
}

fn longest_pause(scheduler: &Scheduler) -> Option<Duration> {
    let sequences = scheduler.running.iter().chain(&scheduler.waiting);
    sequences.filter_map(|sequence| sequence.paused_since).min().map(|since| since.elapsed())
}
