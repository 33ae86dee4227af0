//! The GPU backend: own kernels, cuBLASLt where it is found, CUDA graphs for decode steps.
//!
//! Nothing of CUDA is linked: the driver and cuBLASLt are looked for at run time, so that a library
//! with this backend loads on any machine. The backend knows a GPU only as a [`Device`], and tests run
//! it on an emulated one. It obeys a [`tgi_model::ModelSpec`]; what it does not compute it refuses
//! before any weight is read.
//!
//! | module | job |
//! |---|---|
//! | `backend` | [`CudaBackend`]: the [`tgi_backend::Backend`] |
//! | `decoder` | which kernels a step launches |
//! | `matrix`, `experts` | products, and which way they take |
//! | `step`, `choice` | a batch as the kernels read it |
//! | `flight` | steps that were begun, and what they chose |
//! | `buckets`, `graphs` | sizes that steps are rounded up to, and their graphs |
//! | `weights`, `adapters`, `rope`, `kv`, `arena`, `routing` | what lies in the device's memory |
//! | `device`, `launch` | what a device does |
//! | `driver`, [`blas`] | a GPU through CUDA's driver and cuBLASLt |
//! | `support`, `sizes` | what may be asked for, and what it takes |

mod adapters;
mod arena;
mod backend;
pub mod blas;
mod buckets;
mod choice;
mod decoder;
mod device;
mod driver;
mod error;
mod experts;
mod flight;
mod graphs;
mod kv;
mod launch;
mod matrix;
mod options;
mod rope;
mod routing;
mod sizes;
mod step;
mod support;
mod weights;

pub use adapters::adapter_bytes;
pub use arena::{arena_bytes, kv_bytes_per_token};
pub use backend::CudaBackend;
pub use device::{Argument, Device, Graph, Region};
pub use driver::{Driver, Gpu};
pub use error::CudaError;
pub use graphs::Progress;
pub use options::CudaOptions;
pub use sizes::weight_bytes;
pub use support::check_spec;
pub use tgi_cuda_kernels::signatures::{Element, Kernel, Launch};
pub use weights::{Stored, WeightSource};
