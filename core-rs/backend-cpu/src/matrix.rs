//! A weight matrix of any stored type behind one interface.

use std::ops::Range;

use candle_core::quantized::GgmlDType;
use tgi_model::StorageType;

use crate::brain::{self, PairColumn, PairProduct};
use crate::dense::{self, Column, DenseProduct, Element, Half};
use crate::error::CpuError;
use crate::isa::Isa;
use crate::product::{Blocks, PanelProduct, PanelRow};
use crate::simd::{LANES, portable::Portable};
use crate::slab::{Slab, SlabVec};
use crate::tile::pack::{PANEL_ROWS, pack};
use crate::tile::{self, AnyPair, Quants, Scales, blocks};

/// Activations of a step, in both forms; a matrix reads the one that it wants.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Quantized, `[columns / 32][tokens]`.
    pub blocks: Blocks<'a>,
    /// As they are, `[tokens, stride]`.
    pub floats: &'a [f32],
    /// Floats from one token to the next.
    pub stride: usize,
}

/// Weights `[rows, columns]`, held in panels of 32 rows.
pub trait Matrix: Send + Sync {
    /// Output width.
    fn rows(&self) -> usize;
    /// Bytes held.
    fn bytes(&self) -> usize;
    /// Whether it multiplies [`Input::floats`] and not [`Input::blocks`].
    fn reads_floats(&self) -> bool;
    /// Rows `32 * panel..` of the product, for some tokens: one [`PanelRow`] each.
    fn product(
        &self,
        isa: Isa,
        panel: usize,
        x: &Input,
        tokens: Range<usize>,
        out: &mut [PanelRow],
    );
    /// One row, dequantized, to the front of `out`.
    fn row(&self, row: usize, out: &mut [f32]);
    /// Panels.
    fn panels(&self) -> usize {
        self.rows().div_ceil(PANEL_ROWS)
    }
}

struct Tiled<T> {
    pairs: SlabVec<T>,
    rows: usize,
    blocks: usize,
}

impl<T: AnyPair> Matrix for Tiled<T> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn bytes(&self) -> usize {
        size_of_val(&self.pairs[..])
    }
    fn reads_floats(&self) -> bool {
        false
    }
    fn product(
        &self,
        isa: Isa,
        panel: usize,
        x: &Input,
        tokens: Range<usize>,
        out: &mut [PanelRow],
    ) {
        let pairs = &self.pairs[panel * self.blocks..][..self.blocks];
        isa.run(PanelProduct { pairs, x: x.blocks, tokens, out });
    }
    fn row(&self, row: usize, out: &mut [f32]) {
        let (panel, lane) = (row / PANEL_ROWS, row % PANEL_ROWS);
        let pairs = &self.pairs[panel * self.blocks..][..self.blocks];
        for (pair, out) in pairs.iter().zip(out.chunks_exact_mut(32)) {
            dequantize_lane(pair, lane, out);
        }
    }
}

/// Row `lane` of a pair's 32.
fn dequantize_lane<T: AnyPair>(pair: &T, lane: usize, out: &mut [f32]) {
    let (quants, scales) = pair.parts()[lane / LANES];
    let lane = lane % LANES;
    let weights = quants.unpack(Portable);
    for (column, out) in out.iter_mut().enumerate() {
        let sub = column * T::Scales::SUBS / 32;
        let q = i32::from(weights[column / 4][lane * 4 + column % 4]) - T::Scales::ZERO;
        let (scale, offset) = (scales.scale(Portable, sub), scales.offset(Portable, sub));
        *out = (q as f32).mul_add(scale[lane], offset[lane]);
    }
}

struct Dense<E> {
    columns: SlabVec<Column<E>>,
    rows: usize,
    width: usize,
}

impl<E: Element> Matrix for Dense<E> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn bytes(&self) -> usize {
        size_of_val(&self.columns[..])
    }
    fn reads_floats(&self) -> bool {
        true
    }
    fn product(
        &self,
        isa: Isa,
        panel: usize,
        x: &Input,
        tokens: Range<usize>,
        out: &mut [PanelRow],
    ) {
        let panel = &self.columns[panel * self.width..][..self.width];
        isa.run(DenseProduct { panel, x: x.floats, stride: x.stride, tokens, out });
    }
    fn row(&self, row: usize, out: &mut [f32]) {
        let (panel, lane) = (row / PANEL_ROWS, row % PANEL_ROWS);
        let panel = &self.columns[panel * self.width..][..self.width];
        for (column, out) in panel.iter().zip(out) {
            *out = E::widen(Portable, &column[lane / LANES])[lane % LANES];
        }
    }
}

struct Brain {
    pairs: SlabVec<PairColumn>,
    rows: usize,
    columns: usize,
}

impl Brain {
    fn panel(&self, panel: usize) -> &[PairColumn] {
        let pairs = self.columns.div_ceil(2);
        &self.pairs[panel * pairs..][..pairs]
    }
}

