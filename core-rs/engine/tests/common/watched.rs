//! A backend that runs ahead, counts its steps and fails on demand.

use std::sync::{Arc, Mutex};

use tgi_backend::{Ahead, Backend, BackendError, Batch, Capacity, Logits, PAGE_TOKENS};
use tgi_backend_scripted::{ScriptedBackend, ScriptedOptions};

/// What was asked of a [`Watched`] backend, and what it does. Steps are counted from 1.
#[derive(Debug, Default)]
pub struct Watch {
    pub begun: usize,
    pub finished: usize,
    /// Steps begun behind an unfinished one.
    pub behind: usize,
    /// Wanted rows of all steps.
    pub rows: usize,
    /// The step that cannot be begun.
    pub refused: Option<usize>,
    /// The step that leaves garbage in its pages and fails when it is finished.
    pub spoilt: Option<usize>,
}

pub struct Watched {
    inner: ScriptedBackend,
    pub watch: Arc<Mutex<Watch>>,
}

impl Watched {
    pub fn new(options: &ScriptedOptions) -> Self {
        let options = ScriptedOptions { ahead: true, draws: true, ..options.clone() };
        Self { inner: ScriptedBackend::new(&options), watch: Arc::default() }
    }
}

/// Writes to all of every page that `batch` writes to.
fn garbage(batch: &Batch) -> Batch {
    let mut garbage = Batch::default();
    for span in &batch.sequences {
        let first = span.kv_len - span.kv_len % PAGE_TOKENS;
        let count = span.kv_len + span.tokens.len() - first;
        let pages = &batch.page_table[span.pages.clone()];
        garbage.push_sequence(&vec![99; count], pages, first);
    }
    garbage
}

impl Backend for Watched {
    fn name(&self) -> &'static str {
        "watched"
    }

    fn capacity(&self) -> Capacity {
        self.inner.capacity()
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        self.inner.forward(batch)
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        self.inner.copy_page(from, to)
    }

    fn is_batch_invariant(&self) -> bool {
        true
    }

    fn draws(&self) -> bool {
        self.inner.draws()
    }

    fn ahead(&mut self) -> Option<&mut dyn Ahead> {
        Some(self)
    }
}

impl Ahead for Watched {
    fn begin(&mut self, batch: &Batch) -> Result<(), BackendError> {
        let mut watch = self.watch.lock().unwrap();
        let next = Some(watch.begun + 1);
        if watch.refused == next {
            watch.refused = None;
            return Err(BackendError::Compute("refused".into()));
        }
        if watch.spoilt == next {
            self.inner.begin(&garbage(batch))?;
        } else {
            self.inner.begin(batch)?;
        }
        watch.behind += watch.begun - watch.finished;
        watch.begun += 1;
        watch.rows += batch.logit_rows.len();
        Ok(())
    }

    fn finish(&mut self) -> Result<Logits<'_>, BackendError> {
        let mut watch = self.watch.lock().unwrap();
        watch.finished += 1;
        let is_spoilt = watch.spoilt == Some(watch.finished);
        let logits = self.inner.finish()?;
        if is_spoilt { Err(BackendError::Compute("spoilt".into())) } else { Ok(logits) }
    }
}
