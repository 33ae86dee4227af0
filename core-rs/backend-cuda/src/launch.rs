//! From a kernel's argument to its launch.

use tgi_cuda_kernels::signatures::{Kernel, Launch};

use crate::CudaError;
use crate::device::{Argument, Device};

/// Launches a kernel with its argument; nothing when the grid is empty.
pub(crate) fn launch<D: Device, P: Argument>(
    device: &mut D,
    kernel: Kernel,
    launch: Launch,
    params: &P,
) -> Result<(), CudaError> {
    if launch.is_empty() {
        return Ok(());
    }
    // SAFETY: every address is that of a region of this device which was taken for the shapes that
    // stand beside it, and steps are checked against them.
    unsafe { device.launch(kernel, launch, params) }
}