impl Matrix for Brain {
    fn rows(&self) -> usize {
        self.rows
    }
    fn bytes(&self) -> usize {
        size_of_val(&self.pairs[..])
    }
    fn reads_floats(&self) -> bool {
        true
    }
    fn product(
        &self,
        isa: Isa,
        panel: usize,
        x: &Input,
        tokens: Range<usize>,
        out: &mut [PanelRow],
    ) {
        let (panel, columns) = (self.panel(panel), self.columns);
        isa.run(PairProduct { panel, columns, x: x.floats, stride: x.stride, tokens, out });
    }
    fn row(&self, row: usize, out: &mut [f32]) {
        let panel = self.panel(row / PANEL_ROWS);
        for (pair, out) in panel.iter().zip(out.chunks_mut(2)) {
            out.copy_from_slice(&pair.row(row % PANEL_ROWS)[..out.len()]);
        }
    }
}

/// Bytes that [`load`] takes for a matrix; none for a type without a kernel.
pub fn loaded_bytes(dtype: impl Into<StorageType>, rows: usize, columns: usize) -> u64 {
    let StorageType::Ggml(dtype) = dtype.into() else {
        return elements(rows, columns / 32, size_of::<tile::Iq4Nl>());
    };
    let tiled = |size| elements(rows, columns / 32, size);
    match dtype {
        GgmlDType::Q4_0 => tiled(size_of::<tile::Q4_0>()),
        GgmlDType::Q4_1 | GgmlDType::Q4K => tiled(size_of::<tile::Q4_1>()),
        GgmlDType::Q5_0 => tiled(size_of::<tile::Q5_0>()),
        GgmlDType::Q5_1 | GgmlDType::Q5K => tiled(size_of::<tile::Q5_1>()),
        GgmlDType::Q8_0 => tiled(size_of::<tile::Q8_0>()),
        GgmlDType::Q2K => tiled(size_of::<tile::Q2K>()),
        GgmlDType::Q3K => tiled(size_of::<tile::Q3K>()),
        GgmlDType::Q6K => tiled(size_of::<tile::Q6K>()),
        GgmlDType::F32 => elements(rows, columns, size_of::<Column<f32>>()),
        GgmlDType::F16 => elements(rows, columns, size_of::<Column<Half>>()),
        GgmlDType::BF16 => elements(rows, columns.div_ceil(2), size_of::<PairColumn>()),
        GgmlDType::Q8_1 | GgmlDType::Q8K => 0,
    }
}

/// Bytes of whole panels of `count` elements of `size` bytes.
fn elements(rows: usize, count: usize, size: usize) -> u64 {
    (rows.div_ceil(PANEL_ROWS) * count * size) as u64
}

/// Re-tiles a matrix of the file into memory of `slab`.
///
/// # Errors
/// [`CpuError::Type`] for a type without a kernel, [`CpuError::Memory`] without memory, [`CpuError::Shape`] when `bytes` is not the
/// size of the matrix.
pub fn load(
    dtype: impl Into<StorageType>,
    rows: usize,
    columns: usize,
    bytes: &[u8],
    threads: usize,
    slab: &Slab,
) -> Result<Box<dyn Matrix>, CpuError> {
    let dtype = dtype.into();
    let (block, size) = (dtype.block_size(), dtype.type_size());
    let expected = rows.checked_mul(columns / block).and_then(|blocks| blocks.checked_mul(size));
    if columns == 0 || !columns.is_multiple_of(block) || expected != Some(bytes.len()) {
        return Err(CpuError::Shape { rows, columns, bytes: bytes.len(), dtype });
    }
    macro_rules! tiled {
        ($tile:ident, $decode:ident) => {
            Ok(Box::new(Tiled {
                pairs: pack::<tile::$tile>(bytes, rows, columns, blocks::$decode, threads, slab)?,
                rows,
                blocks: columns / 32,
            }))
        };
    }
    macro_rules! dense {
        ($element:ty) => {
            Ok(Box::new(Dense {
                columns: dense::pack::<$element>(bytes, rows, columns, slab)?,
                rows,
                width: columns,
            }))
        };
    }
    let StorageType::Ggml(ggml) = dtype else { return tiled!(Iq4Nl, iq4_nl) };
    match ggml {
        GgmlDType::Q4_0 => tiled!(Q4_0, q4_0),
        GgmlDType::Q4_1 => tiled!(Q4_1, q4_1),
        GgmlDType::Q5_0 => tiled!(Q5_0, q5_0),
        GgmlDType::Q5_1 => tiled!(Q5_1, q5_1),
        GgmlDType::Q8_0 => tiled!(Q8_0, q8_0),
        GgmlDType::Q2K => tiled!(Q2K, q2_k),
        GgmlDType::Q3K => tiled!(Q3K, q3_k),
        GgmlDType::Q4K => tiled!(Q4_1, q4_k),
        GgmlDType::Q5K => tiled!(Q5_1, q5_k),
        GgmlDType::Q6K => tiled!(Q6K, q6_k),
        GgmlDType::F32 => dense!(f32),
        GgmlDType::F16 => dense!(Half),
        GgmlDType::BF16 => {
            let pairs = brain::pack(bytes, rows, columns, slab)?;
            Ok(Box::new(Brain { pairs, rows, columns }))
        }
        GgmlDType::Q8_1 | GgmlDType::Q8K => Err(CpuError::Type { dtype }),
    }
}
