//! AVX2 with FMA and F16C: two registers hold sixteen lanes.

#[allow(clippy::wildcard_imports, reason = "one instruction set, named by the module")]
use std::arch::x86_64::*;

use super::{LANES, Simd};
use crate::isa::Kernel;

/// Proof that the CPU has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, when the CPU has the instructions and the system saves their registers.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        found.then_some(Self(()))
    }

    /// Runs a kernel compiled for these instructions.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn compiled<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: `self` proves that the CPU has the enabled features.
        unsafe { compiled(self, kernel) }
    }
}

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

impl Simd for Avx2 {
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
        fn dot(acc: Ints, weights: Ints, x: Ints) -> Ints {
            let ones = _mm256_set1_epi16(1);
            let low = _mm256_madd_epi16(_mm256_maddubs_epi16(weights[0], x[0]), ones);
            let high = _mm256_madd_epi16(_mm256_maddubs_epi16(weights[1], x[1]), ones);
            [_mm256_add_epi32(acc[0], low), _mm256_add_epi32(acc[1], high)]
        }
        fn biased_start(_negated_sum: i32) -> Ints { [_mm256_setzero_si256(); 2] }
        fn dot_biased(acc: Ints, weights: Ints, x: Ints) -> Ints {
            // |w| * (x * sign(w)): a pair is at most 2 * 128 * 127, which 16 bits hold.
            let flip = _mm256_set1_epi8(-128);
            let ones = _mm256_set1_epi16(1);
            let low = _mm256_xor_si256(weights[0], flip);
            let high = _mm256_xor_si256(weights[1], flip);
            let low = _mm256_maddubs_epi16(_mm256_abs_epi8(low), _mm256_sign_epi8(x[0], low));
            let high = _mm256_maddubs_epi16(_mm256_abs_epi8(high), _mm256_sign_epi8(x[1], high));
            [
                _mm256_add_epi32(acc[0], _mm256_madd_epi16(low, ones)),
                _mm256_add_epi32(acc[1], _mm256_madd_epi16(high, ones)),
            ]
        }
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
        unsafe { _mm_prefetch::<_MM_HINT_T0>(x.cast()) }
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
