//! The seam between the engine and whatever computes logits.
//!
//! The engine hands over a *ragged* batch: sequences of different lengths, at different
//! positions, with different prompts, some in prefill and some in decode. A backend writes the
//! K and V of every token into the pages that the page table names, and returns one row of
//! logits for each wanted row. It knows nothing of requests, sampling or scheduling.
//!
//! - [`Batch`] and [`SequenceSpan`]: what one step computes.
//! - [`Backend`]: who computes it.
//! - [`Ahead`]: a backend whose device computes a step while the host is at the one before.
//! - [`Capacity`]: how much of it fits.

mod batch;
mod draw;
mod error;

pub use batch::{Batch, SequenceSpan};
pub use draw::{Draw, Drawn, RankedToken, SeenToken};
pub use error::BackendError;

/// Tokens in one KV page.
pub const PAGE_TOKENS: usize = 32;

/// What a backend can hold and compute, fixed at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// KV pages, each of [`PAGE_TOKENS`] tokens. Page ids are `0..pages`.
    pub pages: usize,
    /// Most tokens in one step, over all sequences.
    pub batch_tokens: usize,
    /// Most wanted logit rows in one step.
    pub logit_rows: usize,
    /// Width of a row of logits.
    pub vocab: usize,
    /// Positions that the model knows, in tokens; a token's position is always below it.
    pub context: usize,
    /// Adapters beside the model itself. Their numbers are `0..adapters`.
    pub adapters: usize,
}

impl Capacity {
    /// Checks page ids.
    ///
    /// # Errors
    /// [`BackendError::Batch`] names the first that is out of range.
    pub fn check_pages(&self, pages: &[u32]) -> Result<(), BackendError> {
        match pages.iter().find(|&&page| page as usize >= self.pages) {
            Some(page) => Err(BackendError::Batch(format!("page {page}, pages {}", self.pages))),
            None => Ok(()),
        }
    }
}

/// Rows of logits, `[rows, vocab]`, in the order of [`Batch::logit_rows`].
///
/// They live in the backend's own memory until the next step, and may be changed in place.
#[derive(Debug)]
pub struct Logits<'a> {
    values: &'a mut [f32],
    vocab: usize,
    peaks: &'a [Option<Peak>],
    drawn: &'a [Option<Drawn>],
    tops: &'a [RankedToken],
}

/// The most likely token of a row, and what its probability takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// The token; of equal ones the lowest id.
    pub id: u32,
    /// Sum of `exp(logit - largest)` over the row, at least 1.
    pub sum_exp: f64,
}

impl<'a> Logits<'a> {
    /// Wraps `values`, laid out as `[rows, vocab]`.
    ///
    /// # Panics
    /// When the length is no multiple of `vocab`: a bug in the backend, not in its input.
    pub fn new(values: &'a mut [f32], vocab: usize) -> Self {
        assert!(vocab > 0 && values.len().is_multiple_of(vocab), "logits are not whole rows");
        Self { values, vocab, peaks: &[], drawn: &[], tops: &[] }
    }

    /// The same with the peaks of rows: one entry a row, or none at all.
    #[must_use]
    pub fn with_peaks(self, peaks: &'a [Option<Peak>]) -> Self {
        Self { peaks, ..self }
    }

    /// The peak of a row that [`Batch::peak_rows`] names, where the backend has found it. Then the
    /// row holds no logits.
    pub fn peak(&self, row: usize) -> Option<Peak> {
        self.peaks.get(row).copied().flatten()
    }

    /// The same with what was drawn: one entry a row, or none at all, and their best tokens.
    #[must_use]
    pub fn with_drawn(self, drawn: &'a [Option<Drawn>], tops: &'a [RankedToken]) -> Self {
        Self { drawn, tops, ..self }
    }

    /// What was drawn of a row with a [`Draw`], and the best tokens of it, where the backend draws.
    /// Then the row holds no logits.
    pub fn drawn(&self, row: usize) -> Option<(RankedToken, &'a [RankedToken])> {
        let drawn = self.drawn.get(row)?.as_ref()?;
        Some((drawn.token, self.tops.get(drawn.top.clone()).unwrap_or_default()))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.vocab
    }

