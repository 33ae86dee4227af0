/// Why a step could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The batch breaks a rule of [`crate::Batch::check`]: a bug in the caller.
    #[error("Cannot run the batch: {0}")]
    Batch(String),
    /// The computation failed: out of memory, a device error, a scripted failure.
    #[error("Cannot compute the batch: {0}")]
    Compute(String),
}
