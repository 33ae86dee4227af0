//! Errors of loading.

use tgi_model::ModelError;

/// Why a backend cannot be made. Every message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum CandleError {
    /// The specification asks for something that this backend does not compute.
    #[error("Cannot run {architecture} on the candle backend: {reason}")]
    Unsupported {
        /// [`tgi_model::ModelSpec::architecture`].
        architecture: String,
        /// What it is, and what is known.
        reason: String,
    },
    /// An option is out of its range.
    #[error("Cannot start the candle backend: {0}")]
    Options(String),
    /// A weight is missing or cannot be dequantized.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A weight has another number of elements than its role calls for.
    #[error(
        "Cannot load {role}: it has {found} elements, its shape {shape:?} calls for {expected}"
    )]
    Shape {
        /// Role, and layer where there is one.
        role: String,
        /// What was read.
        found: usize,
        /// What the specification implies.
        expected: usize,
        /// The same, as a shape.
        shape: Vec<usize>,
    },
    /// A GPU cannot be had.
    #[error("Cannot compute on cuda:{ordinal}: {reason}")]
    Gpu {
        /// Which one, from 0.
        ordinal: usize,
        /// What the driver says, or what is wrong with it.
        reason: String,
    },
    /// The device refuses, most often for lack of memory.
    #[error("Cannot load the model onto the device: {0}; lower the number of pages")]
    Device(#[from] candle_core::Error),
}
