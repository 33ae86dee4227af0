//! Whether there is a driver, new enough, and with how many GPUs: asked before anything else, since
//! the bindings panic where there is none.

use cudarc::driver::{result, sys};

use crate::CudaError;

/// What `cuDriverGetVersion` must say at least: CUDA 13.0, which driver 580 brings (CUDA toolkit
/// release notes, table 3).
const NEEDED: u32 = 13_000;

/// The questions to a driver; tests answer them without one.
pub(super) trait Probe {
    /// Whether its library loads.
    fn is_present(&self) -> bool;
    /// The CUDA that it knows, `13000` for 13.0.
    fn version(&self) -> Result<u32, String>;
    /// Starts it, and counts GPUs.
    fn count(&self) -> Result<usize, String>;
}

/// The machine's own driver.
pub(super) struct Machine;

impl Probe for Machine {
    fn is_present(&self) -> bool {
        // SAFETY: it loads libcuda, whose initializers are sound.
        unsafe { sys::is_culib_present() }
    }

    fn version(&self) -> Result<u32, String> {
        let mut version = 0;
        // SAFETY: the library is present, and the pointer is that of a local.
        let status = unsafe { sys::cuDriverGetVersion(&raw mut version) };
        status.result().map_err(|error| error.to_string())?;
        Ok(version as u32)
    }

    fn count(&self) -> Result<usize, String> {
        let count = || {
            result::init()?;
            result::device::get_count()
        };
        match count() {
            // What the driver says where it runs without any GPU.
            Err(error) if error.0 == sys::CUresult::CUDA_ERROR_NO_DEVICE => Ok(0),
            Err(error) => Err(error.to_string()),
            Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        }
    }
}

/// The number of GPUs behind a driver that is new enough.
///
/// # Errors
/// [`CudaError::NoDriver`], [`CudaError::OldDriver`] and [`CudaError::Driver`], which name GPU
/// `ordinal`.
pub(super) fn count(probe: &impl Probe, ordinal: usize) -> Result<usize, CudaError> {
    if !probe.is_present() {
        return Err(CudaError::NoDriver { ordinal });
    }
    let refused = |action| move |reason| CudaError::Driver { ordinal, action, reason };
    let version = probe.version().map_err(refused("ask for the version of the driver"))?;
    if version < NEEDED {
        let (found, needed) = (dotted(version), dotted(NEEDED));
        return Err(CudaError::OldDriver { ordinal, found, needed });
    }
    probe.count().map_err(refused("start the driver"))
}

/// `13.0` of `13000`.
fn dotted(version: u32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake {
        is_present: bool,
        version: Result<u32, String>,
        count: Result<usize, String>,
    }

    impl Probe for Fake {
        fn is_present(&self) -> bool {
            self.is_present
        }
        fn version(&self) -> Result<u32, String> {
            assert!(self.is_present, "a driver that is not there was asked");
            self.version.clone()
        }
        fn count(&self) -> Result<usize, String> {
            assert!(
                self.version.as_ref().is_ok_and(|&it| it >= NEEDED),
                "an old driver was started"
            );
            self.count.clone()
        }
    }

    fn driver() -> Fake {
        Fake { is_present: true, version: Ok(13_000), count: Ok(2) }
    }

    fn refusal(fake: &Fake) -> String {
        count(fake, 1).unwrap_err().to_string()
    }

    #[test]
    fn a_machine_without_a_driver_is_told_so_before_anything_is_asked() {
        assert_eq!(
            refusal(&Fake { is_present: false, ..driver() }),
            "Cannot compute on cuda:1: this machine has no NVIDIA driver (libcuda.so.1 was not \
             found); install driver 580 or newer, or give --device cpu"
        );
    }

    #[test]
    fn a_driver_that_is_too_old_is_not_started() {
        assert_eq!(
            refusal(&Fake { version: Ok(12_080), ..driver() }),
            "Cannot compute on cuda:1: its driver knows CUDA 12.8, the kernels need 13.0; install \
             driver 580 or newer, or give --device cpu"
        );
    }

    #[test]
    fn a_driver_that_refuses_is_quoted() {
        let fake = Fake { count: Err("CUDA_ERROR_SYSTEM_NOT_READY".to_owned()), ..driver() };
        assert_eq!(
            refusal(&fake),
            "Cannot start the driver on cuda:1: CUDA_ERROR_SYSTEM_NOT_READY"
        );
    }

    #[test]
    fn a_driver_that_is_new_enough_counts_its_gpus() {
        assert_eq!(count(&driver(), 1).unwrap(), 2);
        assert_eq!(count(&Fake { version: Ok(13_020), ..driver() }, 0).unwrap(), 2);
    }
}
