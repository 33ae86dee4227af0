//! The GPUs that CUDA's driver shows. Without the feature `candle-cuda` there are none.

use candle_core::Device;

use crate::CandleError;

/// The compute capability that the kernels are built for, `90` for 9.0, as `CUDA_COMPUTE_CAP` of
/// the build says. From 9.0 on such kernels run on that very capability alone (CUDA C++ programming
/// guide, "architecture-specific features").
pub const BUILT_FOR: Option<&str> = option_env!("CUDA_COMPUTE_CAP");

/// What the driver says of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Counts from 0, as `CUDA_VISIBLE_DEVICES` leaves them.
    pub ordinal: usize,
    /// The product's.
    pub name: String,
    /// Compute capability times ten: 90 for 9.0.
    pub capability: u32,
    /// Memory that nobody has taken, bytes.
    pub free_bytes: u64,
    /// All memory, bytes.
    pub total_bytes: u64,
}

/// Opens a GPU, with a stream that any thread may use.
///
/// # Errors
/// [`CandleError::Gpu`]: there is no such GPU, the driver is too old, or the kernels are for another
/// compute capability.
pub fn open(ordinal: usize) -> Result<(Device, Gpu), CandleError> {
    let gpu = driver::look_at(ordinal)?;
    check_capability(&gpu, BUILT_FOR)?;
    let device = Device::new_cuda_with_stream(ordinal).map_err(|error| {
        let reason = first_line(&error);
        failed(ordinal, format!("{reason}; check that the driver is 580 or newer"))
    })?;
    Ok((device, gpu))
}

/// All GPUs.
///
/// # Errors
/// [`CandleError::Gpu`]: the driver refuses.
pub fn all() -> Result<Vec<Gpu>, CandleError> {
    (0..driver::count()?).map(driver::look_at).collect()
}

fn check_capability(gpu: &Gpu, built_for: Option<&str>) -> Result<(), CandleError> {
    let Some(built) = built_for.and_then(|text| text.parse::<u32>().ok()) else { return Ok(()) };
    // Below 9.0 the driver compiles kernels anew for a later GPU.
    let runs = gpu.capability == built || (built < 90 && gpu.capability > built);
    if runs {
        return Ok(());
    }
    let Gpu { ordinal, name, capability, .. } = gpu;
    Err(failed(
        *ordinal,
        format!(
            "{name} has compute capability {}, the kernels here are for {}; build them with \
             CUDA_COMPUTE_CAP={capability}",
            dotted(*capability),
            dotted(built),
        ),
    ))
}

fn dotted(capability: u32) -> String {
    format!("{}.{}", capability / 10, capability % 10)
}

fn failed(ordinal: usize, reason: String) -> CandleError {
    CandleError::Gpu { ordinal, reason }
}

/// Errors of candle may carry a backtrace.
fn first_line(error: &impl std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(feature = "candle-cuda")]
mod driver {
    use candle_core::cuda_backend::cudarc::driver::CudaContext;

    use super::{CandleError, Gpu, failed, first_line};

    pub(super) fn count() -> Result<usize, CandleError> {
        let count = CudaContext::device_count().map_err(|error| failed(0, first_line(&error)))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    pub(super) fn look_at(ordinal: usize) -> Result<Gpu, CandleError> {
        let look = || {
            let context = CudaContext::new(ordinal)?;
            let (major, minor) = context.compute_capability()?;
            let (free, total) = context.mem_get_info()?;
            Ok(Gpu {
                ordinal,
                name: context.name()?,
                capability: (major * 10 + minor) as u32,
                free_bytes: free as u64,
                total_bytes: total as u64,
            })
        };
        look().map_err(|error: candle_core::cuda_backend::cudarc::driver::DriverError| {
            failed(ordinal, first_line(&error))
        })
    }
}

#[cfg(not(feature = "candle-cuda"))]
mod driver {
    use super::{CandleError, Gpu, failed};

    #[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
    pub(super) fn count() -> Result<usize, CandleError> {
        Ok(0)
    }

    pub(super) fn look_at(ordinal: usize) -> Result<Gpu, CandleError> {
        Err(failed(ordinal, "this library is built without CUDA".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(capability: u32, built_for: Option<&str>) -> Option<String> {
        let (free_bytes, total_bytes) = (1, 2);
        let name = "NVIDIA A100".to_owned();
        let gpu = Gpu { ordinal: 1, name, capability, free_bytes, total_bytes };
        check_capability(&gpu, built_for).err().map(|error| error.to_string())
    }

    #[test]
    fn kernels_for_9_0_run_on_that_alone() {
        assert_eq!(refusal(90, Some("90")), None);
        assert_eq!(
            refusal(80, Some("90")).unwrap(),
            "Cannot compute on cuda:1: NVIDIA A100 has compute capability 8.0, the kernels here \
             are for 9.0; build them with CUDA_COMPUTE_CAP=80"
        );
        assert!(refusal(100, Some("90")).is_some());
    }

    #[test]
    fn kernels_for_8_0_run_on_later_gpus_too() {
        assert_eq!(refusal(89, Some("80")), None);
        assert!(refusal(75, Some("80")).is_some());
        assert_eq!(refusal(75, None), None);
    }

    #[test]
    #[cfg(not(feature = "candle-cuda"))]
    fn without_the_feature_there_is_no_gpu() {
        assert_eq!(all().unwrap(), []);
        assert_eq!(
            open(0).err().unwrap().to_string(),
            "Cannot compute on cuda:0: this library is built without CUDA"
        );
    }
}
