//! Weight matrices on the device, and how rows are multiplied with them.

use tgi_cuda_kernels::signatures::{
    DequantizeParams, Element, GEMM_K_MULTIPLE, GEMV_ROWS, Kernel, MatmulParams, Weights,
};
use tgi_model::Role;

use crate::CudaError;
use crate::adapters::Updates;
use crate::blas::{Product, Shape};
use crate::device::{Device, Region};
use crate::launch::launch;
use crate::weights::held_bytes;

/// `[outputs, inputs]`, row-major, in parts of one form each.
pub(crate) struct Matrix {
    /// The projections that it is made of, and the rows of each.
    pub roles: Vec<(Role, usize)>,
    /// Those of the same rows in the order of the rows.
    pub parts: Vec<Part>,
    /// Rows.
    pub outputs: usize,
    /// Columns.
    pub inputs: usize,
    /// One number for each row.
    pub bias: Option<Bias>,
    /// What adapters change.
    pub updates: Option<Updates>,
}

/// Some rows of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// How they are held.
    pub weights: Weights,
    /// Where.
    pub region: Region,
    /// Rows of the matrix before them.
    pub first: usize,
    /// How many they are.
    pub outputs: usize,
}

/// A bias, for own kernels and for the library.
pub(crate) struct Bias {
    /// `[outputs]`, f32.
    pub float: Region,
    /// `[outputs]`, of the activations' type.
    pub element: Region,
}

/// Rows on both sides of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    /// How many.
    pub count: usize,
    /// `[count, inputs]`.
    pub x: Region,
    /// `[count, outputs]`, written.
    pub y: Region,
    /// Whether `y` is f32 whatever `x` is.
    pub is_f32: bool,
}

/// How rows are multiplied with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The kernel for a few rows, on any weights.
    Gemv,
    /// The own kernel for many rows.
    Gemm,
    /// The vendor's library, else the own kernel for many rows.
    Library,
}

/// Multiplies rows of one type.
pub(crate) struct Multiplier {
    /// Type of activations.
    pub element: Element,
    /// Whether the way must not depend on the number of rows.
    pub is_batch_invariant: bool,
    /// Where blocks are unpacked.
    pub scratch: Region,
}

impl Multiplier {
    /// Writes `x W^T + bias` of all rows.
    pub fn run<D: Device>(
        &self,
        device: &mut D,
        matrix: &Matrix,
        rows: Rows,
    ) -> Result<(), CudaError> {
        for part in &matrix.parts {
            match (self.way(part.weights, rows.count, matrix.inputs), part.weights) {
                (Way::Gemv, weights) => {
                    let kernel = match weights {
                        Weights::Plain(element) => Kernel::Gemv(element),
                        Weights::Blocks(blocks) => Kernel::GemvBlocks(blocks, self.element),
                    };
                    let params = self.params(matrix, part, rows);
                    launch(device, kernel, params.launch_gemv(), &params)?;
                }
                (way, Weights::Plain(_)) => self.dense(device, matrix, part, rows, way)?,
                (way, Weights::Blocks(_)) => self.unpacked(device, matrix, part, rows, way)?,
            }
        }
        Ok(())
    }

    /// Whether so many rows take the kernel for a few.
    pub fn takes_gemv(&self, weights: Weights, rows: usize, inputs: usize) -> bool {
        self.way(weights, rows, inputs) == Way::Gemv
    }

    fn way(&self, weights: Weights, rows: usize, inputs: usize) -> Way {
        let fits = inputs.is_multiple_of(GEMM_K_MULTIPLE as usize);
        match (weights, self.is_batch_invariant) {
            (Weights::Plain(_), true) if fits => Way::Gemm,
            (_, true) => Way::Gemv,
            (_, false) if !fits || rows <= GEMV_ROWS as usize => Way::Gemv,
            (_, false) => Way::Library,
        }
    }

    /// Blocks, unpacked some rows of the matrix at a time.
    fn unpacked<D: Device>(
        &self,
        device: &mut D,
        matrix: &Matrix,
        part: &Part,
        rows: Rows,
        way: Way,
    ) -> Result<(), CudaError> {
        let fitting = self.unpacked_rows(matrix.inputs);
        let mut done = 0;
        while done < part.outputs {
            let outputs = fitting.min(part.outputs - done);
            let elements = [done, outputs].map(|rows| rows * matrix.inputs);
            let (weights, region) = self.unpack(device, (part.weights, part.region), elements)?;
            let plain = Part { weights, region, first: part.first + done, outputs };
            self.dense(device, matrix, &plain, rows, way)?;
            done += outputs;
        }
        Ok(())
    }

