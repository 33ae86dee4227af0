//! Prefill and decode through the backend's trait: a thin loop like the engine's step.

use tgi_backend::{Backend, BackendError, Batch, Logits, PAGE_TOKENS};
use tgi_backend_cpu::isa::Isa;

use crate::argmax::argmax;

/// One sequence, with pages of its own.
#[derive(Clone, Debug)]
struct Stream {
    prompt: Vec<u32>,
    pages: Vec<u32>,
    /// Tokens whose K and V are in the pages.
    kv_len: usize,
    /// The token sampled last.
    next: u32,
}

/// Sequences that share every step.
pub struct Streams<'a> {
    backend: &'a mut dyn Backend,
    isa: Isa,
    /// Most prompt tokens in one step.
    chunk: usize,
    sequences: Vec<Stream>,
    batch: Batch,
    /// Streams whose next token the step gives, in the order of its rows.
    sampled: Vec<usize>,
}

impl<'a> Streams<'a> {
    /// `count` streams of `prompt` tokens each, all different, with room for `new` more.
    pub fn new(
        backend: &'a mut dyn Backend,
        chunk: usize,
        count: usize,
        prompt: usize,
        new: usize,
    ) -> Self {
        let span = pages_for(prompt + new) as u32;
        let vocab = backend.capacity().vocab as u64;
        let stream = |index: usize| {
            let first = index as u32 * span;
            Stream {
                prompt: (0..prompt).map(|place| token(index, place, vocab)).collect(),
                pages: (first..first + span).collect(),
                kv_len: 0,
                next: 0,
            }
        };
        let sequences = (0..count).map(stream).collect();
        let (isa, batch) = (Isa::best(), Batch::default());
        Self { backend, isa, chunk, sequences, batch, sampled: Vec::with_capacity(count) }
    }

    /// Computes all prompts, cut to chunks; every prompt's last row gives its first token.
    ///
    /// # Errors
    /// What the backend says.
    pub fn prefill(&mut self) -> Result<(), BackendError> {
        loop {
            self.batch.clear();
            self.sampled.clear();
            let mut budget = self.chunk;
            for (index, stream) in self.sequences.iter_mut().enumerate() {
                let pending = &stream.prompt[stream.kv_len.min(stream.prompt.len())..];
                let take = pending.len().min(budget);
                if take == 0 {
                    continue;
                }
                budget -= take;
                let pages = &stream.pages[..pages_for(stream.kv_len + take)];
                let first = self.batch.push_sequence(&pending[..take], pages, stream.kv_len);
                if take == pending.len() {
                    self.batch.logit_rows.push((first + take - 1) as u32);
                    self.sampled.push(index);
                }
                stream.kv_len += take;
            }
            if self.batch.is_empty() {
                return Ok(());
            }
            self.step()?;
        }
    }

    /// `steps` more tokens of every stream. A step begins before the last one is finished where the
    /// backend can do that, as the engine has it.
    ///
    /// # Errors
    /// What the backend says.
    pub fn decode(&mut self, steps: usize) -> Result<(), BackendError> {
        for step in 0..steps {
            self.fill();
            let Some(ahead) = self.backend.ahead() else {
                self.step()?;
                continue;
            };
            if step > 0 {
                // The tokens that the step in flight chooses: of the same rows.
                self.batch.handed.extend(0..self.batch.tokens.len() as u32);
            }
            ahead.begin(&self.batch)?;
            if step > 0 {
                ahead.finish()?;
            }
        }
        match self.backend.ahead() {
            Some(ahead) if steps > 0 => {
                let logits = ahead.finish()?;
                take(&logits, self.isa, &self.sampled, &mut self.sequences);
            }
            _ => {}
        }
        Ok(())
    }

    /// A batch of one more token of every stream.
    fn fill(&mut self) {
        self.batch.clear();
        self.sampled.clear();
        for (index, stream) in self.sequences.iter_mut().enumerate() {
            let pages = &stream.pages[..pages_for(stream.kv_len + 1)];
            let row = self.batch.push_sequence(&[stream.next], pages, stream.kv_len);
            self.batch.logit_rows.push(row as u32);
            self.batch.peak_rows.push(row as u32);
            self.sampled.push(index);
            stream.kv_len += 1;
        }
    }

    /// The token sampled last, of each stream.
    pub fn last_tokens(&self) -> Vec<u32> {
        self.sequences.iter().map(|stream| stream.next).collect()
    }

    fn step(&mut self) -> Result<(), BackendError> {
        self.batch.peak_rows.clear();
        self.batch.peak_rows.extend(0..self.batch.logit_rows.len() as u32);
        let logits = self.backend.forward(&self.batch)?;
        take(&logits, self.isa, &self.sampled, &mut self.sequences);
        Ok(())
    }
}

/// Takes the most likely token of each row.
fn take(logits: &Logits<'_>, isa: Isa, sampled: &[usize], sequences: &mut [Stream]) {
    for (row, &index) in sampled.iter().enumerate() {
        let peak = logits.peak(row).map(|peak| peak.id);
        sequences[index].next = peak.unwrap_or_else(|| argmax(isa, logits.row(row)));
    }
}

/// Pages that hold `tokens` tokens.
pub fn pages_for(tokens: usize) -> usize {
    tokens.div_ceil(PAGE_TOKENS)
}

/// Some token: prompts of different streams differ.
fn token(stream: usize, place: usize, vocab: u64) -> u32 {
    let mixed = ((stream as u64) << 32 | place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) % vocab) as u32
}
