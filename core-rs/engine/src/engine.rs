//! The engine's threads: validation workers in front, one thread that steps.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use tgi_backend::Backend;
use tgi_model::{ChatTemplate, Tokenizer};

use crate::{
    config::EngineConfig,
    core::{Core, Progress},
    event::{EventSink, FailureKind},
    intake::Intake,
    request::Job,
    worker::{INCOMPLETE, Submission, Worker},
};

/// Requests that may wait for a validation worker.
const QUEUE: usize = 4096;

/// Where the events go; one sink a thread.
pub struct Sinks {
    /// Of the thread that steps.
    pub steps: Box<dyn EventSink>,
    /// Of the validation workers, [`EngineConfig::validation_workers`] of them.
    pub workers: Vec<Box<dyn EventSink>>,
}

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The tokenizer knows tokens that the backend does not.
    #[error(
        "Cannot start the engine: the tokenizer has {tokenizer} tokens, the model's logits \
         {backend}; use the tokenizer of the model"
    )]
    Vocabulary {
        /// Tokens of the tokenizer.
        tokenizer: usize,
        /// Width of the logits.
        backend: usize,
    },
    /// There is no room for the shortest request.
    #[error(
        "Cannot start the engine: {limit} is {value}, the least is {least}; raise it or the memory \
         for KV pages"
    )]
    TooSmall {
        /// What is too small.
        limit: &'static str,
        /// Its value.
        value: usize,
        /// The least that works.
        least: usize,
    },
    /// The number of sinks does not fit.
    #[error("Cannot start the engine: {given} sinks for {workers} validation workers")]
    Sinks {
        /// Sinks given.
        given: usize,
        /// Workers wanted.
        workers: usize,
    },
    /// A thread could not be started.
    #[error("Cannot start the engine's threads: {0}")]
    Thread(#[from] io::Error),
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many requests wait for validation.
    #[error("Cannot take the request: {QUEUE} requests wait for validation")]
    Full,
    /// A request with this id is open.
    #[error("Cannot take the request: its id is in use")]
    Duplicate,
    /// The engine has ended.
    #[error("Cannot take the request: the engine has ended")]
    Stopped,
}

/// A running engine. Dropping it stops it.
pub struct Engine {
    intake: Arc<Intake>,
    queue: Mutex<Option<SyncSender<Box<Submission>>>>,
    alive: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the threads. Without `template` the model cannot chat.
    ///
    /// # Errors
    /// [`EngineError`] when the configuration leaves no room for a request, or a thread cannot be
    /// started.
    pub fn start(
        backend: Box<dyn Backend>,
        tokenizer: Arc<Tokenizer>,
        template: Option<&Arc<ChatTemplate>>,
        config: EngineConfig,
        sinks: Sinks,
    ) -> Result<Self, EngineError> {
        if sinks.workers.is_empty() || sinks.workers.len() != config.validation_workers {
            let (given, workers) = (sinks.workers.len(), config.validation_workers);
            return Err(EngineError::Sinks { given, workers });
        }
        let (core, intake) = Core::open(backend, tokenizer, &config, sinks.steps)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let engine = Self {
            intake: Arc::clone(&intake),
            queue: Mutex::new(Some(sender)),
            alive: Arc::new(AtomicBool::new(true)),
            threads: Mutex::default(),
        };
        for sink in sinks.workers {
            let (queue, intake) = (Arc::clone(&receiver), Arc::clone(&intake));
            let worker = Worker { queue, intake, template: template.cloned(), sink };
            engine.spawn("tgi-validation", move || worker.run())?;
        }
        let alive = Arc::clone(&engine.alive);
        engine.spawn("tgi-engine", move || run(core, &intake, &alive))?;
        Ok(engine)
    }

    /// Hands a job over; its events follow. Never blocks.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken: no event follows.
    pub fn submit(&self, id: u32, job: impl Into<Job>) -> Result<(), SubmitError> {
        let queue = lock(&self.queue);
        let sender = queue.as_ref().filter(|_| self.is_alive()).ok_or(SubmitError::Stopped)?;
        let ticket = self.intake.open(id).ok_or(SubmitError::Duplicate)?;
        let submission = Submission { ticket, job: job.into(), received: Instant::now() };
        sender.try_send(Box::new(submission)).map_err(|error| match error {
            TrySendError::Full(_) => SubmitError::Full,
            TrySendError::Disconnected(_) => SubmitError::Stopped,
        })
    }

    /// Ends a request wherever it is, within one step; nothing more is told of it.
    pub fn cancel(&self, id: u32) {
        self.intake.cancel(id);
    }

    /// Holds a request back; after [`EngineConfig::pause_limit`] it is given up.
    pub fn pause(&self, id: u32) {
        self.intake.pause(id);
    }

    /// Lets a request go on.
    pub fn resume(&self, id: u32) {
        self.intake.resume(id);
    }

    /// Whether the thread that steps still runs.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Requests taken and not yet ended.
    pub fn open_requests(&self) -> usize {
        self.intake.open_requests()
    }

    /// Ends all threads; open requests fail as incomplete. The sinks must still take events.
    pub fn stop(&self) {
        self.intake.mailbox.stop();
        lock(&self.queue).take();
        for thread in lock(&self.threads).drain(..) {
            // Its panic was told when it happened.
            let _ = thread.join();
        }
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = thread::Builder::new().name(name.into()).spawn(body)?;
        lock(&self.threads).push(thread);
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Steps until the engine is stopped; whatever happens, no open request is left without an end.
fn run(mut core: Core, intake: &Intake, alive: &AtomicBool) {
    let ended = catch_unwind(AssertUnwindSafe(|| {
        while !intake.mailbox.is_stopping() {
            if let Progress::Idle(limit) = core.step() {
                intake.mailbox.wait(limit);
            }
        }
    }));
    alive.store(false, Ordering::Release);
    let (kind, message) = match ended {
        Ok(()) => (FailureKind::Incomplete, INCOMPLETE),
        Err(_) => (FailureKind::Generation, "Server error: the engine panicked"),
    };
    // A second panic must not keep the thread from ending in order.
    let _ = catch_unwind(AssertUnwindSafe(|| core.fail_all(kind, message)));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
