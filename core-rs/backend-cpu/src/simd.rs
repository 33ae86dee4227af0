//! Sixteen lanes of arithmetic, the same on every instruction set.
//!
//! A kernel is written once, over [`Simd`], and compiled once for each instruction set. Every
//! operation is defined to the bit: integer dot products are exact, float operations are the
//! single IEEE operation that they name, and [`Simd::sum`] adds in one fixed tree. So all
//! instruction sets give the same bytes, whatever their register width.

pub mod portable;
#[cfg(target_arch = "x86_64")]
pub mod x86;
#[cfg(target_arch = "x86_64")]
pub mod ymm;
#[cfg(target_arch = "x86_64")]
pub mod zmm;

/// Lanes of a float or integer vector.
pub const LANES: usize = 16;

/// Lane-wise arithmetic. A value of an implementing type proves that the CPU has its instructions.
pub trait Simd: Copy {
    /// Sixteen `f32`.
    type F: Copy;
    /// Sixteen `i32`.
    type I: Copy;
    /// Sixty-four bytes: sixteen lanes of four.
    type B: Copy;
    /// Values of sixteen lanes that registers hold at once.
    const REGISTERS: usize;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// Loads sixteen values.
    fn load(self, x: &[f32; LANES]) -> Self::F;
    /// Stores sixteen values.
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    /// Widens sixteen IEEE half-precision values.
    fn load_f16(self, x: &[u16; LANES]) -> Self::F;
    /// Rounds to IEEE half precision, ties to even.
    fn store_f16(self, x: Self::F, to: &mut [u16; LANES]);
    /// `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`.
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The larger of each pair.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller of each pair.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Sum of the lanes: lane `i` with `i + 8`, then `i + 4`, `i + 2`, `i + 1`.
    fn sum(self, x: Self::F) -> f32;
    /// Largest lane.
    fn largest(self, x: Self::F) -> f32;
    /// Nearest integer, ties to even.
    fn round(self, x: Self::F) -> Self::I;
    /// `2^x` for whole `x` in `-126..=127`.
    fn exp2i(self, x: Self::I) -> Self::F;

    /// All lanes `x`.
    fn splat_i(self, x: i32) -> Self::I;
    /// Widens to `f32`.
    fn float(self, x: Self::I) -> Self::F;
    /// Shifts left by `BITS`.
    fn shift_left_i<const BITS: u32>(self, x: Self::I) -> Self::I;
    /// Sum of the lanes.
    fn sum_i(self, x: Self::I) -> i32;
    /// Keeps the low byte of each lane.
    fn store_i8(self, x: Self::I, to: &mut [i8; LANES]);

    /// Loads 64 bytes.
    fn bytes(self, x: &[u8; 64]) -> Self::B;
    /// `(x >> SHIFT) & mask` in each byte; the mask must clear what crosses from the next byte.
    fn shift_mask<const SHIFT: i32>(self, x: Self::B, mask: u8) -> Self::B;
    /// `x | (high << SHIFT)`, where no bit of `high` leaves its byte.
    fn or_shifted<const SHIFT: i32>(self, x: Self::B, high: Self::B) -> Self::B;
    /// Sets `BIT` in byte `i` where bit `i` of the little-endian `mask` is set.
    fn or_bits<const BIT: u8>(self, x: Self::B, mask: &[u8; 8]) -> Self::B;

    /// `table[index]` for each byte of `indices`, all below 16.
    fn lookup(self, table: &[u8; 16], indices: Self::B) -> Self::B;

    /// The same four bytes in each lane.
    fn quad(self, x: &[i8; 4]) -> Self::I;
    /// Adds the dot product of each lane's four unsigned weights, at most 63, with four signed
    /// activations.
    fn dot(self, acc: Self::I, weights: Self::B, x: Self::I) -> Self::I;
    /// Where a sum over [`Simd::dot_biased`] starts, given minus the sum of the activations.
    fn biased_start(self, negated_sum: i32) -> Self::I;
    /// Like [`Simd::dot`] for bytes `weight + 128`, activations in `-127..=127`. From
    /// [`Simd::biased_start`] on, the whole sum is that of the weights themselves.
    fn dot_biased(self, acc: Self::I, weights: Self::B, x: Self::I) -> Self::I;

    /// The same two bfloat16 in each lane, the first in the low half.
    fn splat_pair(self, x: u32) -> Self::B;
    /// Widens the bfloat16 in the low half of each lane.
    fn even(self, x: Self::B) -> Self::F;
    /// Widens the bfloat16 in the high half of each lane.
    fn odd(self, x: Self::B) -> Self::F;
    /// Adds the products of each lane's two bfloat16: the odd one by `fma`, then the even one.
    ///
    /// That is `VDPBF16PS` (Intel SDM, volume 2) but for denormal numbers, which the instruction
    /// takes and gives as zero: the caller must see to it that none arises.
    #[inline(always)]
    fn dot_pairs(self, acc: Self::F, weights: Self::B, x: Self::B) -> Self::F {
        let acc = self.fma(self.odd(weights), self.odd(x), acc);
        self.fma(self.even(weights), self.even(x), acc)
    }

    /// Asks for the cache line at `x` into the second-level cache; `x` need not be a valid address.
    fn prefetch<T>(self, x: *const T);

    /// Widens sixteen bytes.
    fn load_i8(self, x: &[i8; LANES]) -> Self::F;
}

/// How far before its use a weight is asked for, bytes.
const AHEAD: usize = 4096;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for what lies [`AHEAD`] bytes behind `item`, one of many that are read in order.
///
/// The processor's own prefetchers lose a stream in a loop that computes long on each item, and its
/// miss buffers of the first-level cache are too few: the lines go to the second level.
#[inline(always)]
pub fn prefetch_ahead<S: Simd, T>(simd: S, item: &T) {
    let ahead = std::ptr::from_ref(item).wrapping_add(AHEAD.div_ceil(size_of::<T>()));
    for line in 0..size_of::<T>().div_ceil(LINE) {
        simd.prefetch(ahead.cast::<u8>().wrapping_add(line * LINE));
    }
}
