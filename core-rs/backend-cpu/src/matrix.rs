//! A weight matrix of any stored type behind one interface.

use std::ops::Range;

use candle_core::quantized::GgmlDType;
use tgi_model::StorageType;

use crate::brain::{self, PairColumn, PairProduct};
use crate::dense::{self, Column, DenseProduct, Element, Half};
use crate::error::CpuError;
use crate::isa::{Isa, Kernel};
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

/// What a panel is multiplied with, and where the product goes.
struct Task<'a> {
    x: Input<'a>,
    tokens: Range<usize>,
    out: &'a mut [PanelRow],
}

/// What panels are made of: 32 rows of one column or of several.
trait Packed: Send + Sync + Sized {
    /// Columns of one.
    const COLUMNS: usize;
    /// [`Matrix::reads_floats`].
    const READS_FLOATS: bool;
    /// [`Matrix::product`] of one panel of `columns` columns.
    fn product<'a>(panel: &'a [Self], columns: usize, task: Task<'a>) -> impl Kernel<Output = ()>;
    /// Row `row` of the 32, of its [`Packed::COLUMNS`] columns; the last may have fewer.
    fn row(&self, row: usize, out: &mut [f32]);
}

/// A matrix of one type of element.
struct Panels<T> {
    /// `[panels][columns / T::COLUMNS]`, rounded up.
    elements: SlabVec<T>,
    rows: usize,
    columns: usize,
}

impl<T: Packed> Panels<T> {
    fn panel(&self, panel: usize) -> &[T] {
        let width = self.columns.div_ceil(T::COLUMNS);
        &self.elements[panel * width..][..width]
    }
}

impl<T: Packed> Matrix for Panels<T> {
    fn rows(&self) -> usize {
        self.rows
    }
    fn bytes(&self) -> usize {
        size_of_val(&self.elements[..])
    }
    fn reads_floats(&self) -> bool {
        T::READS_FLOATS
    }
    fn product(
        &self,
        isa: Isa,
        panel: usize,
        x: &Input,
        tokens: Range<usize>,
        out: &mut [PanelRow],
    ) {
        let task = Task { x: *x, tokens, out };
        isa.run(T::product(self.panel(panel), self.columns, task));
    }
    fn row(&self, row: usize, out: &mut [f32]) {
        let elements = self.panel(row / PANEL_ROWS).iter();
        for (element, out) in elements.zip(out.chunks_mut(T::COLUMNS)) {
            element.row(row % PANEL_ROWS, out);
        }
    }
}

impl<T: AnyPair> Packed for T {
    const COLUMNS: usize = 32;
    const READS_FLOATS: bool = false;

    fn product<'a>(pairs: &'a [Self], _columns: usize, task: Task<'a>) -> impl Kernel<Output = ()> {
        let Task { x, tokens, out } = task;
        PanelProduct { pairs, x: x.blocks, tokens, out }
    }

    fn row(&self, row: usize, out: &mut [f32]) {
        let (quants, scales) = self.parts()[row / LANES];
        let lane = row % LANES;
        let weights = quants.unpack(Portable);
        let part = 32 / T::Scales::SUBS;
        for (sub, out) in out.chunks_mut(part).enumerate() {
            let scale = scales.scale(Portable, sub)[lane];
            let offset = scales.offset(Portable, sub)[lane];
            for (column, out) in (sub * part..).zip(out) {
                let q = i32::from(weights[column / 4][lane * 4 + column % 4]) - T::Scales::ZERO;
                *out = (q as f32).mul_add(scale, offset);
            }
        }
    }
}

impl<E: Element> Packed for Column<E> {
    const COLUMNS: usize = 1;
    const READS_FLOATS: bool = true;

    fn product<'a>(panel: &'a [Self], _columns: usize, task: Task<'a>) -> impl Kernel<Output = ()> {
        let Task { x, tokens, out } = task;
        DenseProduct { panel, x: x.floats, stride: x.stride, tokens, out }
    }

    fn row(&self, row: usize, out: &mut [f32]) {
        out[0] = E::widen(Portable, &self[row / LANES])[row % LANES];
    }
}

impl Packed for PairColumn {
    const COLUMNS: usize = 2;
    const READS_FLOATS: bool = true;

    fn product<'a>(panel: &'a [Self], columns: usize, task: Task<'a>) -> impl Kernel<Output = ()> {
        let Task { x, tokens, out } = task;
        PairProduct { panel, columns, x: x.floats, stride: x.stride, tokens, out }
    }

    fn row(&self, row: usize, out: &mut [f32]) {
        out.copy_from_slice(&self.widen_row(row)[..out.len()]);
    }
}

/// Bytes that [`load`] takes for a matrix; none for a type without a kernel.
pub fn loaded_bytes(dtype: impl Into<StorageType>, rows: usize, columns: usize) -> u64 {
    let StorageType::Ggml(dtype) = dtype.into() else {
        return packed_bytes::<tile::Iq4Nl>(rows, columns);
    };
    match dtype {
        GgmlDType::Q4_0 => packed_bytes::<tile::Q4_0>(rows, columns),
        GgmlDType::Q4_1 | GgmlDType::Q4K => packed_bytes::<tile::Q4_1>(rows, columns),
        GgmlDType::Q5_0 => packed_bytes::<tile::Q5_0>(rows, columns),
        GgmlDType::Q5_1 | GgmlDType::Q5K => packed_bytes::<tile::Q5_1>(rows, columns),
        GgmlDType::Q8_0 => packed_bytes::<tile::Q8_0>(rows, columns),
        GgmlDType::Q2K => packed_bytes::<tile::Q2K>(rows, columns),
        GgmlDType::Q3K => packed_bytes::<tile::Q3K>(rows, columns),
        GgmlDType::Q6K => packed_bytes::<tile::Q6K>(rows, columns),
        GgmlDType::F32 => packed_bytes::<Column<f32>>(rows, columns),
        GgmlDType::F16 => packed_bytes::<Column<Half>>(rows, columns),
        GgmlDType::BF16 => packed_bytes::<PairColumn>(rows, columns),
        GgmlDType::Q8_1 | GgmlDType::Q8K => 0,
    }
}

/// Bytes of whole panels.
fn packed_bytes<T: Packed>(rows: usize, columns: usize) -> u64 {
    (rows.div_ceil(PANEL_ROWS) * columns.div_ceil(T::COLUMNS) * size_of::<T>()) as u64
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
        ($tile:ident, $decode:ident) => {{
            let decode = blocks::$decode;
            let elements = pack::<tile::$tile>(bytes, rows, columns, decode, threads, slab)?;
            Ok(Box::new(Panels { elements, rows, columns }))
        }};
    }
    macro_rules! dense {
        ($element:ty) => {{
            let elements = dense::pack::<$element>(bytes, rows, columns, slab)?;
            Ok(Box::new(Panels { elements, rows, columns }))
        }};
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
            let elements = brain::pack(bytes, rows, columns, slab)?;
            Ok(Box::new(Panels { elements, rows, columns }))
        }
        GgmlDType::Q8_1 | GgmlDType::Q8K => Err(CpuError::Type { dtype }),
    }
}
