//! The integer matrix product: one panel of 32 output rows with any number of tokens.

use std::ops::{Deref, DerefMut, Range};

use crate::activation::{ActivationBlock, part};
use crate::isa::Kernel;
use crate::simd::{LANES, Simd, prefetch_ahead};
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

/// Dot products of a tile with some tokens, `[parts of the block][tokens]`. The tokens' sums run
/// side by side, so that the latency of one hides behind the others.
#[inline(always)]
fn dots<S: Simd, C: Scales, const TOKENS: usize>(
    simd: S,
    weights: &[S::B; 8],
    x: &[ActivationBlock; TOKENS],
) -> [[S::I; TOKENS]; 2] {
    let mut dots = [[simd.splat_i(0); TOKENS]; 2];
    let groups = 8 / C::SUBS;
    for sub in 0..C::SUBS {
        for token in 0..TOKENS {
            dots[sub][token] = C::start(simd, &x[token], sub);
        }
        for group in sub * groups..(sub + 1) * groups {
            for token in 0..TOKENS {
                let quad = simd.quad(&x[token].q[group]);
                dots[sub][token] = dot::<S, C>(simd, dots[sub][token], weights[group], quad);
            }
        }
    }
    dots
}

#[inline(always)]
fn dot<S: Simd, C: Scales>(simd: S, sum: S::I, weights: S::B, x: S::I) -> S::I {
    if C::BIASED { simd.dot_biased(sum, weights, x) } else { simd.dot(sum, weights, x) }
}

/// Advances an output by a part of a block.
#[inline(always)]
fn advance<S: Simd, C: Scales>(
    simd: S,
    dots: S::I,
    (scale, offset): (S::F, S::F),
    (x, sub): (&ActivationBlock, usize),
    out: S::F,
) -> S::F {
    let scale = simd.mul(scale, simd.splat(x.scale));
    let out = simd.fma(simd.float(dots), scale, out);
    if C::OFFSETS { simd.fma(offset, simd.splat(x.sums[part(C::SUBS, sub)]), out) } else { out }
}

/// Advances the 32 outputs of some tokens by a pair of tiles, which are read in the order in which
/// they lie: the processor's prefetchers follow nothing else.
#[inline(always)]
fn advance_few<S: Simd, T: AnyPair, const TOKENS: usize>(
    simd: S,
    pair: &T,
    x: &[ActivationBlock; TOKENS],
    out: &mut [[S::F; 2]; TOKENS],
) {
    let [first, second] = pair.parts();
    let dots = [
        dots::<S, T::Scales, TOKENS>(simd, &first.0.unpack(simd), x),
        dots::<S, T::Scales, TOKENS>(simd, &second.0.unpack(simd), x),
    ];
    for (side, scales) in [first.1, second.1].into_iter().enumerate() {
        for sub in 0..T::Scales::SUBS {
            let w = (scales.scale(simd, sub), scales.offset(simd, sub));
            for token in 0..TOKENS {
                let (dots, x) = (dots[side][sub][token], (&x[token], sub));
                out[token][side] = advance::<S, T::Scales>(simd, dots, w, x, out[token][side]);
            }
        }
    }
}

/// Advances the 32 outputs of one token by a pair of tiles.
#[inline(always)]
fn advance_one<S: Simd, C: Scales>(
    simd: S,
    w: &[Unpacked<S>; 2],
    x: &ActivationBlock,
    out: &mut [S::F; 2],
) {
    let groups = 8 / C::SUBS;
    for sub in 0..C::SUBS {
        let mut dots = [C::start(simd, x, sub); 2];
        for group in sub * groups..(sub + 1) * groups {
            let quad = simd.quad(&x.q[group]);
            for side in 0..2 {
                dots[side] = dot::<S, C>(simd, dots[side], w[side].weights[group], quad);
            }
        }
        for side in 0..2 {
            let w = (w[side].scales[sub], w[side].offsets[sub]);
            out[side] = advance::<S, C>(simd, dots[side], w, (x, sub), out[side]);
        }
    }
}

impl<T: AnyPair> PanelProduct<'_, T> {
    /// Few tokens: the outputs stay in registers.
    #[inline(always)]
    fn few<S: Simd, const TOKENS: usize>(self, simd: S) {
        let mut out = [[simd.splat(0.0); 2]; TOKENS];
        for (block, pair) in self.pairs.iter().enumerate() {
            prefetch_ahead(simd, pair);
            let first = block * self.x.stride + self.tokens.start;
            let x = &self.x.blocks[first..first + TOKENS];
            if S::REGISTERS > 8 {
                advance_few::<S, T, TOKENS>(simd, pair, &x.as_chunks().0[0], &mut out);
                continue;
            }
            for (x, out) in x.iter().zip(&mut out) {
                let (x, out) = (std::array::from_ref(x), std::array::from_mut(out));
                advance_few::<S, T, 1>(simd, pair, x, out);
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
        for (block, pair) in self.pairs.iter().enumerate() {
            prefetch_ahead(simd, pair);
            let [first, second] = pair.parts();
            let w = [unpack(simd, first), unpack(simd, second)];
            let first = block * self.x.stride + self.tokens.start;
            let x = &self.x.blocks[first..first + self.tokens.len()];
            for (x, out) in x.iter().zip(self.out.iter_mut()) {
                let mut sums = match block {
                    0 => [simd.splat(0.0); 2],
                    _ => [simd.load(&out[0]), simd.load(&out[1])],
                };
                advance_one::<S, T::Scales>(simd, &w, x, &mut sums);
                simd.store(sums[0], &mut out[0]);
                simd.store(sums[1], &mut out[1]);
            }
        }
    }
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
