//! Why a model cannot be loaded.

use candle_core::quantized::GgmlDType;

/// Errors of [`crate::CpuBackend::load`].
#[derive(Debug, thiserror::Error)]
pub enum CpuError {
    /// The instruction set that was asked for is not there.
    #[error(
        "Cannot compute with {name:?}: this processor has {available}; set --cpu-isa to one of them"
    )]
    Isa {
        /// As asked.
        name: String,
        /// Names of all that there are.
        available: String,
    },
    /// A tensor's type has no kernel here.
    #[error(
        "Cannot load a tensor of type {dtype:?}: the CPU backend has no kernel for it; use a file of another quantization, or --backend candle"
    )]
    Type {
        /// Its type.
        dtype: GgmlDType,
    },
    /// A tensor's bytes do not match its shape.
    #[error(
        "Cannot load a matrix of {rows} x {columns} {dtype:?}: it has {bytes} bytes; fetch the file again"
    )]
    Shape {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// Bytes found.
        bytes: usize,
        /// Type of the tensor.
        dtype: GgmlDType,
    },
    /// A tensor is missing or unreadable.
    #[error("Cannot load the weights: {0}")]
    Model(#[from] tgi_model::ModelError),
    /// The specification asks for something that this backend cannot do.
    #[error("Cannot load the model: {0}")]
    Spec(String),
}
