//! The instruction sets of x86-64: what proves each one, and what it does in its own way.

#[allow(clippy::wildcard_imports, reason = "one architecture, named by the module")]
use std::arch::x86_64::*;

use super::Simd;
use super::ymm::{ByteDot, Ymm};
use super::zmm::{PairDot, Zmm};
use crate::isa::Kernel;

/// A type whose value proves that the CPU has some features.
macro_rules! instruction_set {
    ($(#[$doc:meta])* $name:ident, $registers:ident, $($feature:tt),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name(());

        impl $name {
            /// The proof, when the CPU has the instructions and the system saves their registers.
            pub fn detect() -> Option<Self> {
                let found = $(is_x86_feature_detected!($feature))&&+;
                found.then_some(Self(()))
            }

            /// Runs a kernel compiled for these instructions.
            pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
                #[target_feature($(enable = $feature),+)]
                fn compiled<K: Kernel>(simd: $registers<$name>, kernel: K) -> K::Output {
                    kernel.run(simd)
                }
                // SAFETY: `self` proves that the CPU has the enabled features.
                unsafe { compiled($registers(self), kernel) }
            }
        }
    };
}

instruction_set!(
    /// AVX2 with FMA and F16C.
    Avx2, Ymm, "avx2", "fma", "f16c"
);
instruction_set!(
    /// AVX2 with the integer dot product of AVX-VNNI, in sixteen registers.
    AvxVnni, Ymm, "avx2", "fma", "f16c", "avxvnni"
);
instruction_set!(
    /// AVX-512's instructions on 256-bit registers, with VNNI, in thirty-two registers.
    Avx512Vl, Ymm, "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512vnni"
);
instruction_set!(
    /// AVX-512 with VNNI.
    Avx512, Zmm, "avx512f", "avx512bw", "avx512vl", "avx512vnni"
);
instruction_set!(
    /// AVX-512 with VNNI and BF16.
    Avx512Bf16, Zmm, "avx512f", "avx512bw", "avx512vl", "avx512vnni", "avx512bf16"
);

impl ByteDot for Avx2 {
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn dot(self, acc: __m256i, weights: __m256i, x: __m256i) -> __m256i {
        // SAFETY: `self` proves the features.
        unsafe {
            let pairs = _mm256_maddubs_epi16(weights, x);
            _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
    #[inline(always)]
    fn biased_start(self, _negated_sum: i32) -> __m256i {
        // SAFETY: `self` proves the features.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    fn dot_biased(self, acc: __m256i, weights: __m256i, x: __m256i) -> __m256i {
        // SAFETY: `self` proves the features.
        unsafe {
            // |w| * (x * sign(w)): a pair is at most 2 * 128 * 127, which 16 bits hold.
            let signed = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
            self.dot(acc, _mm256_abs_epi8(signed), _mm256_sign_epi8(x, signed))
        }
    }
}

/// The integer dot product as one instruction, in either encoding.
macro_rules! vnni {
    ($name:ident, $instruction:ident, $registers:literal) => {
        impl ByteDot for $name {
            const REGISTERS: usize = $registers;

            #[inline(always)]
            fn dot(self, acc: __m256i, weights: __m256i, x: __m256i) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { $instruction(acc, weights, x) }
            }
            #[inline(always)]
            fn biased_start(self, negated_sum: i32) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { _mm256_slli_epi32::<7>(_mm256_set1_epi32(negated_sum)) }
            }
            #[inline(always)]
            fn dot_biased(self, acc: __m256i, weights: __m256i, x: __m256i) -> __m256i {
                self.dot(acc, weights, x)
            }
        }
    };
}
vnni!(AvxVnni, _mm256_dpbusd_avx_epi32, 8);
vnni!(Avx512Vl, _mm256_dpbusd_epi32, 16);

impl PairDot for Avx512 {
    #[inline(always)]
    fn dot_pairs(self, acc: __m512, weights: __m512i, x: __m512i) -> __m512 {
        let simd = Zmm(self);
        let acc = simd.fma(simd.odd(weights), simd.odd(x), acc);
        simd.fma(simd.even(weights), simd.even(x), acc)
    }
}

impl PairDot for Avx512Bf16 {
    #[inline(always)]
    fn dot_pairs(self, acc: __m512, weights: __m512i, x: __m512i) -> __m512 {
        // SAFETY: `self` proves the features; the casts keep every bit.
        unsafe {
            let weights = std::mem::transmute::<__m512i, __m512bh>(weights);
            _mm512_dpbf16_ps(acc, weights, std::mem::transmute::<__m512i, __m512bh>(x))
        }
    }
}
