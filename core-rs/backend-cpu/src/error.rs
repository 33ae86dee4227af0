//! Why a model cannot be loaded.

use tgi_model::StorageType;

/// Errors of [`crate::CpuBackend::load`].
#[derive(Debug, thiserror::Error)]
pub enum CpuError {
    /// A tensor's type has no kernel here.
    #[error(
        "Cannot load a tensor of type {dtype}: the CPU backend has no kernel for it; use a file of another quantization, or --backend candle"
    )]
    Type {
        /// Its type.
        dtype: StorageType,
    },
    /// A tensor's bytes do not match its shape.
    #[error(
        "Cannot load a matrix of {rows} x {columns} {dtype}: it has {bytes} bytes; fetch the file again"
    )]
    Shape {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// Bytes found.
        bytes: usize,
        /// Type of the tensor.
        dtype: StorageType,
    },
    /// The system has no memory for the weights.
    #[error(
        "Cannot take {bytes} bytes of memory for weights: {source}; free some, or use a smaller model"
    )]
    Memory {
        /// Bytes wanted.
        bytes: usize,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A tensor is missing or unreadable.
    #[error("Cannot load the weights: {0}")]
    Model(#[from] tgi_model::ModelError),
    /// The specification asks for something that this backend cannot do.
    #[error("Cannot load the model: {0}")]
    Spec(String),
    /// The named instruction set cannot be used.
    #[error(
        "Cannot compute with the instruction set {name:?}: {problem}, this CPU has {available}; set TGI_CPU_ISA to one of them, or to nothing for the fastest"
    )]
    Isa {
        /// What was named.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
        /// Names of those that could be used.
        available: String,
    },
}
