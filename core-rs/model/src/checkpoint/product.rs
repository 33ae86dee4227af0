//! A table of rows times a matrix: an embedding or a head whose rows have a width of their own, with
//! the projection between that width and the model's taken in (OPT 350M's `project_in` and
//! `project_out`).

use candle_core::{Device, Result, Tensor};

use super::header::Stored;
use super::packed::{bytes_of, float};

/// `[rows, inner]` times `[inner, columns]`, in f32.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    table: Stored,
    matrix: Stored,
    /// The file has the matrix as `[columns, inner]`.
    transposed: bool,
    shape: [usize; 3],
}

impl Product {
    /// A product of this shape, `[rows, columns]`; none where the two do not fit together so.
    pub fn new(table: &Stored, matrix: &Stored, transposed: bool, shape: &[usize]) -> Option<Self> {
        let (&[rows, inner], &[first, second]) = (&table.shape[..], &matrix.shape[..]) else {
            return None;
        };
        let (own, columns) = if transposed { (second, first) } else { (first, second) };
        let fits = own == inner && shape == [rows, columns];
        let (table, matrix) = (table.clone(), matrix.clone());
        fits.then_some(Self { table, matrix, transposed, shape: [rows, inner, columns] })
    }

    /// The rows in f32. Nothing where they cannot be multiplied, which no backend takes for a
    /// matrix.
    pub fn unpack<F: AsRef<[u8]>>(&self, files: &[F]) -> Vec<u8> {
        let numbers = self.multiply(files).unwrap_or_default();
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn multiply<F: AsRef<[u8]>>(&self, files: &[F]) -> Result<Vec<f32>> {
        let [rows, inner, columns] = self.shape;
        let numbers = |stored: &Stored, count: usize| -> Vec<f32> {
            let bytes = bytes_of(stored, files);
            (0..count).map(|at| float(stored.dtype, bytes, at)).collect()
        };
        let table =
            Tensor::from_vec(numbers(&self.table, rows * inner), (rows, inner), &Device::Cpu)?;
        let matrix = numbers(&self.matrix, inner * columns);
        let matrix = if self.transposed {
            Tensor::from_vec(matrix, (columns, inner), &Device::Cpu)?.t()?
        } else {
            Tensor::from_vec(matrix, (inner, columns), &Device::Cpu)?
        };
        table.matmul(&matrix.contiguous()?)?.flatten_all()?.to_vec1()
    }
}
