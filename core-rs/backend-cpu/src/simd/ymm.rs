//! 256-bit registers: two of them hold sixteen lanes.
//!
//! The instruction sets of this width differ in the integer dot product alone ([`ByteDot`]).

#[allow(clippy::wildcard_imports, reason = "one register width, named by the module")]
use std::arch::x86_64::*;

use super::{LANES, Simd};

/// Eight lanes of the integer dot product. A value proves that the CPU has AVX2, FMA, F16C and
/// what the dot product needs.
pub trait ByteDot: Copy {
    /// [`Simd::REGISTERS`].
    const REGISTERS: usize;
    /// [`Simd::dot`].
    fn dot(self, acc: __m256i, weights: __m256i, x: __m256i) -> __m256i;
    /// [`Simd::biased_start`].
    fn biased_start(self, negated_sum: i32) -> __m256i;
    /// [`Simd::dot_biased`].
    fn dot_biased(self, acc: __m256i, weights: __m256i, x: __m256i) -> __m256i;
}

/// Two registers of an instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Ymm<P>(pub P);

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

type Floats = [__m256; 2];
type Ints = [__m256i; 2];

impl<P: ByteDot> Simd for Ymm<P> {
    const REGISTERS: usize = P::REGISTERS;

    type F = Floats;
    type I = Ints;
    type B = Ints;

