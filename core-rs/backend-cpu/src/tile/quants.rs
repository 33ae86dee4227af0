//! Quantized weights of a tile, at each bit width.
//!
//! Unpacked they are eight vectors of 64 bytes; byte `4 * r + c` of vector `g` is row `r`,
//! column `4 * g + c`.

use tgi_model::storage::IQ4_NL_VALUES;

use super::RowBlock;
use crate::simd::{LANES, Simd};

/// How the bits of a tile lie.
pub trait Quants: Copy + Send + Sync + 'static {
    /// The eight vectors.
    fn unpack<S: Simd>(&self, simd: S) -> [S::B; 8];
    /// The reverse, from sixteen rows.
    fn pack(rows: &[RowBlock; LANES]) -> Self;
}

/// The eight vectors of sixteen rows, still one byte a weight.
fn vectors(rows: &[RowBlock; LANES]) -> [[u8; 64]; 8] {
    let mut out = [[0; 64]; 8];
    for (lane, row) in rows.iter().enumerate() {
        for (vector, group) in out.iter_mut().zip(row.q.as_chunks::<4>().0) {
            vector[lane * 4..lane * 4 + 4].copy_from_slice(group);
        }
    }
    out
}

/// Bit `1 << bit` of each byte, byte `i` at bit `i`.
fn bit_plane(vector: &[u8; 64], bit: u32) -> [u8; 8] {
    let mut plane = [0; 8];
    for (out, bytes) in plane.iter_mut().zip(vector.as_chunks::<8>().0) {
        for (index, byte) in bytes.iter().enumerate() {
            *out |= ((byte >> bit) & 1) << index;
        }
    }
    plane
}

/// Two bits a weight: vector `v` holds bits `2 * i..` of the unpacked vector `4 * v + i`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Two([[u8; 64]; 2]);

impl Quants for Two {
    #[inline(always)]
    fn unpack<S: Simd>(&self, simd: S) -> [S::B; 8] {
        let (a, b) = (simd.bytes(&self.0[0]), simd.bytes(&self.0[1]));
        [
            simd.shift_mask::<0>(a, 3),
            simd.shift_mask::<2>(a, 3),
            simd.shift_mask::<4>(a, 3),
            simd.shift_mask::<6>(a, 3),
            simd.shift_mask::<0>(b, 3),
            simd.shift_mask::<2>(b, 3),
            simd.shift_mask::<4>(b, 3),
            simd.shift_mask::<6>(b, 3),
        ]
    }

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        Self::of(&vectors(rows), 0)
    }
}

impl Two {
    /// Packs bits `from..from + 2` of each byte.
    fn of(vectors: &[[u8; 64]; 8], from: u32) -> Self {
        let mut out = [[0; 64]; 2];
        for (index, vector) in vectors.iter().enumerate() {
            for (out, byte) in out[index / 4].iter_mut().zip(vector) {
                *out |= ((byte >> from) & 3) << (2 * (index % 4));
            }
        }
        Self(out)
    }
}

/// Four bits a weight: vector `v` holds the unpacked `v` low and `v + 4` high.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Four([[u8; 64]; 4]);

impl Quants for Four {
    #[inline(always)]
    fn unpack<S: Simd>(&self, simd: S) -> [S::B; 8] {
        let [a, b, c, d] = &self.0;
        let (a, b, c, d) = (simd.bytes(a), simd.bytes(b), simd.bytes(c), simd.bytes(d));
        [
            simd.shift_mask::<0>(a, 15),
            simd.shift_mask::<0>(b, 15),
            simd.shift_mask::<0>(c, 15),
            simd.shift_mask::<0>(d, 15),
            simd.shift_mask::<4>(a, 15),
            simd.shift_mask::<4>(b, 15),
            simd.shift_mask::<4>(c, 15),
            simd.shift_mask::<4>(d, 15),
        ]
    }

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        Self::of(&vectors(rows))
    }
}

impl Four {
    /// Packs the low four bits of each byte.
    fn of(vectors: &[[u8; 64]; 8]) -> Self {
        let mut out = [[0; 64]; 4];
        for (index, vector) in vectors.iter().enumerate() {
            for (out, byte) in out[index % 4].iter_mut().zip(vector) {
                *out |= (byte & 15) << (4 * (index / 4));
            }
        }
        Self(out)
    }
}

/// Four bits a weight that index [`IQ4_NL_VALUES`]; unpacked they are those values plus 128.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Indexed(Four);

/// [`IQ4_NL_VALUES`] plus 128.
const BIASED_VALUES: [u8; 16] = {
    let mut biased = [0; 16];
    let mut index = 0;
    while index < 16 {
        biased[index] = (IQ4_NL_VALUES[index] as u8) ^ 0x80;
        index += 1;
    }
    biased
};

