//! The CUDA kernels of the server: their sources in `kernels/`, what they take, and how they are
//! launched. Nothing here talks to a driver.
//!
//! - [`signatures`]: the argument of each kernel, a `#[repr(C)]` struct, and its grid and block.
//! - [`FATBIN`]: the compiled kernels, where the build found nvcc.
//! - `emulate`: the same sources run on the host, with the feature of that name.

#[cfg(feature = "emulate")]
pub mod emulate;
pub mod signatures;

/// Drivers read words of a fatbin.
#[cfg(tgi_fatbin)]
#[repr(C, align(16))]
struct Aligned<Bytes: ?Sized>(Bytes);

#[cfg(tgi_fatbin)]
static ALIGNED: &Aligned<[u8]> =
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin")));

/// The kernels for every supported GPU; none where they were built without nvcc.
#[cfg(tgi_fatbin)]
pub static FATBIN: Option<&[u8]> = Some(&ALIGNED.0);

/// The kernels for every supported GPU; none where they were built without nvcc.
#[cfg(not(tgi_fatbin))]
pub static FATBIN: Option<&[u8]> = None;