    intrinsics! {
        fn splat(x: f32) -> Floats { [_mm256_set1_ps(x); 2] }
        fn load(x: &[f32; LANES]) -> Floats {
            [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))]
        }
        fn store(x: Floats, to: &mut [f32; LANES]) {
            _mm256_storeu_ps(to.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x[1]);
        }
        fn load_f16(x: &[u16; LANES]) -> Floats {
            let x: *const __m128i = x.as_ptr().cast();
            [_mm256_cvtph_ps(_mm_loadu_si128(x)), _mm256_cvtph_ps(_mm_loadu_si128(x.add(1)))]
        }
        fn store_f16(x: Floats, to: &mut [u16; LANES]) {
            let to: *mut __m128i = to.as_mut_ptr().cast();
            _mm_storeu_si128(to, _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x[0]));
            _mm_storeu_si128(to.add(1), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x[1]));
        }
        fn add(a: Floats, b: Floats) -> Floats {
            [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])]
        }
        fn sub(a: Floats, b: Floats) -> Floats {
            [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])]
        }
        fn mul(a: Floats, b: Floats) -> Floats {
            [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])]
        }
        fn div(a: Floats, b: Floats) -> Floats {
            [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])]
        }
        fn fma(a: Floats, b: Floats, c: Floats) -> Floats {
            [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])]
        }
        fn max(a: Floats, b: Floats) -> Floats {
            [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])]
        }
        fn min(a: Floats, b: Floats) -> Floats {
            [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])]
        }
        fn sum(x: Floats) -> f32 {
            let x = _mm256_add_ps(x[0], x[1]);
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
        fn largest(x: Floats) -> f32 {
            let x = _mm256_max_ps(x[0], x[1]);
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
        fn round(x: Floats) -> Ints { [_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1])] }
        fn exp2i(x: Ints) -> Floats {
            let bias = _mm256_set1_epi32(127);
            [
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(x[0], bias))),
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(x[1], bias))),
            ]
        }
        fn splat_i(x: i32) -> Ints { [_mm256_set1_epi32(x); 2] }
        fn float(x: Ints) -> Floats { [_mm256_cvtepi32_ps(x[0]), _mm256_cvtepi32_ps(x[1])] }
        fn sum_i(x: Ints) -> i32 {
            let x = _mm256_add_epi32(x[0], x[1]);
            let x = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            let x = _mm_add_epi32(x, _mm_shuffle_epi32::<0b01_00_11_10>(x));
            _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32::<1>(x)))
        }
        fn store_i8(x: Ints, to: &mut [i8; LANES]) {
            let mut wide = [0i32; LANES];
            _mm256_storeu_si256(wide.as_mut_ptr().cast(), x[0]);
            _mm256_storeu_si256(wide.as_mut_ptr().add(8).cast(), x[1]);
            for (to, wide) in to.iter_mut().zip(wide) {
                *to = wide as i8;
            }
        }
        fn bytes(x: &[u8; 64]) -> Ints {
            let x: *const __m256i = x.as_ptr().cast();
            [_mm256_loadu_si256(x), _mm256_loadu_si256(x.add(1))]
        }
        fn quad(x: &[i8; 4]) -> Ints {
            [_mm256_set1_epi32(i32::from_le_bytes(x.map(|byte| byte as u8))); 2]
        }
        fn lookup(table: &[u8; 16], indices: Ints) -> Ints {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            [_mm256_shuffle_epi8(table, indices[0]), _mm256_shuffle_epi8(table, indices[1])]
        }
        fn splat_pair(x: u32) -> Ints { [_mm256_set1_epi32(x as i32); 2] }
        fn even(x: Ints) -> Floats {
            [
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(x[0])),
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(x[1])),
            ]
        }
        fn odd(x: Ints) -> Floats {
            let mask = _mm256_set1_epi32(0xFFFF_0000_u32 as i32);
            [
                _mm256_castsi256_ps(_mm256_and_si256(x[0], mask)),
                _mm256_castsi256_ps(_mm256_and_si256(x[1], mask)),
            ]
        }
    }

    #[inline(always)]
    fn dot(self, acc: Ints, weights: Ints, x: Ints) -> Ints {
        [self.0.dot(acc[0], weights[0], x[0]), self.0.dot(acc[1], weights[1], x[1])]
    }
    #[inline(always)]
    fn biased_start(self, negated_sum: i32) -> Ints {
        [self.0.biased_start(negated_sum); 2]
    }
    #[inline(always)]
    fn dot_biased(self, acc: Ints, weights: Ints, x: Ints) -> Ints {
        [self.0.dot_biased(acc[0], weights[0], x[0]), self.0.dot_biased(acc[1], weights[1], x[1])]
    }
    #[inline(always)]
    fn shift_left_i<const BITS: u32>(self, x: Ints) -> Ints {
        // SAFETY: `self` proves the features.
        unsafe {
            let bits = _mm_cvtsi32_si128(BITS as i32);
            [_mm256_sll_epi32(x[0], bits), _mm256_sll_epi32(x[1], bits)]
        }
    }
    #[inline(always)]
    fn shift_mask<const SHIFT: i32>(self, x: Ints, mask: u8) -> Ints {
        // SAFETY: `self` proves the features.
        unsafe {
            let (bits, mask) = (_mm_cvtsi32_si128(SHIFT), _mm256_set1_epi8(mask as i8));
            [
                _mm256_and_si256(_mm256_srl_epi16(x[0], bits), mask),
                _mm256_and_si256(_mm256_srl_epi16(x[1], bits), mask),
            ]
        }
    }
    #[inline(always)]
    fn or_shifted<const SHIFT: i32>(self, x: Ints, high: Ints) -> Ints {
        // SAFETY: `self` proves the features.
        unsafe {
            let bits = _mm_cvtsi32_si128(SHIFT);
            [
                _mm256_or_si256(x[0], _mm256_sll_epi16(high[0], bits)),
                _mm256_or_si256(x[1], _mm256_sll_epi16(high[1], bits)),
            ]
        }
    }
    #[inline(always)]
    fn or_bits<const BIT: u8>(self, x: Ints, mask: &[u8; 8]) -> Ints {
        // SAFETY: `self` proves the features.
        unsafe {
            // Byte i of each half takes mask byte i / 8, then keeps its own bit of it.
            let spread = _mm256_setr_epi8(
                0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3,
                3, 3, 3, 3,
            );
            let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
            let bit = _mm256_set1_epi8(BIT as i8);
            let word = u64::from_le_bytes(*mask);
            let low = _mm256_shuffle_epi8(_mm256_set1_epi32(word as i32), spread);
            let high = _mm256_shuffle_epi8(_mm256_set1_epi32((word >> 32) as i32), spread);
            let low = _mm256_cmpeq_epi8(_mm256_and_si256(low, own), own);
            let high = _mm256_cmpeq_epi8(_mm256_and_si256(high, own), own);
            [
                _mm256_or_si256(x[0], _mm256_and_si256(low, bit)),
                _mm256_or_si256(x[1], _mm256_and_si256(high, bit)),
            ]
        }
    }
    #[inline(always)]
    fn prefetch<T>(self, x: *const T) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(x.cast()) }
    }
    #[inline(always)]
    fn load_i8(self, x: &[i8; LANES]) -> Floats {
        // SAFETY: `self` proves the features; the load stays inside the array.
        unsafe {
            let x = _mm_loadu_si128(x.as_ptr().cast());
            let high = _mm_srli_si128::<8>(x);
            [x, high].map(|half| _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half)))
        }
    }
}
