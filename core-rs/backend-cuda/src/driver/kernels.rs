//! The kernels, loaded into a context.

use std::collections::HashMap;
use std::ffi::CString;

use cudarc::driver::sys::{CUfunction, CUfunction_attribute, CUmodule};
use cudarc::driver::{DriverError, result};
use tgi_cuda_kernels::signatures::Kernel;

/// Shared memory that a block may have without asking, bytes (CUDA C++ programming guide, "compute
/// capabilities").
const SHARED_UNASKED: u32 = 48 << 10;

/// A loaded fatbin and its functions.
pub(super) struct Kernels {
    module: CUmodule,
    functions: HashMap<Kernel, CUfunction>,
    /// What functions were allowed beyond [`SHARED_UNASKED`], bytes.
    shared: HashMap<Kernel, u32>,
}

impl Kernels {
    /// Loads a fatbin into the context that is current, and finds every kernel in it.
    pub fn load(fatbin: &'static [u8]) -> Result<Self, String> {
        // SAFETY: the bytes are a whole fatbin, which says itself how long it is.
        let module = unsafe { result::module::load_data(fatbin.as_ptr().cast()) }
            .map_err(|error| error.to_string())?;
        let mut kernels = Self { module, functions: HashMap::new(), shared: HashMap::new() };
        for kernel in Kernel::all() {
            let name = CString::new(kernel.name()).map_err(|error| error.to_string())?;
            // SAFETY: the module is loaded.
            let function = unsafe { result::module::get_function(module, name) }
                .map_err(|error| format!("{error} for {}", kernel.name()))?;
            kernels.functions.insert(kernel, function);
        }
        Ok(kernels)
    }

    /// The function of a kernel, allowed so much shared memory.
    pub fn function(&mut self, kernel: Kernel, shared: u32) -> Result<CUfunction, DriverError> {
        let Some(&function) = self.functions.get(&kernel) else {
            return Err(DriverError(cudarc::driver::sys::CUresult::CUDA_ERROR_NOT_FOUND));
        };
        let allowed = self.shared.get(&kernel).copied().unwrap_or(SHARED_UNASKED);
        if shared > allowed {
            let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function is one of a loaded module.
            unsafe {
                result::function::set_function_attribute(function, attribute, shared as i32)
            }?;
            self.shared.insert(kernel, shared);
        }
        Ok(function)
    }

    /// Gives the module back; its context is current.
    pub fn unload(&self) {
        // SAFETY: it was loaded once and no kernel of it runs any more.
        let _ = unsafe { result::module::unload(self.module) };
    }
}
