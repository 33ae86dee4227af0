//! Steps that are begun and finished apart; computed when they are finished.

use std::mem;

use tgi_backend::{Ahead, Backend, BackendError, Batch, Logits};

use crate::ScriptedBackend;

/// Stands for a token that the step before did not choose. Whatever it gives must not be used.
const NO_CHOICE: u32 = 7;

/// The steps that are begun and not finished, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    batches: [Batch; 2],
    count: usize,
}

impl Begun {
    /// # Errors
    /// When a step is unfinished, `action` is not possible.
    pub(crate) fn none(&self, action: &str) -> Result<(), BackendError> {
        match self.count {
            0 => Ok(()),
            count => Err(BackendError::Batch(format!("cannot {action}: {count} unfinished steps"))),
        }
    }
}

/// Puts the tokens of the step computed last in their places.
fn take_over(backend: &ScriptedBackend, batch: &mut Batch) -> Result<(), BackendError> {
    for (token, &row) in batch.tokens.iter_mut().zip(&batch.handed) {
        if row == Batch::KNOWN {
            continue;
        }
        if row as usize >= backend.choices.peaks.len() {
            return Err(BackendError::Compute(format!("row {row} of the step before is missing")));
        }
        *token = backend.choices.token(row as usize).unwrap_or(NO_CHOICE);
    }
    Ok(())
}

/// Copies a batch into the memory of another, which has room for as much.
fn copy(from: &Batch, to: &mut Batch) {
    refill(&mut to.tokens, &from.tokens);
    refill(&mut to.positions, &from.positions);
    refill(&mut to.sequences, &from.sequences);
    refill(&mut to.page_table, &from.page_table);
    refill(&mut to.logit_rows, &from.logit_rows);
    refill(&mut to.peak_rows, &from.peak_rows);
    refill(&mut to.draws, &from.draws);
    refill(&mut to.seen, &from.seen);
    refill(&mut to.handed, &from.handed);
}

fn refill<T: Clone>(to: &mut Vec<T>, from: &Vec<T>) {
    to.clear();
    to.reserve(from.capacity());
    to.extend_from_slice(from);
}

impl Ahead for ScriptedBackend {
    fn begin(&mut self, batch: &Batch) -> Result<(), BackendError> {
        batch.check(&self.capacity())?;
        let Some(place) = self.begun.batches.get_mut(self.begun.count) else {
            return Err(BackendError::Batch("two steps are unfinished".into()));
        };
        copy(batch, place);
        self.begun.count += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<Logits<'_>, BackendError> {
        if self.begun.count == 0 {
            return Err(BackendError::Compute("no step is unfinished".into()));
        }
        self.begun.count -= 1;
        self.begun.batches.swap(0, 1);
        // Out of its place, so that it is gone even if computing it panics.
        let mut batch = mem::take(&mut self.begun.batches[1]);
        let rows = take_over(self, &mut batch).and_then(|()| self.compute(&batch));
        self.begun.batches[1] = batch;
        let rows = rows?;
        self.spoil(rows, self.begun.count > 0);
        Ok(self.results(rows))
    }
}

#[cfg(test)]
mod tests;
