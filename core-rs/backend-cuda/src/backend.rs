//! The backend itself.

use tgi_backend::{Backend, BackendError, Batch, Capacity, Logits, Peak};
use tgi_cuda_kernels::signatures::DevicePeak;
use tgi_model::{Adapter, ModelSpec};

use crate::arena::{Arena, Sizes};
use crate::buckets::padded_rows;
use crate::decoder::Decoder;
use crate::device::{Device, Region};
use crate::graphs::{Graphs, Progress, SplitRule};
use crate::kv::KvPages;
use crate::step::{StepShape, count_tiles, is_adapted, is_decode, write};
use crate::support::{check_options, check_spec};
use crate::weights::{Loader, WeightSource};
use crate::{CudaError, CudaOptions};

const PEAK_BYTES: usize = size_of::<DevicePeak>();

/// A model and its KV pages on one device.
pub struct CudaBackend<D: Device> {
    decoder: Decoder,
    kv: KvPages,
    arena: Arena,
    graphs: Graphs,
    split_rule: SplitRule,
    capacity: Capacity,
    is_batch_invariant: bool,
    /// Of any sequence, tokens.
    longest: usize,
    /// The next step's input, host side.
    input: D::Pinned,
    /// The last step's results, host side: peaks, then logits.
    results: D::Pinned,
    /// Of the last step.
    peaks: Vec<Option<Peak>>,
    /// Behind all that lives on it.
    device: D,
}

impl<D: Device> CudaBackend<D> {
    /// Puts all weights on the device, takes all pages and captures all graphs.
    ///
    /// # Errors
    /// [`CudaError`]: something unsupported, an option out of range, or the device is full.
    pub fn load(
        device: D,
        spec: &ModelSpec,
        source: &dyn WeightSource,
        options: &CudaOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, CudaError> {
        Self::load_adapted(device, spec, (source, &[]), options, progress)
    }

    /// The same with adapters beside the model; their numbers are their places.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_adapted(
        mut device: D,
        spec: &ModelSpec,
        (source, adapters): (&dyn WeightSource, &[Adapter]),
        options: &CudaOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, CudaError> {
        let options = &options.with_adapters(adapters);
        check_spec(spec)?;
        check_options(options)?;
        device.enter()?;
        let sizes = Sizes::new(spec, options, device.multiprocessors());
        let arena = Arena::new(&mut device, &sizes)?;
        let mut loader = Loader {
            device: &mut device,
            source,
            layer: None,
            element: options.element,
            norm_offset: 0.0,
            seed: 0,
        };
        let mut decoder = Decoder::load(spec, options, &mut loader, arena.scratch)?;
        decoder.adapt(&mut device, adapters)?;
        let kv = KvPages::new(&mut device, spec, options.pages, options.element)?;
        let split_rule = SplitRule::new(
            options.positions(spec),
            spec.attention.kv_heads,
            device.multiprocessors(),
        );
        let graphs = if options.has_graphs {
            // Every row of a decode step is wanted.
            let most = options.logit_rows.min(options.batch_tokens);
            let shapes = split_rule.shapes(most, !adapters.is_empty());
            Graphs::capture(&mut device, &decoder, (&arena, &kv), &shapes, progress)?
        } else {
            Graphs::none()
        };
        Ok(Self {
            decoder,
            kv,
            graphs,
            split_rule,
            capacity: Capacity {
                pages: options.pages,
                batch_tokens: options.batch_tokens,
                logit_rows: options.logit_rows,
                vocab: spec.vocab,
                context: spec.context,
                adapters: adapters.len(),
            },
            is_batch_invariant: options.is_batch_invariant,
            longest: options.positions(spec),
            input: device.pinned(arena.input.bytes)?,
            results: device.pinned(arena.results.bytes)?,
            peaks: Vec::with_capacity(options.logit_rows),
            arena,
            device,
        })
    }

    /// What it computes on.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The shape that a checked batch is computed in.
    fn shape(&self, batch: &Batch) -> StepShape {
        let is_adapted = is_adapted(batch);
        if is_decode(batch) {
            let (rows, needed) = count_tiles(batch, 1);
            if let Some(bucket) = self.graphs.bucket(rows) {
                let class = self.split_rule.class(bucket, needed);
                return StepShape { is_adapted, ..StepShape::decode(bucket, class) };
            }
        }
        let tile_rows = self.decoder.tile_rows();
        let (tiles, needed) = count_tiles(batch, tile_rows);
        // What splits leave is sized for steps in which every tile is a row.
        let is_single = tiles == batch.tokens.len();
        StepShape {
            rows: padded_rows(batch.tokens.len()),
            logits: batch.logit_rows.len(),
            tiles,
            tile_rows: if is_single { 1 } else { tile_rows },
            splits: if is_single { self.split_rule.class(tiles, needed) } else { 0 },
            is_gathered: true,
            has_peaks: !batch.peak_rows.is_empty(),
            is_adapted,
        }
    }

    /// Sends the input, computes, and copies back what is wanted: once, unless a row has no peak.
    fn compute(&mut self, batch: &Batch, shape: &StepShape) -> Result<(), CudaError> {
        let input: &mut [u32] = bytemuck::cast_slice_mut(self.input.as_mut());
        let words = write(batch, shape, input);
        let sent = self.arena.input.part(0, words * size_of::<u32>());
        self.device.send(&self.input, sent)?;
        match self.graphs.get(shape) {
            Some(graph) => self.device.replay(graph)?,
            None => self.decoder.run(&mut self.device, (&self.arena, &self.kv), shape)?,
        }
        self.peaks.clear();
        if shape.logits == 0 {
            // The next step writes where this one's input is still read.
            return self.device.wait();
        }
        let mut rows = rows_of_logits(batch);
        self.receive(shape, rows)?;
        self.read_peaks(batch);
        if rows < last_row_without_peak(batch, &self.peaks) {
            rows = batch.logit_rows.len();
            self.receive(shape, rows)?;
        }
        Ok(())
    }

    /// Copies the peaks of all rows and the logits of the first `rows`.
    fn receive(&mut self, shape: &StepShape, rows: usize) -> Result<(), CudaError> {
        let peaks = shape.logits * PEAK_BYTES;
        let logits = rows * self.capacity.vocab * size_of::<f32>();
        let from: Region = self.arena.results.part(0, peaks + logits);
        self.device.receive(from, &mut self.results)
    }

    fn read_peaks(&mut self, batch: &Batch) {
        if batch.peak_rows.is_empty() {
            return;
        }
        self.peaks.resize(batch.logit_rows.len(), None);
        let found = self.results.as_ref();
        for &row in &batch.peak_rows {
            let row = row as usize;
            let bytes = &found[row * PEAK_BYTES..(row + 1) * PEAK_BYTES];
            self.peaks[row] = peak(bytes);
        }
    }
}

/// The first rows of which logits are wanted: up to the last that wants more than its peak.
fn rows_of_logits(batch: &Batch) -> usize {
    let mut peaks = batch.peak_rows.iter().rev().copied();
    let is_peak = |row: &usize| peaks.next() == Some(*row as u32);
    let trailing = (0..batch.logit_rows.len()).rev().take_while(is_peak).count();
    batch.logit_rows.len() - trailing
}

/// One more than the last row whose peak is wanted and was not found.
fn last_row_without_peak(batch: &Batch, peaks: &[Option<Peak>]) -> usize {
    let missing = batch.peak_rows.iter().rev().find(|&&row| peaks[row as usize].is_none());
    missing.map_or(0, |&row| row as usize + 1)
}

/// The fields of a [`DevicePeak`].
fn peak(bytes: &[u8]) -> Option<Peak> {
    let sum_exp = f64::from_ne_bytes(bytes.get(..8)?.try_into().ok()?);
    let id = u32::from_ne_bytes(bytes.get(12..16)?.try_into().ok()?);
    (sum_exp > 0.0).then_some(Peak { id, sum_exp })
}

impl<D: Device> Backend for CudaBackend<D> {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        batch.check(&self.capacity)?;
        let vocab = self.capacity.vocab;
        if batch.is_empty() {
            self.peaks.clear();
            return Ok(Logits::new(&mut [], vocab));
        }
        let longest = self.longest;
        let ends = batch.sequences.iter().map(|span| span.kv_len + span.tokens.len());
        if let Some(end) = ends.max().filter(|&end| end > longest) {
            let text = format!("a sequence of {end} tokens, planned for {longest}");
            return Err(BackendError::Batch(text));
        }
        self.device.enter().map_err(failed)?;
        let shape = self.shape(batch);
        self.compute(batch, &shape).map_err(failed)?;
        let first = shape.logits * PEAK_BYTES;
        let bytes = batch.logit_rows.len() * vocab * size_of::<f32>();
        let values = bytemuck::cast_slice_mut(&mut self.results.as_mut()[first..first + bytes]);
        Ok(Logits::new(values, vocab).with_peaks(&self.peaks))
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        self.capacity.check_pages(&[from, to])?;
        if from == to {
            return Ok(());
        }
        self.device.enter().map_err(failed)?;
        self.kv.copy_page(&mut self.device, from, to).map_err(failed)
    }

