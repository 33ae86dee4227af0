//! The engine without its threads: one call, one step.

use std::{
    fmt::Write,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tgi_backend::{Backend, BackendError, Batch, Logits};
use tgi_model::Tokenizer;

use crate::{
    config::EngineConfig,
    engine::EngineError,
    event::{Event, EventSink, FailureKind, StepReport},
    intake::Intake,
    limits::Limits,
    output::Output,
    scheduler::Scheduler,
    sequence::Sequence,
};

/// What a step found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It computed a batch; there may be more.
    Worked,
    /// Nothing can be computed until the mailbox changes or, if given, this time has passed.
    Idle(Option<Duration>),
}

/// The synchronous engine: takes arrivals and wishes, plans, computes, samples, tells.
///
/// A step in which nothing arrives and nobody ends takes no lock and allocates nothing.
pub struct Core {
    backend: Box<dyn Backend>,
    scheduler: Scheduler,
    intake: Arc<Intake>,
    output: Output,
    batch: Batch,
    arrivals: Vec<Box<Sequence>>,
    pause_limit: Duration,
    /// Sequences that ended in this step by a wish of the outside.
    dropped: bool,
}

impl Core {
    /// An engine over `backend` that tells `sink` what it does, and the way into it.
    ///
    /// # Errors
    /// [`EngineError`] when `config` leaves no room for a request, or `tokenizer` is not that of
    /// the backend's model.
    pub fn open(
        backend: Box<dyn Backend>,
        tokenizer: Arc<Tokenizer>,
        config: &EngineConfig,
        sink: Box<dyn EventSink>,
    ) -> Result<(Self, Arc<Intake>), EngineError> {
        let capacity = backend.capacity();
        if tokenizer.vocab() > capacity.vocab {
            let (tokenizer, backend) = (tokenizer.vocab(), capacity.vocab);
            return Err(EngineError::Vocabulary { tokenizer, backend });
        }
        let limits = Limits::new(config, &capacity)?;
        let tokens = limits.tokens(config, &capacity)?;
        let intake = Intake::new(Arc::clone(&tokenizer), tokens, limits.speculate, config.profile);
        let intake = Arc::new(intake);
        let core = Self {
            backend,
            scheduler: Scheduler::new(limits),
            intake: Arc::clone(&intake),
            output: Output::new(sink, tokenizer, capacity.vocab),
            batch: reserved(&limits),
            arrivals: Vec::new(),
            pause_limit: config.pause_limit,
            dropped: false,
        };
        Ok((core, intake))
    }

    /// KV pages held by sequences, kept by the cache alone, and free.
    pub fn pages(&self) -> [usize; 3] {
        let pool = &self.scheduler.pool;
        [pool.used(), pool.idle(), pool.free()]
    }

    /// Runs one step: every event of it is published once, at its end.
    pub fn step(&mut self) -> Progress {
        if self.intake.mailbox.take(&mut self.arrivals) {
            self.apply_wishes();
        }
        let next_expiry = self.expire_pauses();
        let admitted = {
            let backend = &mut self.backend;
            let mut copy = |from, to| matches!(guarded(|| backend.copy_page(from, to)), Ok(()));
            self.scheduler.plan(&mut self.batch, &mut copy)
        };
        let mut report = StepReport { admitted, ..StepReport::default() };
        let worked = !self.batch.is_empty();
        if worked {
            self.compute(&mut report);
        }
        if worked || mem::take(&mut self.dropped) {
            self.report(report);
        }
        if worked { Progress::Worked } else { Progress::Idle(next_expiry) }
    }

    /// Ends every open request with a failure, and closes the mailbox.
    pub fn fail_all(&mut self, kind: FailureKind, message: &str) {
        let arrivals = mem::take(&mut self.arrivals);
        let scheduler = &mut self.scheduler;
        let mut open: Vec<_> = (0..scheduler.running.len())
            .rev()
            .map(|index| scheduler.retire(index, false))
            .collect();
        open.reverse();
        open.extend(scheduler.waiting.drain(..));
        for sequence in open.into_iter().chain(arrivals).chain(self.intake.mailbox.close()) {
            if !sequence.ticket.is_cancelled() {
                self.output.emit(Event::Failed { request: sequence.id(), kind, message });
            }
        }
        self.output.publish();
    }

