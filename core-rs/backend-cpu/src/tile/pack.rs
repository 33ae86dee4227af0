//! Packing of a whole matrix, in parallel, straight from the file's bytes.

use std::mem::MaybeUninit;

use super::{AnyPair, RowBlock, blocks::Decode};
use crate::activation::BLOCK;
use crate::error::CpuError;
use crate::simd::LANES;
use crate::slab::{Slab, SlabVec};

/// Output rows of a panel: two tiles side by side.
pub const PANEL_ROWS: usize = 2 * LANES;

/// Packs `rows` rows of `columns` columns to `[panels][columns / 32]` pairs of tiles; rows beyond
/// the last are zero.
///
/// `bytes` must hold the whole matrix; `columns` is a multiple of 32.
pub fn pack<T: AnyPair>(
    bytes: &[u8],
    rows: usize,
    columns: usize,
    decode: Decode,
    threads: usize,
    slab: &Slab,
) -> Result<SlabVec<T>, CpuError> {
    let (blocks, panels) = (columns / BLOCK, rows.div_ceil(PANEL_ROWS));
    let row_bytes = bytes.len() / rows.max(1);
    let mut pairs = slab.uninit(panels * blocks)?;
    let chunk = panels.div_ceil(threads.max(1)).max(1) * blocks;
    std::thread::scope(|scope| {
        for (index, part) in pairs.chunks_mut(chunk.max(1)).enumerate() {
            let first = index * chunk / blocks;
            scope.spawn(move || {
                for (panel, pairs) in part.chunks_mut(blocks).enumerate() {
                    let first_row = (first + panel) * PANEL_ROWS;
                    pack_panel(bytes, rows, row_bytes, first_row, decode, pairs);
                }
            });
        }
    });
    // SAFETY: the threads have written every element.
    Ok(unsafe { pairs.assume_init() })
}

/// Packs the panel that starts at `first_row`.
fn pack_panel<T: AnyPair>(
    bytes: &[u8],
    rows: usize,
    row_bytes: usize,
    first_row: usize,
    decode: Decode,
    pairs: &mut [MaybeUninit<T>],
) {
    let lanes = |first: usize, block: usize| {
        let mut lanes = [RowBlock::default(); LANES];
        for (lane, row) in lanes.iter_mut().zip(first..rows) {
            *lane = decode(&bytes[row * row_bytes..(row + 1) * row_bytes], block);
        }
        lanes
    };
    for (block, pair) in pairs.iter_mut().enumerate() {
        pair.write(T::pack(&[lanes(first_row, block), lanes(first_row + LANES, block)]));
    }
}
