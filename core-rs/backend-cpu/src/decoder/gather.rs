//! Rows of an input that lie apart, side by side: what a product with many of them wants.

use crate::activation::ActivationBlock;
use crate::matrix::{Input, Matrix};
use crate::product::Blocks;

/// Memory of one thread for some rows.
pub struct Gathered {
    /// `[width / 32][rows]`.
    blocks: Vec<ActivationBlock>,
    /// `[rows, width]`.
    floats: Vec<f32>,
    width: usize,
}

impl Gathered {
    /// Memory for up to `rows` rows of `width` elements.
    pub fn new(rows: usize, width: usize) -> Self {
        Self {
            blocks: vec![ActivationBlock::default(); rows * width / 32],
            floats: vec![0.0; rows * width],
            width,
        }
    }

    /// Copies `rows` of `x`, in the forms that `readers` read.
    pub fn gather<'r>(
        &mut self,
        x: &Input,
        rows: impl ExactSizeIterator<Item = usize> + Clone,
        readers: &(impl Iterator<Item = &'r dyn Matrix> + Clone),
    ) -> Input<'_> {
        let (count, width) = (rows.len(), self.width);
        if readers.clone().any(|matrix| !matrix.reads_floats()) {
            let blocks = self.blocks.chunks_exact_mut(count.max(1)).take(width / 32);
            for (to, from) in blocks.zip(x.blocks.blocks.chunks(x.blocks.stride.max(1))) {
                for (to, row) in to.iter_mut().zip(rows.clone()) {
                    *to = from[row];
                }
            }
        }
        if readers.clone().any(Matrix::reads_floats) {
            for (to, row) in self.floats.chunks_exact_mut(width).zip(rows) {
                to.copy_from_slice(&x.floats[row * x.stride..][..width]);
            }
        }
        Input {
            blocks: Blocks { blocks: &self.blocks, stride: count },
            floats: &self.floats,
            stride: width,
        }
    }
}
