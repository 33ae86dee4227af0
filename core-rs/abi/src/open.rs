//! From JSON to a running core, and a core's life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tgi_backend::PAGE_TOKENS;
use tgi_engine::{Engine, EngineConfig, EventSink, Job, Sinks, SubmitError};

use crate::backends;
use crate::config::Config;
use crate::errors::{OpenError, errno};
use crate::memory::available_bytes;
use crate::outbox::{Outbox, WorkerSink, outbox};
use crate::plan::Plan;
use crate::stats::EngineInfo;

/// Bytes of the ring: some hundred steps of 64 sequences.
const RING_BYTES: usize = 1024 * 1024;

/// An open core: the engine, and the way its events come out.
pub struct Session {
    /// Takes the requests.
    pub engine: Engine,
    /// Gives the records.
    pub outbox: Arc<Outbox>,
    /// [`EngineInfo`] as JSON.
    pub info: String,
    last_id: AtomicU32,
}

impl Session {
    /// Opens what `json` describes; see [`Config`].
    pub fn open(json: &[u8]) -> Result<Self, OpenError> {
        let config = Config::from_json(json)?;
        let loaded = backends::load(&config, available_bytes())?;
        let info = serde_json::to_string(&EngineInfo::new(&loaded))?;
        let (outbox, steps) = outbox(RING_BYTES);
        let worker = |_| Box::new(WorkerSink::new(Arc::clone(&outbox))) as Box<dyn EventSink>;
        let sinks = Sinks {
            steps: Box::new(steps),
            workers: (0..config.validation_workers).map(worker).collect(),
        };
        let limits = engine_config(&config, &loaded.plan);
        let engine = Engine::start(
            loaded.backend,
            loaded.tokenizer,
            loaded.template.as_ref(),
            limits,
            sinks,
        )?;
        Ok(Self { engine, outbox, info, last_id: AtomicU32::new(0) })
    }

    /// Hands a job over and gives its id, which is above 0.
    ///
    /// # Errors
    /// A message and its number of [`errno`].
    pub fn submit(&self, json: &[u8]) -> Result<i32, (i32, String)> {
        let job: Job = serde_json::from_slice(json)
            .map_err(|error| (errno::EINVAL, format!("Cannot read the request: {error}")))?;
        let id = self.next_id();
        match self.engine.submit(id, job) {
            Ok(()) => Ok(id as i32),
            // After two thousand million requests an id may still be in use; the next is not.
            Err(error @ (SubmitError::Full | SubmitError::Duplicate)) => {
                Err((errno::EAGAIN, error.to_string()))
            }
            Err(error @ SubmitError::Stopped) => Err((errno::EPIPE, error.to_string())),
        }
    }

    /// Counts from 1 to the largest `i32`, and round again.
    fn next_id(&self) -> u32 {
        self.last_id.fetch_add(1, Ordering::Relaxed) % i32::MAX as u32 + 1
    }

    /// Ends the polls first, so that no thread of the engine waits for one; then the threads.
    pub fn close(&self) {
        self.outbox.close();
        self.engine.stop();
    }
}

fn engine_config(config: &Config, plan: &Plan) -> EngineConfig {
    EngineConfig {
        max_input_tokens: plan.max_input_tokens,
        max_total_tokens: plan.max_total_tokens,
        max_batch_prefill_tokens: plan.max_batch_prefill_tokens,
        max_batch_total_tokens: Some(plan.pages * PAGE_TOKENS),
        max_batch_size: Some(plan.max_batch_size),
        prefix_caching: config.prefix_caching,
        speculate: config.speculate as usize,
        validation_workers: config.validation_workers as usize,
        pause_limit: Duration::from_millis(config.pause_limit_millis.into()),
        profile: config.profile.into(),
    }
}