    /// Rows of `inputs` that can be unpacked at a time.
    pub fn unpacked_rows(&self, inputs: usize) -> usize {
        (self.scratch.bytes / (inputs * self.element.bytes())).max(1)
    }

    /// Unpacks `count` weights behind the first `done`, whole blocks, and says where they lie then.
    pub fn unpack<D: Device>(
        &self,
        device: &mut D,
        (weights, region): (Weights, Region),
        [done, count]: [usize; 2],
    ) -> Result<(Weights, Region), CudaError> {
        let Weights::Blocks(blocks) = weights else { return Ok((weights, region)) };
        let params = DequantizeParams {
            blocks: region.address + held_bytes(weights, done) as u64,
            out: self.scratch.address,
            count: count as u64,
        };
        let kernel = Kernel::Dequantize(blocks, self.element);
        launch(device, kernel, params.launch(), &params)?;
        Ok((Weights::Plain(self.element), self.scratch))
    }

    fn dense<D: Device>(
        &self,
        device: &mut D,
        matrix: &Matrix,
        part: &Part,
        rows: Rows,
        way: Way,
    ) -> Result<(), CudaError> {
        let params = self.params(matrix, part, rows);
        if way == Way::Library {
            let bias = matrix.bias.as_ref();
            let offset = (part.first * self.element.bytes()) as u64;
            let shape = Shape {
                rows: rows.count,
                outputs: part.outputs,
                inputs: matrix.inputs,
                stride: matrix.outputs,
                element: self.element,
                is_f32: rows.is_f32,
                has_bias: bias.is_some(),
            };
            let product = Product {
                shape,
                x: params.x,
                weight: params.weight,
                bias: bias.map_or(0, |bias| bias.element.address + offset),
                y: params.out,
            };
            // SAFETY: the regions are those of the matrix and of activations of these rows.
            if unsafe { device.multiply(&product) }? {
                return Ok(());
            }
        }
        launch(device, Kernel::Gemm(self.element), params.launch_gemm(), &params)
    }

    fn params(&self, matrix: &Matrix, part: &Part, rows: Rows) -> MatmulParams {
        let size = if rows.is_f32 { size_of::<f32>() } else { self.element.bytes() };
        let bias = matrix
            .bias
            .as_ref()
            .map_or(0, |bias| bias.float.address + (part.first * size_of::<f32>()) as u64);
        MatmulParams {
            weight: part.region.address,
            x: rows.x.address,
            bias,
            out: rows.y.address + (part.first * size) as u64,
            m: rows.count as u32,
            n: part.outputs as u32,
            k: matrix.inputs as u32,
            x_stride: matrix.inputs as u32,
            out_stride: matrix.outputs as u32,
            out_f32: rows.is_f32.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tgi_cuda_kernels::signatures::Blocks;

    use super::*;

    fn way(is_batch_invariant: bool, weights: Weights, rows: usize, inputs: usize) -> Way {
        let scratch = Region { address: 0, bytes: 0 };
        Multiplier { element: Element::Bf16, is_batch_invariant, scratch }
            .way(weights, rows, inputs)
    }

    const PLAIN: Weights = Weights::Plain(Element::Bf16);
    const BLOCKS: Weights = Weights::Blocks(Blocks::Q4K);

    #[test]
    fn a_few_rows_take_the_kernel_for_them_and_many_the_library() {
        assert_eq!(way(false, PLAIN, 8, 4096), Way::Gemv);
        assert_eq!(way(false, PLAIN, 9, 4096), Way::Library);
        assert_eq!(way(false, BLOCKS, 8, 4096), Way::Gemv);
        assert_eq!(way(false, BLOCKS, 9, 4096), Way::Library);
        assert_eq!(way(false, PLAIN, 9, 52), Way::Gemv);
    }

    #[test]
    fn a_batch_invariant_way_does_not_depend_on_the_rows() {
        for (weights, inputs) in [(PLAIN, 4096), (PLAIN, 52), (BLOCKS, 4096)] {
            let alone = way(true, weights, 1, inputs);
            assert_ne!(alone, Way::Library);
            assert!((2..600).all(|rows| way(true, weights, rows, inputs) == alone));
        }
    }
}
