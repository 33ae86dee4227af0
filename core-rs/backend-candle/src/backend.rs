//! The backend itself.

use candle_core::{DType, Device, Tensor};
use tgi_backend::{Backend, BackendError, Batch, Capacity, Logits};
use tgi_model::{Adapter, Model, ModelSpec, Role};

use crate::decoder::Decoder;
use crate::kv::KvPages;
use crate::loader::Loader;
use crate::lora::adapt;
use crate::step::Step;
use crate::{CandleError, CandleOptions, support};

/// A model and its KV pages on one candle device.
pub struct CandleBackend {
    decoder: Decoder,
    /// One for each layer.
    kv: Vec<KvPages>,
    device: Device,
    dtype: DType,
    capacity: Capacity,
    /// Those of the last step, `[rows, vocab]`.
    logits: Vec<f32>,
}

impl CandleBackend {
    /// Dequantizes all weights of a model and takes all pages.
    ///
    /// # Errors
    /// [`CandleError`]: something unsupported, an option out of range, or the device is full.
    pub fn load(model: &Model, options: &CandleOptions) -> Result<Self, CandleError> {
        let read = |role, layer, _: &[usize]| Ok(model.tensor(role, layer)?.dequantize()?);
        Self::from_weights(&model.spec, options, read)
    }

    /// Like [`Self::load`], for weights that are not in a file: `read` is given a role, its layer
    /// and its shape, and gives the elements in f32, row-major.
    ///
    /// # Errors
    /// As [`Self::load`]; [`CandleError::Shape`] when `read` gives another number of elements.
    pub fn from_weights(
        spec: &ModelSpec,
        options: &CandleOptions,
        mut read: impl FnMut(Role, Option<usize>, &[usize]) -> Result<Vec<f32>, CandleError>,
    ) -> Result<Self, CandleError> {
        support::check_spec(spec)?;
        support::check_options(options)?;
        let CandleOptions { pages, batch_tokens, logit_rows, device, dtype } = options;
        let decoder = Decoder::load(spec, Loader::new(&mut read, device, *dtype))?;
        let shape = [spec.attention.kv_heads, spec.attention.head_size];
        let pages_of_layer = |_| KvPages::new(*pages, shape, *dtype, device);
        Ok(Self {
            decoder,
            kv: (0..spec.layers).map(pages_of_layer).collect::<candle_core::Result<_>>()?,
            device: device.clone(),
            dtype: *dtype,
            capacity: Capacity {
                pages: *pages,
                batch_tokens: *batch_tokens,
                logit_rows: *logit_rows,
                vocab: spec.vocab,
                context: spec.context,
                adapters: 0,
            },
            logits: Vec::new(),
        })
    }

    /// The same model with adapters beside it, which sequences name by their place in the list.
    ///
    /// # Errors
    /// [`CandleError`] when the device is full.
    pub fn with_adapters(mut self, adapters: &[Adapter]) -> Result<Self, CandleError> {
        for adapter in adapters {
            adapt(self.decoder.blocks(), adapter, (self.dtype, &self.device))?;
        }
        self.capacity.adapters = adapters.len();
        Ok(self)
    }

    fn compute(&self, batch: &Batch) -> candle_core::Result<Vec<f32>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let Decoder { ropes, windows, has_biases, .. } = &self.decoder;
        let step = Step::new(batch, ropes, windows, *has_biases, &self.device)?;
        let x = self.decoder.forward(&step, &self.kv)?;
        if batch.logit_rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows = Tensor::new(batch.logit_rows.as_slice(), &self.device)?;
        self.decoder.logits(&x, &rows)?.flatten_all()?.to_vec1()
    }
}

impl Backend for CandleBackend {
    fn name(&self) -> &'static str {
        "candle"
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        batch.check(&self.capacity)?;
        self.logits = self.compute(batch).map_err(failed)?;
        Ok(Logits::new(&mut self.logits, self.capacity.vocab))
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        self.capacity.check_pages(&[from, to])?;
        let copy = |kv: &KvPages| kv.copy_page(from as usize, to as usize);
        self.kv.iter().try_for_each(copy).map_err(failed)
    }

    fn is_batch_invariant(&self) -> bool {
        false
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(error: candle_core::Error) -> BackendError {
    BackendError::Compute(error.to_string())
}
