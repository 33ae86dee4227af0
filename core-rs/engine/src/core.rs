//! The engine without its threads: one call, one step.

use std::{
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
    flight::{Flight, Flights},
    grammar::GrammarHelpers,
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
    pub(crate) scheduler: Scheduler,
    pub(crate) intake: Arc<Intake>,
    pub(crate) output: Output,
    batch: Batch,
    flights: Flights,
    /// Whether the backend begins a step before the last one is finished.
    runs_ahead: bool,
    /// When the last step was finished.
    computed: Instant,
    grammars: GrammarHelpers,
    pub(crate) arrivals: Vec<Sequence>,
    pub(crate) pause_limit: Duration,
    /// Whether a sequence ended since the last report by a wish of the outside.
    pub(crate) dropped: bool,
}

impl Core {
    /// An engine over `backend` that tells `sink` what it does, and the way into it.
    ///
    /// # Errors
    /// [`EngineError`] when `config` leaves no room for a request, or `tokenizer` is not that of
    /// the backend's model.
    pub fn open(
        mut backend: Box<dyn Backend>,
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
        let mut scheduler = Scheduler::new(limits);
        scheduler.draws = backend.draws();
        let core = Self {
            runs_ahead: backend.ahead().is_some(),
            flights: Flights::new(limits.running),
            computed: Instant::now(),
            backend,
            scheduler,
            intake: Arc::clone(&intake),
            output: Output::new(sink, tokenizer, capacity.vocab),
            batch: reserved(&limits),
            grammars: GrammarHelpers::new(),
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
    ///
    /// Where the backend runs ahead, the step behind is begun before this one is finished, and the
    /// next call finishes that.
    pub fn step(&mut self) -> Progress {
        self.grammars.finish(&mut self.scheduler.running);
        if self.intake.mailbox.take(&mut self.arrivals) {
            self.apply_wishes();
        }
        let next_expiry = self.expire_pauses();
        self.enter();
        if self.flights.is_empty() {
            self.plan();
        }
        let worked = !self.flights.is_empty();
        let mut report = StepReport::default();
        if worked {
            self.follow();
            self.finish(&mut report);
        }
        if mem::take(&mut self.dropped) || worked {
            self.report(report);
        }
        if worked { Progress::Worked } else { Progress::Idle(next_expiry) }
    }

    /// Makes the step that was begun behind another the current one; one that nobody waits for any
    /// more is finished at once.
    fn enter(&mut self) {
        if self.flights.is_empty() {
            return;
        }
        let mut wanted = false;
        for sequence in &mut self.scheduler.running {
            sequence.take = usize::from(mem::take(&mut sequence.follows) && !sequence.undecided);
            wanted |= sequence.take > 0;
        }
        if !wanted {
            let mut report = StepReport::default();
            self.finish(&mut report);
            self.dropped |= report.failed;
        }
    }

    /// Plans a step and begins it, if there is anything to compute.
    fn plan(&mut self) {
        let admitted = {
            let backend = &mut self.backend;
            let mut copy = |from, to| matches!(guarded(|| backend.copy_page(from, to)), Ok(()));
            self.scheduler.plan(&mut self.batch, &mut copy)
        };
        if !self.batch.is_empty() {
            self.grammars.begin_masks(&mut self.scheduler.running);
            let failed = self.begin();
            let taken = self.scheduler.running.iter().filter(|sequence| sequence.take > 0);
            self.flights.add(&self.batch, taken, admitted, failed);
        }
    }

    /// Begins the step behind the current one, if there can be one.
    fn follow(&mut self) {
        let Some(current) = self.flights.single().filter(|_| self.runs_ahead) else { return };
        if self.scheduler.follow(current, &mut self.batch) {
            let failed = self.begin();
            let following = self.scheduler.running.iter().filter(|sequence| sequence.follows);
            self.flights.add(&self.batch, following, 0, failed);
        }
    }

    /// Begins what is in the batch, where the backend runs ahead; why it could not.
    fn begin(&mut self) -> Option<BackendError> {
        let (backend, batch) = (&mut self.backend, &self.batch);
        let begin = || backend.ahead().map_or(Ok(()), |ahead| ahead.begin(batch));
        guarded(begin).err()
    }

    /// Waits for the current step, and tells what came of it.
    fn finish(&mut self, report: &mut StepReport) {
        self.count_prompt_tokens(report);
        let (flight, behind) = self.flights.take_oldest();
        report.admitted = flight.admitted;
        let (backend, batch, ahead) = (&mut self.backend, &self.batch, self.runs_ahead);
        let logits = match flight.failed.take() {
            Some(error) => Err(error),
            None if ahead => guarded(move || finished(backend)),
            None => guarded(move || backend.forward(batch)),
        };
        let computed = Instant::now();
        report.forward = computed - flight.begun.max(self.computed);
        self.computed = computed;
        self.grammars.finish(&mut self.scheduler.running);
        match logits.and_then(|logits| whole(logits, flight.rows)) {
            Ok(mut logits) => {
                for sequence in self.scheduler.running.iter_mut().filter(|s| s.take > 0) {
                    let Some(row) = flight.row_of(sequence) else { continue };
                    if behind && logits.peak(row).is_none() && logits.drawn(row).is_none() {
                        // It is computed again, alone: the step behind has no token of it either.
                        sequence.undecided = true;
                        sequence.take = 0;
                        continue;
                    }
                    let known = sequence.tokens.len() - sequence.drafted;
                    let sampled = sequence.samples();
                    report.accepted_tokens += self.output.advance(sequence, &mut logits, row);
                    if sampled && sequence.finish.is_none() && sequence.fault.is_none() {
                        self.grammars.begin_feed(sequence, known);
                    }
                }
                self.settle();
            }
            Err(error) => {
                report.failed = true;
                let message = format!("Server error: {error}");
                fail_members(flight, &mut self.scheduler, &mut self.output, &message);
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
            if scheduler.running[index].fault.is_some() {
                let sequence = scheduler.retire(index, true);
                self.output.fail_by_grammar(&sequence);
            } else if scheduler.running[index].finish.is_some() {
                let sequence = scheduler.retire(index, true);
                self.output.finish(&sequence);
            } else if scheduler.running[index].generated() == 1 {
                scheduler.share_prompt(index);
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

/// Fails exactly the sequences of a step; what they computed is not kept.
fn fail_members(flight: &Flight, scheduler: &mut Scheduler, output: &mut Output, message: &str) {
    for index in (0..scheduler.running.len()).rev() {
        if flight.row_of(&scheduler.running[index]).is_some() {
            let sequence = scheduler.retire(index, false);
            output.fail(&sequence, FailureKind::Generation, message);
        }
    }
}

/// What the oldest step gives of a backend that runs ahead.
fn finished(backend: &mut Box<dyn Backend>) -> Result<Logits<'_>, BackendError> {
    match backend.ahead() {
        Some(ahead) => ahead.finish(),
        None => Err(BackendError::Compute("it does not run ahead any more".into())),
    }
}

/// A batch that holds the largest step without growing.
fn reserved(limits: &Limits) -> Batch {
    let mut batch = Batch::default();
    batch.tokens.reserve(limits.batch_tokens);
    batch.positions.reserve(limits.batch_tokens);
    batch.sequences.reserve(limits.running);
    batch.logit_rows.reserve(limits.logit_rows);
    batch.peak_rows.reserve(limits.logit_rows);
    batch.draws.reserve(limits.logit_rows);
    batch.handed.reserve(limits.running);
    batch.page_table.reserve(limits.pages);
    batch
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
