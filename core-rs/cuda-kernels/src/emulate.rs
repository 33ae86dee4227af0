//! Runs kernels on the host, where device pointers are plain ones.
//!
//! The sources are those of the fatbin, compiled by the C++ compiler of the host against
//! `kernels/emulation`; each thread of a block is a fiber. It is slow, and stricter than a GPU.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use crate::signatures::{Kernel, Launch, Params};

/// The order in which blocks, and threads between barriers, have their turns: a kernel whose
/// result depends on it lacks a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By ascending index.
    Forward,
    /// By descending index.
    Reversed,
}

impl Order {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Forward, Self::Reversed];
}

/// What a kernel did that it must not.
#[derive(Debug, thiserror::Error)]
#[error("Cannot run kernel {kernel}: {reason}")]
pub struct EmulationError {
    kernel: String,
    reason: String,
}

// SAFETY: as `kernels/emulation/runtime.cpp` defines it.
unsafe extern "C" {
    fn tgi_emulate_launch(
        name: *const c_char,
        grid: *const u32,
        block: *const u32,
        shared_bytes: u32,
        params: *const c_void,
        params_bytes: usize,
        reversed: c_int,
        error: *mut c_char,
        error_bytes: usize,
    ) -> c_int;
}

/// Runs `kernel` to its end on this thread.
///
/// # Errors
/// When there is no such kernel, the launch is one that a GPU would refuse, a barrier is not
/// reached by all, or an access is misaligned.
///
/// # Safety
/// The pointers in `params` are valid for what [`crate::signatures`] says of them.
pub unsafe fn launch<P: Params>(
    kernel: Kernel,
    launch: &Launch,
    params: &P,
    order: Order,
) -> Result<(), EmulationError> {
    let failed = |reason: String| EmulationError { kernel: kernel.name(), reason };
    let name = CString::new(kernel.name()).map_err(|error| failed(error.to_string()))?;
    let mut error: [c_char; 128] = [0; 128];
    // SAFETY: `Params` are plain numbers that the kernel copies; the rest are live for the call.
    let code = unsafe {
        tgi_emulate_launch(
            name.as_ptr(),
            launch.grid.as_ptr(),
            launch.block.as_ptr(),
            launch.shared_bytes,
            std::ptr::from_ref(params).cast(),
            size_of::<P>(),
            c_int::from(order == Order::Reversed),
            error.as_mut_ptr(),
            error.len(),
        )
    };
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the function has ended the text with a zero.
    let reason = unsafe { CStr::from_ptr(error.as_ptr()) };
    Err(failed(reason.to_string_lossy().into_owned()))
}
