//! The CUDA kernels of the server: their sources in `kernels/`, what they take, and how they are
//! launched. Nothing here talks to a driver.
//!
//! - [`signatures`]: the argument of each kernel, a `#[repr(C)]` struct, and its grid and block.
//! - [`FATBIN`]: the compiled kernels, where the build found nvcc.

pub mod signatures;

/// The kernels for every supported GPU; none where they were built without nvcc.
pub const FATBIN: Option<&[u8]> = None;