    fn is_batch_invariant(&self) -> bool {
        self.is_batch_invariant
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(error: CudaError) -> BackendError {
    BackendError::Compute(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanting(rows: u32, peak_rows: &[u32]) -> Batch {
        let logit_rows = (0..rows).collect();
        Batch { logit_rows, peak_rows: peak_rows.to_vec(), ..Batch::default() }
    }

    #[test]
    fn logits_are_copied_up_to_the_last_row_that_wants_them() {
        assert_eq!(rows_of_logits(&wanting(4, &[])), 4);
        assert_eq!(rows_of_logits(&wanting(4, &[0, 1, 2, 3])), 0);
        assert_eq!(rows_of_logits(&wanting(4, &[0, 2, 3])), 2);
        assert_eq!(rows_of_logits(&wanting(4, &[0, 1, 2])), 4);
    }

    #[test]
    fn a_row_without_a_finite_peak_calls_for_its_logits() {
        let batch = wanting(3, &[0, 2]);
        let peak = Some(Peak { id: 1, sum_exp: 1.0 });
        assert_eq!(last_row_without_peak(&batch, &[peak, None, peak]), 0);
        assert_eq!(last_row_without_peak(&batch, &[None, None, peak]), 1);
    }

    #[test]
    fn a_peak_is_read_as_the_device_wrote_it() {
        let written = DevicePeak { sum_exp: 1.5, max: 3.0, id: 7 };
        let mut bytes = written.sum_exp.to_ne_bytes().to_vec();
        bytes.extend(written.max.to_ne_bytes());
        bytes.extend(written.id.to_ne_bytes());
        assert_eq!(peak(&bytes), Some(Peak { id: 7, sum_exp: 1.5 }));
        assert_eq!(peak(&[0; 16]), None);
    }
}
