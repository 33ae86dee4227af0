//! Why a GPU, a model or a step cannot be had.

use tgi_model::ModelError;

/// Why a backend cannot be made, or a GPU not be used. Every message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// `libcuda.so.1` is nowhere.
    #[error(
        "Cannot compute on cuda:{ordinal}: this machine has no NVIDIA driver (libcuda.so.1 was not \
         found); install driver 580 or newer, or give --device cpu"
    )]
    NoDriver {
        /// Which GPU was asked for, from 0.
        ordinal: usize,
    },
    /// The driver knows an older CUDA than the kernels are compiled for.
    #[error(
        "Cannot compute on cuda:{ordinal}: its driver knows CUDA {found}, the kernels need \
         {needed}; install driver 580 or newer, or give --device cpu"
    )]
    OldDriver {
        /// Which GPU was asked for, from 0.
        ordinal: usize,
        /// What the driver knows, `12.8`.
        found: String,
        /// What it must know.
        needed: String,
    },
    /// The library was built where there is no nvcc.
    #[error(
        "Cannot compute on cuda:{ordinal}: this library was built without its GPU kernels, for \
         lack of nvcc; build it after `deno task cuda-toolkit`, or give --device cpu"
    )]
    NoKernels {
        /// Which GPU was asked for, from 0.
        ordinal: usize,
    },
    /// Fewer GPUs than that.
    #[error(
        "Cannot compute on cuda:{ordinal}: the driver shows {count} GPUs; set --device to one of \
         them, counted from cuda:0"
    )]
    NoGpu {
        /// Which GPU was asked for, from 0.
        ordinal: usize,
        /// As `CUDA_VISIBLE_DEVICES` leaves them.
        count: usize,
    },
    /// The kernels are not compiled for this GPU.
    #[error(
        "Cannot compute on cuda:{ordinal}: {name} has compute capability {found}, the kernels are \
         for {needed} and later; give --device cpu"
    )]
    OldGpu {
        /// Which one, from 0.
        ordinal: usize,
        /// The product's.
        name: String,
        /// Its compute capability, `7.5`.
        found: String,
        /// The least that the kernels are compiled for.
        needed: String,
    },
    /// The driver refuses.
    #[error("Cannot {action} on cuda:{ordinal}: {reason}")]
    Driver {
        /// Which one, from 0.
        ordinal: usize,
        /// What was tried.
        action: &'static str,
        /// What the driver says.
        reason: String,
    },
    /// The GPU has no room.
    #[error(
        "Cannot take {bytes} bytes on cuda:{ordinal} for {what}: {free} are free; lower \
         --cuda-memory-fraction, or end what else computes there"
    )]
    Memory {
        /// Which one, from 0.
        ordinal: usize,
        /// What for.
        what: &'static str,
        /// How many.
        bytes: usize,
        /// What the driver says is left.
        free: u64,
    },
    /// The specification asks for something that this backend does not compute.
    #[error(
        "Cannot run {architecture} on the cuda backend: {reason}; give --backend candle or \
         --device cpu"
    )]
    Unsupported {
        /// [`tgi_model::ModelSpec::architecture`].
        architecture: String,
        /// What it is, and what is known.
        reason: String,
    },
    /// An option is out of its range.
    #[error("Cannot start the cuda backend: {0}")]
    Options(String),
    /// A weight is missing or cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl CudaError {
    /// Whether what shall compute is not there: driver, GPU or kernels.
    pub fn is_about_the_device(&self) -> bool {
        matches!(
            self,
            Self::NoDriver { .. }
                | Self::OldDriver { .. }
                | Self::NoKernels { .. }
                | Self::NoGpu { .. }
                | Self::OldGpu { .. }
        )
    }
}
