use tgi_backend::BackendError;
use tgi_backend_candle::CandleError;
use tgi_backend_cpu::CpuError;
use tgi_backend_cuda::CudaError;
use tgi_model::ModelError;

/// Why a benchmark did not run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A test needs longer sequences than the model knows.
    #[error(
        "Cannot run {test}: it needs {needed} positions, the model has {context}; lower -p, -n or \
         --stream-prompt"
    )]
    Context {
        /// Name of the test.
        test: String,
        /// Positions that it needs.
        needed: usize,
        /// Positions that there are.
        context: usize,
    },
    /// The file is no model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The cpu backend refused the model.
    #[error(transparent)]
    Cpu(#[from] CpuError),
    /// The candle backend refused the model.
    #[error(transparent)]
    Candle(#[from] CandleError),
    /// The cuda backend refused the model, or there is no GPU.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// A step failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The rows cannot be written.
    #[error("Cannot write the results: {0}")]
    Output(#[from] std::io::Error),
}
