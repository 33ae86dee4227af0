//! Scales of a tile and what each type adds to its products.

use half::f16;

use super::RowBlock;
use crate::activation::{ActivationBlock, part};
use crate::simd::{LANES, Simd};

/// How quantized weights become weights.
///
/// With `dot` the exact integer sum over a part of a block, an output advances by
/// `fma(dot, scale * x.scale, out)`, and where there are offsets then by
/// `fma(offset, x.sum, out)`: one order, on every instruction set and for any number of tokens.
pub trait Scales: Copy + Send + Sync + 'static {
    /// Parts of a block of 32 columns that have a scale of their own: 1 or 2.
    const SUBS: usize;
    /// Whether offsets are stored.
    const OFFSETS: bool;
    /// Whether weights are bytes plus 128.
    const BIASED: bool;
    /// The quantized value that stands for zero, before any offset.
    const ZERO: i32;
    /// Packs sixteen rows.
    fn pack(rows: &[RowBlock; LANES]) -> Self;
    /// Scales of part `sub`.
    fn scale<S: Simd>(&self, simd: S, sub: usize) -> S::F;
    /// Offsets of part `sub`; zero where none are stored.
    fn offset<S: Simd>(&self, simd: S, sub: usize) -> S::F;
    /// Where the integer sum of part `sub` starts.
    fn start<S: Simd>(simd: S, x: &ActivationBlock, sub: usize) -> S::I;
}

/// Half-precision values of one part of sixteen rows.
fn halves(rows: &[RowBlock; LANES], value: impl Fn(&RowBlock) -> f32) -> [u16; LANES] {
    std::array::from_fn(|lane| f16::from_f32(value(&rows[lane])).to_bits())
}

/// `scale * (q - 2^SHIFT)`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Symmetric<const SUBS: usize, const SHIFT: u32>([[u16; LANES]; SUBS]);

impl<const SUBS: usize, const SHIFT: u32> Scales for Symmetric<SUBS, SHIFT> {
    const SUBS: usize = SUBS;
    const OFFSETS: bool = false;
    const BIASED: bool = false;
    const ZERO: i32 = 1 << SHIFT;

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        Self(std::array::from_fn(|sub| halves(rows, |row| row.scale[sub])))
    }
    #[inline(always)]
    fn scale<S: Simd>(&self, simd: S, sub: usize) -> S::F {
        simd.load_f16(&self.0[sub])
    }
    #[inline(always)]
    fn offset<S: Simd>(&self, simd: S, _sub: usize) -> S::F {
        simd.splat(0.0)
    }
    #[inline(always)]
    fn start<S: Simd>(simd: S, x: &ActivationBlock, sub: usize) -> S::I {
        simd.shift_left_i::<SHIFT>(simd.splat_i(x.negated_sums[part(SUBS, sub)]))
    }
}

/// `scale * (q - 128)`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Biased([u16; LANES]);

impl Scales for Biased {
    const SUBS: usize = 1;
    const OFFSETS: bool = false;
    const BIASED: bool = true;
    const ZERO: i32 = 128;

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        Self(halves(rows, |row| row.scale[0]))
    }
    #[inline(always)]
    fn scale<S: Simd>(&self, simd: S, _sub: usize) -> S::F {
        simd.load_f16(&self.0)
    }
    #[inline(always)]
    fn offset<S: Simd>(&self, simd: S, _sub: usize) -> S::F {
        simd.splat(0.0)
    }
    #[inline(always)]
    fn start<S: Simd>(simd: S, x: &ActivationBlock, _sub: usize) -> S::I {
        simd.biased_start(x.negated_sums[0])
    }
}

/// `scale * q + offset`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Affine<const SUBS: usize> {
    scales: [[u16; LANES]; SUBS],
    offsets: [[u16; LANES]; SUBS],
}

impl<const SUBS: usize> Scales for Affine<SUBS> {
    const SUBS: usize = SUBS;
    const OFFSETS: bool = true;
    const BIASED: bool = false;
    const ZERO: i32 = 0;

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        Self {
            scales: std::array::from_fn(|sub| halves(rows, |row| row.scale[sub])),
            offsets: std::array::from_fn(|sub| halves(rows, |row| row.offset[sub])),
        }
    }
    #[inline(always)]
    fn scale<S: Simd>(&self, simd: S, sub: usize) -> S::F {
        simd.load_f16(&self.scales[sub])
    }
    #[inline(always)]
    fn offset<S: Simd>(&self, simd: S, sub: usize) -> S::F {
        simd.load_f16(&self.offsets[sub])
    }
    #[inline(always)]
    fn start<S: Simd>(simd: S, _x: &ActivationBlock, _sub: usize) -> S::I {
        simd.splat_i(0)
    }
}
