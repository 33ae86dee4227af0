//! The definition of every operation, in plain Rust: the fallback and the oracle.

use super::{LANES, Simd};
use half::f16;

/// No instructions beyond the target's baseline.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

fn map<T: Copy, U: Copy>(x: [T; LANES], f: impl Fn(T) -> U) -> [U; LANES] {
    x.map(f)
}

fn zip(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

fn fold(x: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut x = x;
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            x[lane] = f(x[lane], x[lane + half]);
        }
    }
    x[0]
}

fn dot(
    acc: [i32; LANES],
    weights: [u8; 64],
    x: [i32; LANES],
    weight: impl Fn(u8) -> i32,
) -> [i32; LANES] {
    std::array::from_fn(|lane| {
        let x = x[lane].to_le_bytes();
        (0..4).fold(acc[lane], |sum, byte| {
            sum + weight(weights[lane * 4 + byte]) * i32::from(x[byte] as i8)
        })
    })
}

impl Simd for Portable {
    type F = [f32; LANES];
    type I = [i32; LANES];
    type B = [u8; 64];
    const REGISTERS: usize = 8;

    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    fn load(self, x: &[f32; LANES]) -> Self::F {
        *x
    }
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        *to = x;
    }
    fn load_f16(self, x: &[u16; LANES]) -> Self::F {
        map(*x, |bits| f16::from_bits(bits).to_f32())
    }
    fn store_f16(self, x: Self::F, to: &mut [u16; LANES]) {
        *to = map(x, |value| f16::from_f32(value).to_bits());
    }
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a / b)
    }
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    fn sum(self, x: Self::F) -> f32 {
        fold(x, |a, b| a + b)
    }
    fn largest(self, x: Self::F) -> f32 {
        fold(x, |a, b| if a > b { a } else { b })
    }
    fn round(self, x: Self::F) -> Self::I {
        map(x, |value| value.round_ties_even() as i32)
    }
    fn exp2i(self, x: Self::I) -> Self::F {
        map(x, |power| f32::from_bits((power.wrapping_add(127) << 23) as u32))
    }

    fn splat_i(self, x: i32) -> Self::I {
        [x; LANES]
    }
    fn float(self, x: Self::I) -> Self::F {
        map(x, |value| value as f32)
    }
    fn shift_left_i<const BITS: u32>(self, x: Self::I) -> Self::I {
        map(x, |value| value << BITS)
    }
    fn sum_i(self, x: Self::I) -> i32 {
        x.iter().sum()
    }
    fn store_i8(self, x: Self::I, to: &mut [i8; LANES]) {
        *to = map(x, |value| value as i8);
    }

    fn bytes(self, x: &[u8; 64]) -> Self::B {
        *x
    }
    fn shift_mask<const SHIFT: i32>(self, x: Self::B, mask: u8) -> Self::B {
        x.map(|byte| (byte >> SHIFT) & mask)
    }
    fn or_shifted<const SHIFT: i32>(self, x: Self::B, high: Self::B) -> Self::B {
        std::array::from_fn(|index| x[index] | (high[index] << SHIFT))
    }
    fn or_bits<const BIT: u8>(self, x: Self::B, mask: &[u8; 8]) -> Self::B {
        std::array::from_fn(|index| x[index] | (((mask[index / 8] >> (index % 8)) & 1) * BIT))
    }

    fn quad(self, x: &[i8; 4]) -> Self::I {
        [i32::from_le_bytes(x.map(|byte| byte as u8)); LANES]
    }
    fn dot(self, acc: Self::I, weights: Self::B, x: Self::I) -> Self::I {
        dot(acc, weights, x, i32::from)
    }
    fn biased_start(self, _negated_sum: i32) -> Self::I {
        [0; LANES]
    }
    fn dot_biased(self, acc: Self::I, weights: Self::B, x: Self::I) -> Self::I {
        dot(acc, weights, x, |weight| i32::from(weight) - 128)
    }

    fn lookup(self, table: &[u8; 16], indices: Self::B) -> Self::B {
        indices.map(|index| table[index as usize])
    }

    fn splat_pair(self, x: u32) -> Self::B {
        let bytes = x.to_le_bytes();
        std::array::from_fn(|index| bytes[index % 4])
    }
    fn even(self, x: Self::B) -> Self::F {
        std::array::from_fn(|lane| f32::from_le_bytes([0, 0, x[lane * 4], x[lane * 4 + 1]]))
    }
    fn odd(self, x: Self::B) -> Self::F {
        std::array::from_fn(|lane| f32::from_le_bytes([0, 0, x[lane * 4 + 2], x[lane * 4 + 3]]))
    }

    fn prefetch<T>(self, _x: *const T) {}

    fn load_i8(self, x: &[i8; LANES]) -> Self::F {
        map(*x, f32::from)
    }
}