    /// Queues what arrived; ends, pauses and resumes what the outside asks for.
    fn apply_wishes(&mut self) {
        for sequence in self.arrivals.drain(..) {
            self.scheduler.enqueue(sequence);
        }
        let scheduler = &mut self.scheduler;
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
    fn expire_pauses(&mut self) -> Option<Duration> {
        let scheduler = &mut self.scheduler;
        let longest = longest_pause(scheduler)?;
        if longest < self.pause_limit {
            return Some(self.pause_limit - longest);
        }
        let limit = self.pause_limit;
        let expired = |sequence: &Sequence| {
            sequence.paused_since.is_some_and(|since| since.elapsed() >= limit)
        };
        let mut message = String::new();
        // Writing to a string cannot fail.
        let _ = write!(message, "Reader paused for more than {} ms", limit.as_millis());
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

    /// Runs the batch, and tells what came of it.
    fn compute(&mut self, report: &mut StepReport) {
        self.count_prompt_tokens(report);
        let started = Instant::now();
        let logits = {
            let (backend, batch) = (&mut self.backend, &self.batch);
            guarded(move || backend.forward(batch))
        };
        let computed = Instant::now();
        report.forward = computed - started;
        match logits.and_then(|logits| whole(logits, self.batch.logit_rows.len())) {
            Ok(mut logits) => {
                let mut row = 0;
                for sequence in self.scheduler.running.iter_mut().filter(|s| s.take > 0) {
                    let advanced = self.output.advance(sequence, &mut logits, row);
                    row += advanced.rows;
                    report.accepted_tokens += advanced.accepted;
                }
                self.settle();
            }
            Err(error) => {
                report.failed = true;
                self.fail_batch(&format!("Server error: {error}"));
            }
        }
        report.sample = computed.elapsed();
    }

    fn count_prompt_tokens(&self, report: &mut StepReport) {
        for sequence in self.scheduler.running.iter().filter(|sequence| sequence.take > 0) {
            if sequence.is_decoding() {
                report.decode_sequences += 1;
            } else {
                report.prefill_tokens += sequence.take as u32;
            }
        }
    }

    /// Shares the prompts that are complete, and takes out what ended.
    fn settle(&mut self) {
        let scheduler = &mut self.scheduler;
        for index in (0..scheduler.running.len()).rev() {
            if scheduler.running[index].take == 0 {
                continue;
            }
            if scheduler.running[index].finish.is_some() {
                let sequence = scheduler.retire(index, true);
                self.output.finish(&sequence);
            } else if scheduler.running[index].generated() == 1 {
                scheduler.share_prompt(index);
            }
        }
    }

    /// Fails exactly the sequences of the batch; what they computed is not kept.
    fn fail_batch(&mut self, message: &str) {
        for index in (0..self.scheduler.running.len()).rev() {
            if self.scheduler.running[index].take > 0 {
                let sequence = self.scheduler.retire(index, false);
                self.output.fail(&sequence, FailureKind::Generation, message);
            }
        }
    }

    fn report(&mut self, mut report: StepReport) {
        let scheduler = &self.scheduler;
        report.running = scheduler.running.len() as u32;
        report.waiting = scheduler.waiting.len() as u32;
        let most = |sequence: &Sequence| sequence.prompt_tokens + sequence.max_new_tokens;
        report.max_tokens = scheduler.running.iter().map(|s| most(s) as u32).sum();
        report.pages_used = scheduler.pool.used() as u32;
        report.pages_cached = scheduler.pool.idle() as u32;
        self.output.emit(Event::Step(report));
        self.output.publish();
    }
}

/// A batch that holds the largest step without growing.
fn reserved(limits: &Limits) -> Batch {
    let mut batch = Batch::default();
    batch.tokens.reserve(limits.batch_tokens);
    batch.positions.reserve(limits.batch_tokens);
    batch.sequences.reserve(limits.running);
    batch.logit_rows.reserve(limits.logit_rows);
    batch.page_table.reserve(limits.pages);
    batch
}

fn longest_pause(scheduler: &Scheduler) -> Option<Duration> {
    let sequences = scheduler.running.iter().chain(&scheduler.waiting);
    sequences.filter_map(|sequence| sequence.paused_since).min().map(|since| since.elapsed())
}

/// Runs a call into the backend; a panic there is an error like any other.
fn guarded<T>(call: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(BackendError::Compute("the backend panicked".into())))
}

/// The logits, if there is a row for each wanted one.
fn whole(logits: Logits<'_>, rows: usize) -> Result<Logits<'_>, BackendError> {
    if logits.rows() == rows {
        return Ok(logits);
    }
    Err(BackendError::Compute(format!("{} rows of logits, {rows} wanted", logits.rows())))
}
