//! Which instruction sets this CPU has, found at run time; [`choice`] picks one.

pub mod choice;

#[cfg(target_arch = "x86_64")]
use crate::simd::x86::{Avx2, Avx512, Avx512Bf16, Avx512Vl, AvxVnni};
use crate::simd::{Simd, portable::Portable};

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
    /// AVX2 with AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    /// AVX-512 with VNNI, on registers of 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512Vl(Avx512Vl),
    /// AVX-512 with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// AVX-512 with VNNI and BF16.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16(Avx512Bf16),
}

impl Isa {
    /// Names of all that there are, the widest first.
    pub const NAMES: [&'static str; 6] =
        ["avx512-vnni-bf16", "avx512-vnni", "avx512vl-vnni", "avx-vnni", "avx2", "portable"];

    /// All that this CPU has, the widest first.
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            found.extend(Avx512Bf16::detect().map(Self::Avx512Bf16));
            found.extend(Avx512::detect().map(Self::Avx512));
            found.extend(Avx512Vl::detect().map(Self::Avx512Vl));
            found.extend(AvxVnni::detect().map(Self::AvxVnni));
            found.extend(Avx2::detect().map(Self::Avx2));
        }
        found.push(Self::Portable(Portable));
        found
    }

    /// The widest of them, whether or not it is the fastest.
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// Its name, one of [`Isa::NAMES`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(_) => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vl(_) => "avx512vl-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16(_) => "avx512-vnni-bf16",
        }
    }

    /// Runs `kernel` with these instructions.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable(simd) => kernel.run(simd),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vl(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16(simd) => simd.run(kernel),
        }
    }
}
