//! Weights of 8 bits with their scales beside them: floats (E4M3) of `fp8`, `fbgemm_fp8` and
//! compressed-tensors, integers of compressed-tensors.
//!
//! Beside a `weight`, `[outputs, inputs]`, is a `weight_scale`: one number, one for each output, or
//! one for each block of rows and columns; `weight_scale_inv` of `DeepSeek`'s blocks is a factor
//! too, whatever its name says. The weight is `number * scale`, rounded to F16. Scales of
//! activations (`input_scale`) are passed over: activations keep their precision here.

use half::f16;
use safetensors::Dtype;

use super::header::Stored;
use super::packed::{bytes_of, float};
use crate::error::Defect;

/// A weight and its scales.
#[derive(Clone, Debug)]
pub(crate) struct Scaled {
    weights: Stored,
    scales: Stored,
    /// Rows and columns that share a scale.
    block: [usize; 2],
    /// Width of a row.
    pub inputs: usize,
    /// Rows.
    pub outputs: usize,
}

impl Scaled {
    /// Whether numbers of this type need scales.
    pub fn needs_scales(dtype: Dtype) -> bool {
        matches!(dtype, Dtype::F8_E4M3 | Dtype::I8)
    }

    /// Checks that a weight and its scales fit together; `block` is what the configuration says of
    /// blocks.
    pub fn new(
        name: &str,
        weights: &Stored,
        scales: &Stored,
        block: Option<[usize; 2]>,
    ) -> Result<Self, Defect> {
        let is_float = matches!(scales.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32);
        let fitting = match weights.shape[..] {
            [outputs, inputs] if is_float && outputs > 0 && inputs > 0 => {
                block_of([outputs, inputs], &scales.shape, block).map(|it| (outputs, inputs, it))
            }
            _ => None,
        };
        let Some((outputs, inputs, block)) = fitting else {
            let (weights, scales) = (&weights.shape, &scales.shape);
            return Err(Defect::damaged(format!(
                "tensor {name} has shape {weights:?} and its scales {scales:?}, which do not fit \
                 together"
            )));
        };
        Ok(Self { weights: weights.clone(), scales: scales.clone(), block, inputs, outputs })
    }

    /// The rows in F16, `[outputs, inputs]`.
    pub fn unpack<F: AsRef<[u8]>>(&self, files: &[F]) -> Vec<u8> {
        let (numbers, scales) = (bytes_of(&self.weights, files), bytes_of(&self.scales, files));
        let table: [f32; 256] = std::array::from_fn(|byte| match self.weights.dtype {
            Dtype::I8 => f32::from(byte as u8 as i8),
            _ => e4m3(byte as u8),
        });
        let across = self.inputs.div_ceil(self.block[1]);
        let mut out = Vec::with_capacity(2 * numbers.len());
        for (row, numbers) in numbers.chunks_exact(self.inputs).enumerate() {
            let first = row / self.block[0] * across;
            for (index, numbers) in numbers.chunks(self.block[1]).enumerate() {
                let scale = float(self.scales.dtype, scales, first + index);
                let halves = numbers.iter().map(|&number| table[usize::from(number)] * scale);
                out.extend(halves.flat_map(|weight| f16::from_f32(weight).to_le_bytes()));
            }
        }
        out
    }
}

/// Rows and columns that share a scale, when scales of this shape can cover the weight.
fn block_of(
    [outputs, inputs]: [usize; 2],
    scales: &[usize],
    named: Option<[usize; 2]>,
) -> Option<[usize; 2]> {
    let [rows, columns] = match *scales {
        [] => [1, 1],
        [rows] => [rows, 1],
        [rows, columns] => [rows, columns],
        _ => return None,
    };
    let covers = |&[height, width]: &[usize; 2]| {
        height > 0
            && width > 0
            && [outputs.div_ceil(height), inputs.div_ceil(width)] == [rows, columns]
    };
    let even = |total: usize, parts: usize| {
        (parts > 0 && total.is_multiple_of(parts)).then(|| total / parts)
    };
    let inferred = || Some([even(outputs, rows)?, even(inputs, columns)?]);
    named.filter(covers).or_else(inferred)
}

/// A float of 8 bits: a sign, 4 bits of exponent with a bias of 7, 3 of mantissa; no infinities,
/// and all ones no number (Micikevicius et al. 2022, <https://arxiv.org/abs/2209.05433>).
fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let size = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 8.0 * 2f32.powi(-6),
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    };
    if byte & 0x80 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_eight_bits_have_the_values_of_the_paper() {
        let known = [(0x00, 0.0), (0x01, 2f32.powi(-9)), (0x07, 0.875 * 2f32.powi(-6))];
        let large = [(0x08, 2f32.powi(-6)), (0x38, 1.0), (0x3c, 1.5), (0x7e, 448.0), (0xc0, -2.0)];
        for (byte, value) in known.into_iter().chain(large) {
            assert_eq!(e4m3(byte).to_bits(), f32::to_bits(value), "{byte:#x}");
        }
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
        assert!((0..0x7e).all(|byte| e4m3(byte) < e4m3(byte + 1)));
    }

    #[test]
    fn scales_are_for_all_for_rows_or_for_blocks() {
        for (scales, named, expected) in [
            (&[][..], None, Some([6, 40])),
            (&[1], None, Some([6, 40])),
            (&[6], None, Some([1, 40])),
            (&[6, 1], None, Some([1, 40])),
            (&[6, 5], None, Some([1, 8])),
            (&[2, 3], Some([4, 16]), Some([4, 16])),
            (&[2, 3], None, None),
            (&[3, 5], Some([4, 16]), Some([2, 8])),
            (&[5, 1], Some([0, 0]), None),
            (&[0, 1], None, None),
            (&[1, 1, 1], None, None),
        ] {
            assert_eq!(block_of([6, 40], scales, named), expected, "{scales:?} {named:?}");
        }
    }
}
