//! A backend that draws and does not run ahead.

use tgi_backend::{Backend, BackendError, Batch, Capacity, Logits};

/// Computes step by step what could run ahead.
pub struct StepByStep(pub Box<dyn Backend>);

impl Backend for StepByStep {
    fn name(&self) -> &'static str {
        "step by step"
    }

    fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        self.0.forward(batch)
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        self.0.copy_page(from, to)
    }

    fn is_batch_invariant(&self) -> bool {
        self.0.is_batch_invariant()
    }

    fn draws(&self) -> bool {
        self.0.draws()
    }
}
