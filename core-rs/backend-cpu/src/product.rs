//! The integer matrix product: one panel of 32 output rows with any number of tokens.

use std::ops::{Deref, DerefMut, Range};

use crate::activation::{ActivationBlock, part};
use crate::isa::Kernel;
use crate::simd::{LANES, Simd};
use crate::tile::{AnyPair, Quants, Scales};

/// Results of one token: 32 output rows, in two cache lines.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub struct PanelRow(pub [[f32; LANES]; 2]);

impl Deref for PanelRow {
    type Target = [[f32; LANES]; 2];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for PanelRow {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

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
    pub pairs: &'a [T],
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
fn unpack<S: Simd, Q: Quants, C: Scales>(simd: S, (quants, scales): (&Q, &C)) -> Unpacked<S> {
    let last = C::SUBS - 1;
    Unpacked {
        weights: quants.unpack(simd),
        scales: [scales.scale(simd, 0), scales.scale(simd, last)],
        offsets: [scales.offset(simd, 0), scales.offset(simd, last)],
    }
}

#[inline(always)]
fn unpack_pair<S: Simd, T: AnyPair>(simd: S, pair: &T) -> [Unpacked<S>; 2] {
    let [first, second] = pair.parts();
    [unpack(simd, first), unpack(simd, second)]
}

/// Advances the 32 outputs of some tokens by one block. The tokens' sums run side by side, so that
/// the latency of one hides behind the others.
#[inline(always)]
fn advance<S: Simd, C: Scales, const TOKENS: usize>(
    simd: S,
    w: &[Unpacked<S>; 2],
    x: &[ActivationBlock; TOKENS],
    out: &mut [[S::F; 2]; TOKENS],
) {
    let groups = 8 / C::SUBS;
    for sub in 0..C::SUBS {
        let mut dots = [[simd.splat_i(0); 2]; TOKENS];
        for token in 0..TOKENS {
            dots[token] = [C::start(simd, &x[token], sub); 2];
        }
        for group in sub * groups..(sub + 1) * groups {
            for token in 0..TOKENS {
                let quad = simd.quad(&x[token].q[group]);
                for side in 0..2 {
                    let weights = w[side].weights[group];
                    dots[token][side] = if C::BIASED {
                        simd.dot_biased(dots[token][side], weights, quad)
                    } else {
                        simd.dot(dots[token][side], weights, quad)
                    };
                }
            }
        }
        for token in 0..TOKENS {
            let scale = simd.splat(x[token].scale);
            for side in 0..2 {
                let scale = simd.mul(w[side].scales[sub], scale);
                let dots = simd.float(dots[token][side]);
                out[token][side] = simd.fma(dots, scale, out[token][side]);
                if C::OFFSETS {
                    let sum = simd.splat(x[token].sums[part(C::SUBS, sub)]);
                    out[token][side] = simd.fma(w[side].offsets[sub], sum, out[token][side]);
                }
            }
        }
    }
}

/// [`advance`] for one token.
#[inline(always)]
fn advance_one<S: Simd, C: Scales>(
    simd: S,
    w: &[Unpacked<S>; 2],
    x: &ActivationBlock,
    out: &mut [S::F; 2],
) {
    let (x, out) = (std::array::from_ref(x), std::array::from_mut(out));
    advance::<S, C, 1>(simd, w, x, out);
}

impl<T: AnyPair> PanelProduct<'_, T> {
    /// Few tokens: the outputs stay in registers.
    #[inline(always)]
    fn few<S: Simd, const TOKENS: usize>(self, simd: S) {
        let mut out = [[simd.splat(0.0); 2]; TOKENS];
        for (block, pair) in self.pairs.iter().enumerate() {
            prefetch_next(simd, pair);
            let w = unpack_pair(simd, pair);
            let first = block * self.x.stride + self.tokens.start;
            let x = &self.x.blocks[first..first + TOKENS];
            if S::REGISTERS > 8 {
                advance::<S, T::Scales, TOKENS>(simd, &w, &x.as_chunks().0[0], &mut out);
                continue;
            }
            for (x, out) in x.iter().zip(&mut out) {
                advance_one::<S, T::Scales>(simd, &w, x, out);
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
        self.out.fill(PanelRow::default());
        for (block, pair) in self.pairs.iter().enumerate() {
            prefetch_next(simd, pair);
            let w = unpack_pair(simd, pair);
            let first = block * self.x.stride + self.tokens.start;
            let x = &self.x.blocks[first..first + self.tokens.len()];
            for (x, out) in x.iter().zip(self.out.iter_mut()) {
                let mut sums = [simd.load(&out[0]), simd.load(&out[1])];
                advance_one::<S, T::Scales>(simd, &w, x, &mut sums);
                simd.store(sums[0], &mut out[0]);
                simd.store(sums[1], &mut out[1]);
            }
        }
    }
}

/// Asks for the first line of the next pair: weights are read in order, so that one early miss a
/// pair is all that the processor's own prefetchers need, and more only take up its miss buffers.
#[inline(always)]
fn prefetch_next<S: Simd, T>(simd: S, pair: &T) {
    simd.prefetch(std::ptr::from_ref(pair).wrapping_add(1));
}

impl<T: AnyPair> Kernel for PanelProduct<'_, T> {
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
