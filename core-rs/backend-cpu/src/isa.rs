//! Which instruction set this CPU gets, decided once at run time.

use crate::error::CpuError;
use crate::simd::{Simd, portable::Portable};
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2::Avx2, avx512::Avx512};

/// A piece of arithmetic, written once and compiled for each instruction set.
///
/// Implementations must be `#[inline(always)]` all the way down: only code that is inlined into
/// [`Isa::run`]'s own function is compiled with its instructions.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// Computes it.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set that this CPU has.
#[derive(Clone, Copy, Debug)]
pub enum Isa {
    /// Plain Rust.
    Portable(Portable),
    /// AVX2, FMA, F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512 with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Isa {
    /// All that this CPU has, the best first.
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            found.extend(Avx512::detect().map(Self::Avx512));
            found.extend(Avx2::detect().map(Self::Avx2));
        }
        found.push(Self::Portable(Portable));
        found
    }

    /// The one of this name; the best when none is named.
    ///
    /// # Errors
    /// [`CpuError::Isa`] when there is no such set, or this CPU lacks it.
    pub fn named(name: Option<&str>) -> Result<Self, CpuError> {
        let Some(name) = name else { return Ok(Self::best()) };
        let available = Self::available();
        available.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| CpuError::Isa {
            name: name.to_owned(),
            available: available.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The best of them.
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// Name for logs: `avx512-vnni`, `avx2`, `portable`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512-vnni",
        }
    }

    /// Runs `kernel` with these instructions.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable(simd) => kernel.run(simd),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => simd.run(kernel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_this_cpu_is_found_by_its_name_and_portable_is_always_there() {
        for isa in Isa::available() {
            assert_eq!(Isa::named(Some(isa.name())).unwrap().name(), isa.name());
        }
        assert_eq!(Isa::named(Some("portable")).unwrap().name(), "portable");
        assert_eq!(Isa::named(None).unwrap().name(), Isa::best().name());
    }

    #[test]
    fn an_unknown_set_is_refused_with_those_that_there_are() {
        let message = Isa::named(Some("mmx")).unwrap_err().to_string();
        assert!(message.starts_with("Cannot compute with \"mmx\": "), "{message}");
        assert!(message.contains("portable; set --cpu-isa"), "{message}");
    }
}
