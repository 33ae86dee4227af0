//! The integer matrix product: one panel of 32 output rows with any number of tokens.

use std::ops::Range;

use crate::activation::{ActivationBlock, part};
use crate::isa::Kernel;
use crate::simd::{LANES, Simd};
use crate::tile::pack::Pair;
use crate::tile::{AnyTile, Quants, Scales};

/// Results of one token: 32 output rows.
pub type PanelRow = [[f32; LANES]; 2];

/// Quantized activations of a step, `[columns / 32][stride]`: tokens of a block lie together.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    /// All blocks.
    pub blocks: &'a [ActivationBlock],
    /// Tokens from one block of columns to the next.
    pub stride: usize,
}

/// `out = x * panel^T` for some tokens.
///
/// Each output is `0` advanced block by block in the order of the columns (see [`Scales`]), so its
/// bytes do not depend on how many tokens share the call.
pub struct PanelProduct<'a, T> {
    /// The panel's pairs, `[columns / 32]`.
    pub pairs: &'a [Pair<T>],
    /// Activations.
    pub x: Blocks<'a>,
    /// Which tokens.
    pub tokens: Range<usize>,
    /// Results, one for each of `tokens`.
    pub out: &'a mut [PanelRow],
}

/// A tile, ready in registers.
struct Unpacked<S: Simd> {
    weights: [S::B; 8],
    scales: [S::F; 2],
    offsets: [S::F; 2],
}

#[inline(always)]
fn unpack<S: Simd, T: AnyTile>(simd: S, tile: &T) -> Unpacked<S> {
    let (quants, scales) = tile.parts();
    let last = T::Scales::SUBS - 1;
    Unpacked {
        weights: quants.unpack(simd),
        scales: [scales.scale(simd, 0), scales.scale(simd, last)],
        offsets: [scales.offset(simd, 0), scales.offset(simd, last)],
    }
}

/// Advances the 32 outputs of one token by one block.
#[inline(always)]
fn advance<S: Simd, C: Scales>(
    simd: S,
    w: &[Unpacked<S>; 2],
    x: &ActivationBlock,
    mut out: [S::F; 2],
) -> [S::F; 2] {
    let groups = 8 / C::SUBS;
    for sub in 0..C::SUBS {
        let mut dots = [C::start(simd, x, sub); 2];
        for group in sub * groups..(sub + 1) * groups {
            let quad = simd.quad(&x.q[group]);
            for side in 0..2 {
                let weights = w[side].weights[group];
                dots[side] = if C::BIASED {
                    simd.dot_biased(dots[side], weights, quad)
                } else {
                    simd.dot(dots[side], weights, quad)
                };
            }
        }
        let scale = simd.splat(x.scale);
        for side in 0..2 {
            let scale = simd.mul(w[side].scales[sub], scale);
            out[side] = simd.fma(simd.float(dots[side]), scale, out[side]);
            if C::OFFSETS {
                let sum = simd.splat(x.sums[part(C::SUBS, sub)]);
                out[side] = simd.fma(w[side].offsets[sub], sum, out[side]);
            }
        }
    }
    out
}

/// Bytes read ahead of the multiplication, about one DRAM latency at full bandwidth.
const AHEAD: usize = 4096;

impl<T: AnyTile> PanelProduct<'_, T> {
    /// Few tokens: the outputs stay in registers.
    #[inline(always)]
    fn few<S: Simd, const TOKENS: usize>(self, simd: S) {
        let mut out = [[simd.splat(0.0); 2]; TOKENS];
        for (block, pair) in self.pairs.iter().enumerate() {
            prefetch(simd, pair, AHEAD);
            let w = [unpack(simd, &pair[0]), unpack(simd, &pair[1])];
            let first = block * self.x.stride + self.tokens.start;
            let x = &self.x.blocks[first..first + TOKENS];
            for token in 0..TOKENS {
                out[token] = advance::<S, T::Scales>(simd, &w, &x[token], out[token]);
            }
        }
        for token in 0..TOKENS {
            for side in 0..2 {
                simd.store(out[token][side], &mut self.out[token][side]);
            }
        }
    }

    /// Many tokens: a tile stays in registers while all of them pass.
    #[inline(always)]
    fn many<S: Simd>(self, simd: S) {
        self.out.fill([[0.0; LANES]; 2]);
        for (block, pair) in self.pairs.iter().enumerate() {
            prefetch(simd, pair, size_of::<Pair<T>>());
            let w = [unpack(simd, &pair[0]), unpack(simd, &pair[1])];
            let first = block * self.x.stride + self.tokens.start;
            let x = &self.x.blocks[first..first + self.tokens.len()];
            for (x, out) in x.iter().zip(self.out.iter_mut()) {
                let sums = [simd.load(&out[0]), simd.load(&out[1])];
                let sums = advance::<S, T::Scales>(simd, &w, x, sums);
                simd.store(sums[0], &mut out[0]);
                simd.store(sums[1], &mut out[1]);
            }
        }
    }
}

/// Asks for a pair's bytes, `ahead` bytes further on.
#[inline(always)]
fn prefetch<S: Simd, T>(simd: S, pair: &Pair<T>, ahead: usize) {
    let start = std::ptr::from_ref(pair).cast::<u8>().wrapping_add(ahead);
    for line in 0..size_of::<Pair<T>>().div_ceil(64) {
        simd.prefetch(start.wrapping_add(line * 64));
    }
}

impl<T: AnyTile> Kernel for PanelProduct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.tokens.len() {
            0 => {}
            1 => self.few::<S, 1>(simd),
            2 => self.few::<S, 2>(simd),
            3 => self.few::<S, 3>(simd),
            4 => self.few::<S, 4>(simd),
            _ => self.many(simd),
        }
    }
}
