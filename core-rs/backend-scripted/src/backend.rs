use std::{thread, time::Duration};

use tgi_backend::{
    Ahead, Backend, BackendError, Batch, Capacity, Logits, PAGE_TOKENS, SequenceSpan,
};

use crate::{
    FAIL, PANIC, SLOW, ScriptedOptions, VOCAB,
    ahead::Begun,
    choice::Choices,
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
    options: ScriptedOptions,
    /// Of the step computed last.
    pub(crate) choices: Choices,
    pub(crate) begun: Begun,
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
            options: options.clone(),
            choices: Choices::default(),
            begun: Begun::default(),
        }
    }

    /// Computes a step, and returns its wanted rows.
    pub(crate) fn compute(&mut self, batch: &Batch) -> Result<usize, BackendError> {
        self.choices.clear(batch.logit_rows.len());
        self.act(&batch.tokens)?;
        for span in &batch.sequences {
            self.write(batch, span);
        }
        let mut rows = 0;
        for span in &batch.sequences {
            rows = self.read(batch, span, rows);
        }
        Ok(rows)
    }

    /// What the step computed last gives.
    pub(crate) fn results(&mut self, rows: usize) -> Logits<'_> {
        let Choices { peaks, drawn, tops, .. } = &self.choices;
        Logits::new(&mut self.logits[..rows * VOCAB], VOCAB)
            .with_peaks(peaks)
            .with_drawn(drawn, tops)
    }

    /// Spoils those of the `rows` that have no logits: those with a choice, and `all` of a step
    /// behind which another was begun.
    pub(crate) fn spoil(&mut self, rows: usize, all: bool) {
        for (row, logits) in self.logits.chunks_mut(VOCAB).take(rows).enumerate() {
            if all || self.choices.token(row).is_some() {
                logits.fill(f32::NAN);
            }
        }
    }

    /// Finds what the batch asks for of a row, if this backend does.
    fn choose(&mut self, batch: &Batch, row: usize, history: History) {
        let decided = !history.is_one_in(self.options.undecided);
        let logits = &self.logits[row * VOCAB..(row + 1) * VOCAB];
        if decided && (self.options.draws || self.options.ahead) {
            self.choices.choose(batch, row, logits);
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
            self.choose(batch, next, history);
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
        self.begun.none("compute")?;
        batch.check(&self.capacity)?;
        let rows = self.compute(batch)?;
        self.spoil(rows, false);
        Ok(self.results(rows))
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        self.begun.none("copy a page")?;
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

    fn draws(&self) -> bool {
        self.options.draws
    }

    fn ahead(&mut self) -> Option<&mut dyn Ahead> {
        if self.options.ahead { Some(self) } else { None }
    }
}

#[cfg(test)]
mod tests;
