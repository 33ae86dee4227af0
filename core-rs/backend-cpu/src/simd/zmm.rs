//! 512-bit registers: one holds sixteen lanes.
//!
//! The instruction sets of this width differ in the product of bfloat16 pairs alone ([`PairDot`]).

#[allow(clippy::wildcard_imports, reason = "one register width, named by the module")]
use std::arch::x86_64::*;

use super::{LANES, Simd};

/// Sixteen lanes of the product of pairs. A value proves that the CPU has AVX-512 F, BW, VL and
/// VNNI, and what the product needs.
pub trait PairDot: Copy {
    /// [`Simd::dot_pairs`].
    fn dot_pairs(self, acc: __m512, weights: __m512i, x: __m512i) -> __m512;
}

/// A register of an instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Zmm<P>(pub P);

/// Forwards trait methods to intrinsics; `self` proves the features that each one needs.
macro_rules! intrinsics {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? $body:block)*) => {
        $(#[inline(always)]
        fn $name(self, $($arg: $type),*) $(-> $out)? {
            // SAFETY: `self` proves the features; loads and stores stay inside their array.
            unsafe { $body }
        })*
    };
}

impl<P: PairDot> Simd for Zmm<P> {
    const REGISTERS: usize = 32;

    type F = __m512;
    type I = __m512i;
    type B = __m512i;

    intrinsics! {
        fn splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
        fn load(x: &[f32; LANES]) -> __m512 { _mm512_loadu_ps(x.as_ptr()) }
        fn store(x: __m512, to: &mut [f32; LANES]) { _mm512_storeu_ps(to.as_mut_ptr(), x) }
        fn load_f16(x: &[u16; LANES]) -> __m512 {
            _mm512_cvtph_ps(_mm256_loadu_si256(x.as_ptr().cast()))
        }
        fn store_f16(x: __m512, to: &mut [u16; LANES]) {
            let half = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), half);
        }
        fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        fn sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
        fn mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        fn div(a: __m512, b: __m512) -> __m512 { _mm512_div_ps(a, b) }
        fn fma(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
        fn min(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
        fn sum(x: __m512) -> f32 {
            let high = _mm512_castsi512_ps(_mm512_alignr_epi64::<4>(
                _mm512_castps_si512(x),
                _mm512_castps_si512(x),
            ));
            let x = _mm512_castps512_ps256(_mm512_add_ps(x, high));
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
        fn largest(x: __m512) -> f32 { _mm512_reduce_max_ps(x) }
        fn round(x: __m512) -> __m512i { _mm512_cvtps_epi32(x) }
        fn exp2i(x: __m512i) -> __m512 {
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
                x,
                _mm512_set1_epi32(127),
            )))
        }
        fn splat_i(x: i32) -> __m512i { _mm512_set1_epi32(x) }
        fn float(x: __m512i) -> __m512 { _mm512_cvtepi32_ps(x) }
        fn sum_i(x: __m512i) -> i32 { _mm512_reduce_add_epi32(x) }
        fn store_i8(x: __m512i, to: &mut [i8; LANES]) {
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(x));
        }
        fn bytes(x: &[u8; 64]) -> __m512i { _mm512_loadu_si512(x.as_ptr().cast()) }
        fn quad(x: &[i8; 4]) -> __m512i {
            _mm512_set1_epi32(i32::from_le_bytes(x.map(|byte| byte as u8)))
        }
        fn dot(acc: __m512i, weights: __m512i, x: __m512i) -> __m512i {
            _mm512_dpbusd_epi32(acc, weights, x)
        }
        fn biased_start(negated_sum: i32) -> __m512i {
            _mm512_slli_epi32::<7>(_mm512_set1_epi32(negated_sum))
        }
        fn dot_biased(acc: __m512i, weights: __m512i, x: __m512i) -> __m512i {
            _mm512_dpbusd_epi32(acc, weights, x)
        }
        fn lookup(table: &[u8; 16], indices: __m512i) -> __m512i {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            _mm512_shuffle_epi8(table, indices)
        }
        fn splat_pair(x: u32) -> __m512i { _mm512_set1_epi32(x as i32) }
        fn even(x: __m512i) -> __m512 { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(x)) }
        fn odd(x: __m512i) -> __m512 {
            let mask = _mm512_set1_epi32(0xFFFF_0000_u32 as i32);
            _mm512_castsi512_ps(_mm512_and_si512(x, mask))
        }
    }

    #[inline(always)]
    fn dot_pairs(self, acc: __m512, weights: __m512i, x: __m512i) -> __m512 {
        self.0.dot_pairs(acc, weights, x)
    }

    #[inline(always)]
    fn shift_left_i<const BITS: u32>(self, x: __m512i) -> __m512i {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_slli_epi32::<BITS>(x) }
    }
    #[inline(always)]
    fn shift_mask<const SHIFT: i32>(self, x: __m512i, mask: u8) -> __m512i {
        // SAFETY: `self` proves the features.
        unsafe {
            let shifted = _mm512_srl_epi16(x, _mm_cvtsi32_si128(SHIFT));
            _mm512_and_si512(shifted, _mm512_set1_epi8(mask as i8))
        }
    }
    #[inline(always)]
    fn or_shifted<const SHIFT: i32>(self, x: __m512i, high: __m512i) -> __m512i {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_or_si512(x, _mm512_sll_epi16(high, _mm_cvtsi32_si128(SHIFT))) }
    }
    #[inline(always)]
    fn or_bits<const BIT: u8>(self, x: __m512i, mask: &[u8; 8]) -> __m512i {
        // SAFETY: `self` proves the features. The bit is clear before, so adding sets it.
        unsafe {
            _mm512_mask_add_epi8(x, u64::from_le_bytes(*mask), x, _mm512_set1_epi8(BIT as i8))
        }
    }
    #[inline(always)]
    fn prefetch<T>(self, x: *const T) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(x.cast()) }
    }
    #[inline(always)]
    fn load_i8(self, x: &[i8; LANES]) -> __m512 {
        // SAFETY: `self` proves the features; the load stays inside the array.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(x.as_ptr().cast()))) }
    }
}
