//! The backend itself.

use tgi_backend::{Ahead, Backend, BackendError, Batch, Capacity, Logits};
use tgi_model::{Adapter, ModelSpec};

use crate::arena::{Arena, Sizes};
use crate::buckets::padded_rows;
use crate::choice::Choices;
use crate::decoder::Decoder;
use crate::device::Device;
use crate::flight::{Chosen, Flight, RowResult};
use crate::graphs::{Graphs, Progress, SplitRule};
use crate::kv::KvPages;
use crate::step::{StepShape, count_tiles, is_adapted, is_decode, write};
use crate::support::{check_options, check_spec};
use crate::weights::{Loader, WeightSource};
use crate::{CudaError, CudaOptions};

/// Steps that may be begun and not finished.
const SLOTS: usize = 2;

/// What one of two steps at a time has for itself on the host. Neither part is written again before
/// its event has passed: the device may still be copying.
struct Slot<D: Device> {
    input: D::Pinned,
    /// Results but logits, as [`crate::flight::Places`] says.
    chosen: D::Pinned,
    /// Behind all that the step does.
    event: D::Event,
    flight: Flight,
}

impl<D: Device> Slot<D> {
    fn new(device: &mut D, arena: &Arena, logit_rows: usize) -> Result<Self, CudaError> {
        Ok(Self {
            input: device.pinned(arena.input.bytes)?,
            chosen: device.pinned(arena.chosen.bytes)?,
            event: device.event()?,
            flight: Flight::new(logit_rows),
        })
    }
}

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
    slots: [Slot<D>; SLOTS],
    /// The slot of the next step; the other one is of the step begun last.
    next: usize,
    /// Steps that were begun and not finished.
    unfinished: usize,
    /// Logits of the rows that want them, host side. At most one unfinished step has any.
    logits: D::Pinned,
    /// Of the step that finished last.
    chosen: Chosen,
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
        let mut loader = Loader::new(&mut device, source, options.element);
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
        let rows = options.logit_rows;
        Ok(Self {
            slots: [Slot::new(&mut device, &arena, rows)?, Slot::new(&mut device, &arena, rows)?],
            next: 0,
            unfinished: 0,
            logits: device.pinned(arena.logits.bytes)?,
            chosen: Chosen::new(rows),
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

    /// Checks what a batch may name, beyond [`Batch::check`].
    fn check(&self, batch: &Batch) -> Result<(), BackendError> {
        batch.check(&self.capacity)?;
        let longest = self.longest;
        let ends = batch.sequences.iter().map(|span| span.kv_len + span.tokens.len());
        if let Some(end) = ends.max().filter(|&end| end > longest) {
            let text = format!("a sequence of {end} tokens, planned for {longest}");
            return Err(BackendError::Batch(text));
        }
        let before = &self.slots[self.next ^ 1].flight.rows;
        let is_chosen = |row: &u32| {
            let result = before.get(*row as usize);
            *row == Batch::KNOWN || result.is_some_and(|result| *result != RowResult::Logits)
        };
        match batch.handed.iter().find(|row| !is_chosen(row)) {
            Some(row) => {
                let text = format!("row {row} of the step before has chosen no token");
                Err(BackendError::Batch(text))
            }
            None => Ok(()),
        }
    }

    /// Asks for everything that a step does: its input there, its launches, its results back.
    ///
    /// The next step's input and results lie in the same memory of the device. It may be asked for
    /// at once, since the stream keeps the order: they are not touched before this step's copies
    /// are done.
    fn start(&mut self, batch: &Batch) -> Result<(), CudaError> {
        let shape = self.shape(batch);
        let Self { slots, arena, device, kv, decoder, capacity, .. } = self;
        let slot = &mut slots[self.next];
        let input: &mut [u32] = bytemuck::cast_slice_mut(slot.input.as_mut());
        let words = write(batch, &shape, input);
        let choices = Choices::write(batch, &slot.flight, words, input);
        let sent = arena.input.part(0, choices.words * size_of::<u32>());
        // SAFETY: a slot is written again when its event has passed.
        unsafe { device.send(&slot.input, sent) }?;
        choices.hand_over(device, arena)?;
        match self.graphs.get(&shape) {
            Some(graph) => device.replay(graph)?,
            None => decoder.run(device, (arena, kv), &shape)?,
        }
        choices.draw(device, arena, &shape, capacity.vocab)?;
        let chosen = slot.flight.chosen_bytes(&arena.places);
        if chosen > 0 {
            // SAFETY: as above.
            unsafe { device.receive(arena.chosen.part(0, chosen), &mut slot.chosen) }?;
        }
        let rows = slot.flight.logits();
        if rows > 0 {
            // SAFETY: as above; no other unfinished step has logits.
            unsafe { device.receive(arena.logits(rows, capacity.vocab), &mut self.logits) }?;
        }
        Ok(())
    }
}

impl<D: Device> Ahead for CudaBackend<D> {
    fn begin(&mut self, batch: &Batch) -> Result<(), BackendError> {
        if self.unfinished == SLOTS {
            return Err(BackendError::Batch(format!("{SLOTS} steps are unfinished")));
        }
        self.check(batch)?;
        let flight = &mut self.slots[self.next].flight;
        flight.plan(batch);
        if self.unfinished > 0 && flight.logits() > 0 {
            let text = "logits are wanted behind an unfinished step";
            return Err(BackendError::Batch(text.to_owned()));
        }
        self.device.enter().map_err(failed)?;
        let started = if batch.is_empty() { Ok(()) } else { self.start(batch) };
        let event = &mut self.slots[self.next].event;
        if let Err(error) = started.and_then(|()| self.device.record(event)) {
            // A part of it may have begun, and still copies from and to the slot.
            let _ = self.device.wait();
            return Err(failed(error));
        }
        self.next ^= 1;
        self.unfinished += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<Logits<'_>, BackendError> {
        let Some(left) = self.unfinished.checked_sub(1) else {
            return Err(BackendError::Compute("no step is unfinished".to_owned()));
        };
        self.unfinished = left;
        let slot = &self.slots[self.next ^ 1 ^ left];
        self.device.enter().map_err(failed)?;
        self.device.pass(&slot.event).map_err(failed)?;
        self.chosen.read(&slot.flight, &self.arena.places, slot.chosen.as_ref());
        let vocab = self.capacity.vocab;
        let bytes = slot.flight.rows.len() * vocab * size_of::<f32>();
        let values = bytemuck::cast_slice_mut(&mut self.logits.as_mut()[..bytes]);
        let Chosen { peaks, drawn, tops } = &self.chosen;
        Ok(Logits::new(values, vocab).with_peaks(peaks).with_drawn(drawn, tops))
    }
}

impl<D: Device> Drop for CudaBackend<D> {
    fn drop(&mut self) {
        // Steps that nobody finished copy to memory that is about to go.
        if self.unfinished > 0 && self.device.enter().is_ok() {
            let _ = self.device.wait();
        }
    }
}

impl<D: Device> Backend for CudaBackend<D> {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        if self.unfinished > 0 {
            return Err(BackendError::Batch("a step before is unfinished".to_owned()));
        }
        self.begin(batch)?;
        self.finish()
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

    fn draws(&self) -> bool {
        true
    }

    fn ahead(&mut self) -> Option<&mut dyn Ahead> {
        Some(self)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(error: CudaError) -> BackendError {
    BackendError::Compute(error.to_string())
}
