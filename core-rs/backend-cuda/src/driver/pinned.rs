//! Host memory that the GPU reaches by itself.

use std::ptr::NonNull;
use std::sync::Arc;

use cudarc::driver::{CudaContext, DriverError, result};

/// Page-locked host memory of a context.
pub struct Pinned {
    first: NonNull<u8>,
    bytes: usize,
    context: Arc<CudaContext>,
}

impl Pinned {
    /// `bytes` zeros.
    pub(super) fn new(context: &Arc<CudaContext>, bytes: usize) -> Result<Self, DriverError> {
        context.bind_to_thread()?;
        // SAFETY: the memory is filled below, before anybody reads it.
        let first = unsafe { result::malloc_host(bytes.max(1), 0) }?.cast::<u8>();
        let Some(first) = NonNull::new(first) else {
            return Err(DriverError(cudarc::driver::sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY));
        };
        // SAFETY: that many bytes were just taken.
        unsafe { first.write_bytes(0, bytes) };
        Ok(Self { first, bytes, context: Arc::clone(context) })
    }
}

impl AsRef<[u8]> for Pinned {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the memory is this value's own and was filled.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.bytes) }
    }
}

impl AsMut<[u8]> for Pinned {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: the memory is this value's own and was filled.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: it was taken by `malloc_host` and is used no more.
            let _ = unsafe { result::free_host(self.first.as_ptr().cast()) };
        }
    }
}

// SAFETY: it is memory of the process, which any thread may use.
unsafe impl Send for Pinned {}
