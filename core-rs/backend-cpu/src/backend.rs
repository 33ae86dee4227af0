//! The backend: a model's weights, memory and threads behind the engine's trait.

use tgi_backend::{Backend, BackendError, Batch, Capacity, Logits};
use tgi_model::{Model, ModelSpec};

use crate::arena::Arena;
use crate::decoder::{Cut, MAX_HEAD, Plan, RopeTables, Step};
use crate::error::CpuError;
use crate::isa::Isa;
use crate::isa::choice::{Choice, VARIABLE};
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
    isa_reason: String,
    capacity: Capacity,
}

impl CpuBackend {
    /// Re-tiles the weights of `model`, takes all memory and starts the threads. The model may be
    /// closed afterwards. The instruction set is the fastest, or the one that `TGI_CPU_ISA` names.
    ///
    /// # Errors
    /// [`CpuError`] when a tensor has no kernel or the specification is out of reach.
    pub fn load(model: &Model, options: &CpuOptions) -> Result<Self, CpuError> {
        let name = std::env::var(VARIABLE).ok();
        let choice = Choice::new(name.as_deref())?;
        let backend = Self::from_source(&model.spec, model, options, choice.isa)?;
        Ok(Self { isa_reason: choice.reason, ..backend })
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
            arena: Arena::new(spec, options, ropes.frequencies.len(), pool.threads()),
            weights,
            ropes,
            plan: Plan::new(options.batch_tokens),
            pool,
            isa,
            isa_reason: "chosen by the caller".to_owned(),
            capacity: Capacity {
                pages: options.pages,
                batch_tokens: options.batch_tokens,
                logit_rows: options.logit_rows,
                vocab: spec.vocab,
                context: spec.context,
            },
            spec: spec.clone(),
        })
    }

    /// Name of the instruction set in use, one of [`Isa::NAMES`].
    pub fn isa(&self) -> &'static str {
        self.isa.name()
    }

    /// Why that one, for the log: who named it, or the times of all that this CPU has.
    pub fn isa_reason(&self) -> &str {
        &self.isa_reason
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
        let wanted = batch.logit_rows.len() * self.spec.vocab;
        Ok(Logits::new(&mut self.arena.logits.all()[..wanted], self.spec.vocab))
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