impl Quants for Indexed {
    #[inline(always)]
    fn unpack<S: Simd>(&self, simd: S) -> [S::B; 8] {
        let mut x = self.0.unpack(simd);
        for x in &mut x {
            *x = simd.lookup(&BIASED_VALUES, *x);
        }
        x
    }

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        Self(Four::pack(rows))
    }
}

/// Sets `BIT` in each of the eight vectors from its bit plane.
#[inline(always)]
fn with_plane<S: Simd, const BIT: u8>(simd: S, x: [S::B; 8], planes: &[[u8; 8]; 8]) -> [S::B; 8] {
    let mut x = x;
    for (x, plane) in x.iter_mut().zip(planes) {
        *x = simd.or_bits::<BIT>(*x, plane);
    }
    x
}

/// The plane of `bit` of each vector.
fn planes(vectors: &[[u8; 64]; 8], bit: u32) -> [[u8; 8]; 8] {
    vectors.each_ref().map(|vector| bit_plane(vector, bit))
}

/// Three bits a weight: [`Two`] and a plane for bit 2.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Three(Two, [[u8; 8]; 8]);

impl Quants for Three {
    #[inline(always)]
    fn unpack<S: Simd>(&self, simd: S) -> [S::B; 8] {
        with_plane::<S, 4>(simd, self.0.unpack(simd), &self.1)
    }

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        let vectors = vectors(rows);
        Self(Two::of(&vectors, 0), planes(&vectors, 2))
    }
}

/// Five bits a weight: [`Four`] and a plane for bit 4.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Five(Four, [[u8; 8]; 8]);

impl Quants for Five {
    #[inline(always)]
    fn unpack<S: Simd>(&self, simd: S) -> [S::B; 8] {
        with_plane::<S, 16>(simd, self.0.unpack(simd), &self.1)
    }

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        let vectors = vectors(rows);
        Self(Four::of(&vectors), planes(&vectors, 4))
    }
}

/// Six bits a weight: [`Four`] and [`Two`] above it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Six(Four, Two);

impl Quants for Six {
    #[inline(always)]
    fn unpack<S: Simd>(&self, simd: S) -> [S::B; 8] {
        let mut x = self.0.unpack(simd);
        let high = self.1.unpack(simd);
        for (x, high) in x.iter_mut().zip(high) {
            *x = simd.or_shifted::<4>(*x, high);
        }
        x
    }

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        let vectors = vectors(rows);
        Self(Four::of(&vectors), Two::of(&vectors, 4))
    }
}

/// A byte a weight.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub struct Eight([[u8; 64]; 8]);

impl Quants for Eight {
    #[inline(always)]
    fn unpack<S: Simd>(&self, simd: S) -> [S::B; 8] {
        let mut x = [simd.bytes(&self.0[0]); 8];
        for (x, vector) in x.iter_mut().zip(&self.0) {
            *x = simd.bytes(vector);
        }
        x
    }

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        Self(vectors(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, Kernel};
    use proptest::prelude::*;

    struct RoundTrip<'a, Q>(&'a Q);
    impl<Q: Quants> Kernel for RoundTrip<'_, Q> {
        type Output = Vec<i32>;
        /// Reads each unpacked column back by a dot product with a unit vector.
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<i32> {
            let mut out = Vec::new();
            for vector in self.0.unpack(simd) {
                for column in 0..4 {
                    let mut unit = [0i8; 4];
                    unit[column] = 1;
                    let x = simd.dot(simd.splat_i(0), vector, simd.quad(&unit));
                    let mut bytes = [0; LANES];
                    simd.store_i8(x, &mut bytes);
                    out.extend(bytes.map(|byte| i32::from(byte as u8)));
                }
            }
            out
        }
    }

    fn check<Q: Quants>(bits: u32, seed: &[u8]) {
        check_values::<Q>(bits, seed, i32::from);
    }

    fn check_values<Q: Quants>(bits: u32, seed: &[u8], value: impl Fn(u8) -> i32) {
        let mut rows = [RowBlock::default(); LANES];
        for (lane, row) in rows.iter_mut().enumerate() {
            for (column, q) in row.q.iter_mut().enumerate() {
                *q = seed[lane * 32 + column] & (((1u16 << bits) - 1) as u8);
            }
        }
        let packed = Q::pack(&rows);
        for isa in Isa::available() {
            let out = isa.run(RoundTrip(&packed));
            for (index, unpacked) in out.iter().enumerate() {
                let q = rows[index % LANES].q[index / LANES];
                assert_eq!(*unpacked, value(q), "{isa:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_width_unpacks_to_what_was_packed(
            seed in prop::collection::vec(any::<u8>(), 512)
        ) {
            check::<Two>(2, &seed);
            check::<Three>(3, &seed);
            check::<Four>(4, &seed);
            check::<Five>(5, &seed);
            check::<Six>(6, &seed);
            check::<Eight>(7, &seed);
            check_values::<Indexed>(4, &seed, |index| {
                i32::from(IQ4_NL_VALUES[usize::from(index)]) + 128
            });
        }
    }
}