    /// Width of a row.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// The logits of wanted row `row`, `[vocab]`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.vocab..(row + 1) * self.vocab]
    }

    /// The same row, to be warped in place.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.vocab..(row + 1) * self.vocab]
    }
}

/// Computes logits over paged KV.
///
/// A row's logits depend only on its sequence's adapter and the tokens that its page table shows
/// up to its position: never on what else shares the step, on how a prompt was cut into chunks, or on which pages are used.
/// A backend that keeps this to the byte says so by [`Backend::is_batch_invariant`].
pub trait Backend: Send {
    /// Short name for logs and metrics: `candle`, `scripted`, `cpu`.
    fn name(&self) -> &str;

    /// What fits.
    fn capacity(&self) -> Capacity;

    /// Writes K and V of each token into its page, and returns one row for each wanted row.
    ///
    /// # Errors
    /// [`BackendError::Batch`] when the batch breaks a rule of [`Batch::check`];
    /// [`BackendError::Compute`] when the computation itself fails. After an error the content of
    /// the pages written by this batch is undefined; all other pages are as before.
    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError>;

    /// Copies the K and V of a whole page, all layers, from page `from` to page `to`.
    ///
    /// # Errors
    /// [`BackendError::Batch`] when a page id is out of range.
    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError>;

    /// Whether equal rows give equal bytes whatever else shares the step.
    fn is_batch_invariant(&self) -> bool;

    /// Whether it draws: it gives a token for most rows that [`Batch::draws`] names. None are named
    /// to one that does not.
    fn draws(&self) -> bool {
        false
    }

    /// The same backend as one that can begin a step before the last one's result is taken, if it is
    /// one.
    fn ahead(&mut self) -> Option<&mut dyn Ahead> {
        None
    }
}

/// Steps that are begun and finished apart, so that the host works while the device computes.
///
/// At most two steps are begun and not finished; they compute and finish in the order in which they
/// were begun. [`Backend::forward`] and [`Backend::copy_page`] come only when all are finished. A
/// backend may be dropped before.
pub trait Ahead {
    /// Begins a step like that of [`Backend::forward`], and does not wait for it. What it needs of
    /// `batch` is taken before it returns.
    ///
    /// [`Batch::handed`] may name rows of the step begun before, finished or not: their tokens are
    /// handed over on the device. Each of them has a peak or a draw that was made there. Behind an
    /// unfinished step no row wants its logits.
    ///
    /// # Errors
    /// [`BackendError::Batch`] as of [`Backend::forward`], or when two steps are unfinished;
    /// [`BackendError::Compute`] when it cannot begin. Then nothing was begun.
    fn begin(&mut self, batch: &Batch) -> Result<(), BackendError>;

    /// Waits for the oldest unfinished step, and gives what [`Backend::forward`] gives of it. A row
    /// whose peak or draw was wanted and not made has its logits only if no step was begun behind it:
    /// what that one gives of its sequence is ignored, and the row is computed again.
    ///
    /// # Errors
    /// [`BackendError::Compute`] when the computation failed, or no step is unfinished. A step that
    /// failed is finished.
    fn finish(&mut self) -> Result<Logits<'_>, BackendError>;
}

/// A boxed backend is a backend, so that one engine serves whichever was picked at run time.
impl<B: Backend + ?Sized> Backend for Box<B> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn capacity(&self) -> Capacity {
        (**self).capacity()
    }
    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        (**self).forward(batch)
    }
    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        (**self).copy_page(from, to)
    }
    fn is_batch_invariant(&self) -> bool {
        (**self).is_batch_invariant()
    }
    fn draws(&self) -> bool {
        (**self).draws()
    }
    fn ahead(&mut self) -> Option<&mut dyn Ahead> {
        (**self).ahead()
    }
}
