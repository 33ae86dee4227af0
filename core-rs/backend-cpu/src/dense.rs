//! The float matrix product, for weights that the file keeps in F32 or F16.

use std::ops::Range;

use crate::error::CpuError;
use crate::isa::Kernel;
use crate::product::PanelRow;
use crate::simd::{LANES, Simd, prefetch_ahead};
use crate::slab::{Slab, SlabVec};
use crate::tile::pack::PANEL_ROWS;

/// A float as a file stores it.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// Bytes of one.
    const BYTES: usize;
    /// Reads one, little endian.
    fn read(bytes: &[u8]) -> Self;
    /// Widens sixteen.
    fn widen<S: Simd>(simd: S, x: &[Self; LANES]) -> S::F;
}

/// IEEE half precision, as its bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Half(u16);

impl Element for f32 {
    const BYTES: usize = 4;
    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
    #[inline(always)]
    fn widen<S: Simd>(simd: S, x: &[Self; LANES]) -> S::F {
        simd.load(x)
    }
}

impl Element for Half {
    const BYTES: usize = 2;
    fn read(bytes: &[u8]) -> Self {
        Self(u16::from_le_bytes([bytes[0], bytes[1]]))
    }
    #[inline(always)]
    fn widen<S: Simd>(simd: S, x: &[Self; LANES]) -> S::F {
        let mut bits = [0; LANES];
        for (bits, x) in bits.iter_mut().zip(x) {
            *bits = x.0;
        }
        simd.load_f16(&bits)
    }
}

/// A column of a panel: 32 rows.
pub type Column<E> = [[E; LANES]; 2];

/// Re-tiles `rows` rows of `columns` columns to `[panels][columns]`; missing rows are zero.
pub fn pack<E: Element>(
    bytes: &[u8],
    rows: usize,
    columns: usize,
    slab: &Slab,
) -> Result<SlabVec<Column<E>>, CpuError> {
    let length = rows.div_ceil(PANEL_ROWS) * columns;
    let mut out = slab.filled(length, [[E::default(); LANES]; 2])?;
    for (row, values) in bytes.chunks_exact(columns * E::BYTES).enumerate().take(rows) {
        let panel = &mut out[row / PANEL_ROWS * columns..][..columns];
        let lane = row % PANEL_ROWS;
        for (column, value) in panel.iter_mut().zip(values.chunks_exact(E::BYTES)) {
            column[lane / LANES][lane % LANES] = E::read(value);
        }
    }
    Ok(out)
}

/// `out = x * panel^T` for some tokens; each output is summed by `fma` in the order of the columns.
pub struct DenseProduct<'a, E> {
    /// The panel, `[columns]`.
    pub panel: &'a [Column<E>],
    /// Activations, `[tokens, stride]`.
    pub x: &'a [f32],
    /// Floats from one token to the next.
    pub stride: usize,
    /// Which tokens.
    pub tokens: Range<usize>,
    /// Results, one for each of `tokens`.
    pub out: &'a mut [PanelRow],
}

impl<E: Element> DenseProduct<'_, E> {
    #[inline(always)]
    fn group<S: Simd, const TOKENS: usize>(&mut self, simd: S, first: usize) {
        let mut sums = [[simd.splat(0.0); 2]; TOKENS];
        let mut x: [&[f32]; TOKENS] = [&[]; TOKENS];
        for (token, x) in x.iter_mut().enumerate() {
            let start = (self.tokens.start + first + token) * self.stride;
            *x = &self.x[start..start + self.panel.len()];
        }
        for (index, column) in self.panel.iter().enumerate() {
            prefetch_ahead(simd, column);
            let w = [E::widen(simd, &column[0]), E::widen(simd, &column[1])];
            for token in 0..TOKENS {
                let value = simd.splat(x[token][index]);
                sums[token][0] = simd.fma(value, w[0], sums[token][0]);
                sums[token][1] = simd.fma(value, w[1], sums[token][1]);
            }
        }
        for token in 0..TOKENS {
            simd.store(sums[token][0], &mut self.out[first + token][0]);
            simd.store(sums[token][1], &mut self.out[first + token][1]);
        }
    }
}

impl<E: Element> Kernel for DenseProduct<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let mut first = 0;
        while first + 4 <= self.tokens.len() {
            self.group::<S, 4>(simd, first);
            first += 4;
        }
        while first < self.tokens.len() {
            self.group::<S, 1>(simd, first);
            first += 1;
        }
    }
}
