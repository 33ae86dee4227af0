use std::{thread, time::Duration};

use tgi_backend::{Backend, BackendError, Batch, Capacity, Logits, PAGE_TOKENS, SequenceSpan};

use crate::{
    FAIL, PANIC, SLOW, ScriptedOptions, VOCAB,
    logits::{History, LogitTable, TOKEN_BITS},
};

/// A slot that was never written. No token has this id.
const HOLE: u32 = u32::MAX;
/// What `<slow>` costs.
const SLOW_STEP: Duration = Duration::from_millis(50);

/// The scripted backend; see the crate's documentation.
#[derive(Debug)]
pub struct ScriptedBackend {
    capacity: Capacity,
    step: Duration,
    token_micros: u64,
    /// The tokens in place of their K and V.
    pages: Vec<[u32; PAGE_TOKENS]>,
    table: LogitTable,
    /// `[logit_rows, VOCAB]`.
    logits: Vec<f32>,
}

impl ScriptedBackend {
    /// Takes all its memory: 128 bytes a page and 2 KiB a logit row.
    pub fn new(options: &ScriptedOptions) -> Self {
        Self {
            capacity: Capacity {
                pages: options.pages,
                batch_tokens: options.batch_tokens,
                logit_rows: options.logit_rows,
                vocab: VOCAB,
                context: options.context,
                adapters: options.adapters,
            },
            step: Duration::from_micros(options.step_micros),
            token_micros: options.token_micros,
            pages: vec![[HOLE; PAGE_TOKENS]; options.pages],
            table: LogitTable::new(),
            logits: vec![0.0; options.logit_rows * VOCAB],
        }
    }

    fn write(&mut self, batch: &Batch, span: &SequenceSpan) {
        let table = &batch.page_table[span.pages.clone()];
        for (position, &token) in (span.kv_len..).zip(&batch.tokens[span.tokens.clone()]) {
            let page = table[position / PAGE_TOKENS] as usize;
            self.pages[page][position % PAGE_TOKENS] = seen_by(span.adapter, token);
        }
    }

    /// Fills the wanted rows of one sequence from logit row `first` on, and returns the next row.
    fn read(&mut self, batch: &Batch, span: &SequenceSpan, first: usize) -> usize {
        let mut history = History::EMPTY;
        let mut seen = 0;
        let table = &batch.page_table[span.pages.clone()];
        let mut next = first;
        while let Some(&row) = batch.logit_rows.get(next)
            && (row as usize) < span.tokens.end
        {
            let length = span.kv_len + (row as usize - span.tokens.start) + 1;
            for (index, &page) in table.iter().enumerate().skip(seen / PAGE_TOKENS) {
                let start = index * PAGE_TOKENS;
                if start >= length {
                    break;
                }
                let slots = seen.max(start) - start..(length - start).min(PAGE_TOKENS);
                for &token in &self.pages[page as usize][slots] {
                    history.push(token);
                }
            }
            seen = length;
            self.table.fill(history, &mut self.logits[next * VOCAB..(next + 1) * VOCAB]);
            next += 1;
        }
        next
    }

    /// Sleeps for the scripted time, then fails or panics where the batch asks for it.
    fn act(&self, tokens: &[u32]) -> Result<(), BackendError> {
        let mut time = self.step
            + Duration::from_micros(self.token_micros.saturating_mul(tokens.len() as u64));
        if tokens.contains(&SLOW) {
            time += SLOW_STEP;
        }
        if !time.is_zero() {
            thread::sleep(time);
        }
        assert!(!tokens.contains(&PANIC), "scripted panic");
        if tokens.contains(&FAIL) {
            return Err(BackendError::Compute("scripted failure".into()));
        }
        Ok(())
    }
}

/// What a page holds of a token: as in a real model it depends on the adapter, so that a page shared
/// between two of them would show.
fn seen_by(adapter: Option<u32>, token: u32) -> u32 {
    token | adapter.map_or(0, |adapter| adapter + 1) << TOKEN_BITS
}

impl Backend for ScriptedBackend {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        batch.check(&self.capacity)?;
        self.act(&batch.tokens)?;
        for span in &batch.sequences {
            self.write(batch, span);
        }
        let mut rows = 0;
        for span in &batch.sequences {
            rows = self.read(batch, span, rows);
        }
        Ok(Logits::new(&mut self.logits[..rows * VOCAB], VOCAB))
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        let pages = self.pages.len();
        if let Some(page) = [from, to].into_iter().find(|&page| page as usize >= pages) {
            return Err(BackendError::Batch(format!("page {page}, pages {pages}")));
        }
        self.pages[to as usize] = self.pages[from as usize];
        Ok(())
    }

    fn is_batch_invariant(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
