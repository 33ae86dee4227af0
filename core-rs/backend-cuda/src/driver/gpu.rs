//! What the driver says of the GPUs.

use std::sync::Arc;

use cudarc::driver::sys::CUdevice_attribute;
use cudarc::driver::{CudaContext, DriverError};

use super::presence::{Machine, Probe, count};
use crate::CudaError;

/// Least compute capability that the kernels are compiled for, times ten.
const OLDEST: u32 = 80;

/// Share of free memory that is planned with, as TGI's `TGI_WIGGLE_ROOM`
/// (`server/text_generation_server/models/globals.py`).
const USABLE: f64 = 0.93;

/// A GPU of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Counts from 0, as `CUDA_VISIBLE_DEVICES` leaves them.
    pub ordinal: usize,
    /// The product's.
    pub name: String,
    /// Compute capability times ten: 90 for 9.0.
    pub capability: u32,
    /// Streaming multiprocessors.
    pub multiprocessors: usize,
    /// Memory that nobody has taken, bytes.
    pub free_bytes: u64,
    /// All memory, bytes.
    pub total_bytes: u64,
}

impl Gpu {
    /// All GPUs; none where there is no driver.
    ///
    /// # Errors
    /// [`CudaError`]: the driver is too old, or refuses.
    pub fn all() -> Result<Vec<Self>, CudaError> {
        if !Machine.is_present() {
            return Ok(Vec::new());
        }
        (0..count(&Machine, 0)?).map(|ordinal| Ok(Self::open(ordinal)?.0)).collect()
    }

    /// One, if the kernels of this library run on it.
    ///
    /// # Errors
    /// [`CudaError`]: no driver, one that is too old, no such GPU, no kernels for it.
    pub fn look_at(ordinal: usize) -> Result<Self, CudaError> {
        let (gpu, _) = Self::open(ordinal)?;
        gpu.check()?;
        super::fatbin(ordinal)?;
        Ok(gpu)
    }

    /// What may be taken of it, bytes: `fraction` of all its memory less what others have, and of
    /// that what the driver's own needs leave, such as those of graphs.
    pub fn usable_bytes(&self, fraction: f64) -> u64 {
        let kept = (1.0 - fraction) * self.total_bytes as f64;
        ((self.free_bytes as f64 - kept).max(0.0) * USABLE) as u64
    }

    /// One, with its context.
    pub(super) fn open(ordinal: usize) -> Result<(Self, Arc<CudaContext>), CudaError> {
        let count = count(&Machine, ordinal)?;
        if ordinal >= count {
            return Err(CudaError::NoGpu { ordinal, count });
        }
        look_at(ordinal).map_err(|error| CudaError::Driver {
            ordinal,
            action: "open the GPU",
            reason: error.to_string(),
        })
    }

    /// Checks that the kernels run on it.
    pub(super) fn check(&self) -> Result<(), CudaError> {
        if self.capability >= OLDEST {
            return Ok(());
        }
        Err(CudaError::OldGpu {
            ordinal: self.ordinal,
            name: self.name.clone(),
            found: dotted(self.capability),
            needed: dotted(OLDEST),
        })
    }
}

fn look_at(ordinal: usize) -> Result<(Gpu, Arc<CudaContext>), DriverError> {
    let context = CudaContext::new(ordinal)?;
    let (major, minor) = context.compute_capability()?;
    let multiprocessors =
        context.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
    let (free, total) = context.mem_get_info()?;
    let gpu = Gpu {
        ordinal,
        name: context.name()?,
        capability: (major * 10 + minor) as u32,
        multiprocessors: multiprocessors as usize,
        free_bytes: free as u64,
        total_bytes: total as u64,
    };
    Ok((gpu, context))
}

fn dotted(capability: u32) -> String {
    format!("{}.{}", capability / 10, capability % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(capability: u32) -> Gpu {
        let (multiprocessors, free_bytes, total_bytes) = (40, 1, 2);
        let name = "NVIDIA T4".to_owned();
        Gpu { ordinal: 1, name, capability, multiprocessors, free_bytes, total_bytes }
    }

    #[test]
    fn a_fraction_is_of_all_memory_and_what_others_have_counts_against_it() {
        let gpu = Gpu { free_bytes: 800, total_bytes: 1000, ..gpu(90) };
        assert_eq!(gpu.usable_bytes(1.0), 744);
        assert_eq!(gpu.usable_bytes(0.5), 279);
        assert_eq!(gpu.usable_bytes(0.1), 0);
    }

    #[test]
    fn a_gpu_before_ampere_is_refused_by_its_name() {
        assert_eq!(
            gpu(75).check().unwrap_err().to_string(),
            "Cannot compute on cuda:1: NVIDIA T4 has compute capability 7.5, the kernels are for 8.0 \
             and later; give --device cpu"
        );
        gpu(80).check().unwrap();
        gpu(120).check().unwrap();
    }
}
