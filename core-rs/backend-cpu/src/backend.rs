//! The backend: a model's weights, memory and threads behind the engine's trait.

use tgi_backend::{Backend, BackendError, Batch, Capacity, Logits, Peak};
use tgi_model::{Adapter, Model, ModelSpec};

use crate::arena::Arena;
use crate::decoder::peaks::{blocks, join};
use crate::decoder::{Cut, MAX_HEAD, Plan, RopeTables, Step};
use crate::error::CpuError;
use crate::isa::Isa;
use crate::isa::choice::Choice;
use crate::lora::{LowRows, adapt};
use crate::options::CpuOptions;
use crate::pool::Pool;
use crate::weights::{TensorSource, Weights};

/// A model on the CPU.
pub struct CpuBackend {
    spec: ModelSpec,
    weights: Weights,
    arena: Arena,
    ropes: RopeTables,
    plan: Plan,
    pool: Pool,
    isa: Isa,
    /// Of the last step's rows; keeps its memory.
    peaks: Vec<Option<Peak>>,
    capacity: Capacity,
}

impl CpuBackend {
    /// Re-tiles the weights of `model`, takes all memory and starts the threads. The model may be
    /// closed afterwards. The instruction set is the fastest.
    ///
    /// # Errors
    /// [`CpuError`] when a tensor has no kernel or the specification is out of reach.
    pub fn load(model: &Model, options: &CpuOptions) -> Result<Self, CpuError> {
        Self::from_source(&model.spec, model, options, Choice::new(None)?.isa)
    }

    /// The same for weights from anywhere, on a chosen instruction set.
    pub fn from_source(
        spec: &ModelSpec,
        source: &dyn TensorSource,
        options: &CpuOptions,
        isa: Isa,
    ) -> Result<Self, CpuError> {
        if spec.attention.head_size > MAX_HEAD {
            let size = spec.attention.head_size;
            return Err(CpuError::Spec(format!(
                "a head has {size} elements, the limit is {MAX_HEAD}; use --backend candle"
            )));
        }
        let threads = options.threads();
        let weights = Weights::load(spec, source, threads)?;
        let ropes = RopeTables::new(spec);
        let pool = Pool::new(threads);
        Ok(Self {
            arena: Arena::new(spec, options, ropes.tables.len(), pool.threads()),
            weights,
            ropes,
            plan: Plan::new(options.batch_tokens),
            pool,
            isa,
            peaks: Vec::with_capacity(options.logit_rows),
            capacity: Capacity {
                pages: options.pages,
                batch_tokens: options.batch_tokens,
                logit_rows: options.logit_rows,
                vocab: spec.vocab,
                context: spec.context,
                adapters: 0,
            },
            spec: spec.clone(),
        })
    }

    /// The same model with adapters beside it, which sequences name by their place in the list.
    ///
    /// # Errors
    /// [`CpuError::Memory`] without memory.
    pub fn with_adapters(mut self, adapters: &[Adapter]) -> Result<Self, CpuError> {
        for adapter in adapters {
            adapt(&mut self.weights.layers, &self.spec, adapter)?;
        }
        let tokens = self.capacity.batch_tokens;
        self.arena.low = (!adapters.is_empty()).then(|| LowRows::new(adapters, tokens));
        self.capacity.adapters = adapters.len();
        Ok(self)
    }

    /// Name of the instruction set in use, one of [`Isa::NAMES`].
    pub fn isa(&self) -> &'static str {
        self.isa.name()
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        batch.check(&self.capacity)?;
        let (attention, threads) = (&self.spec.attention, self.pool.threads());
        let (heads, kv_heads) = (attention.heads, attention.kv_heads);
        self.plan.make(batch, &Cut { heads, kv_heads, wanted: 4 * threads });
        let step = Step {
            spec: &self.spec,
            weights: &self.weights,
            arena: &self.arena,
            ropes: &self.ropes,
            batch,
            plan: &self.plan,
            isa: self.isa,
            threads,
        };
        self.pool.run(&|team| step.run(team));
        let vocab = self.spec.vocab;
        let logits = &mut self.arena.logits.all()[..batch.logit_rows.len() * vocab];
        let found = self.arena.block_peaks.all().chunks(blocks(vocab));
        self.peaks.clear();
        self.peaks.resize(batch.logit_rows.len(), None);
        for (&row, found) in batch.peak_rows.iter().zip(found) {
            let row = row as usize;
            self.peaks[row] = join(found);
            if self.peaks[row].is_none() {
                logits[row * vocab..(row + 1) * vocab].fill(f32::NAN);
            }
        }
        Ok(Logits::new(logits, vocab).with_peaks(&self.peaks))
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        let pages = self.capacity.pages;
        let (from, to) = (from as usize, to as usize);
        if from.max(to) >= pages {
            return Err(BackendError::Batch(format!("page {}, pages {pages}", from.max(to))));
        }
        for layer in &mut self.arena.kv {
            layer.copy_page(self.arena.shape, from, to);
        }
        Ok(())
    }

    fn is_batch_invariant(&self) -> bool {
        true
    }
}
