//! Weights of 4 bits as AWQ, GPTQ and compressed-tensors pack them, eight to a word, and of 8 bits,
//! four to a word.
//!
//! Of a linear layer with `inputs` and `outputs` there are `qweight`, a number of so many bits for
//! each weight, and for each group of inputs and each output a `qzeros` of as many bits and a
//! `scales`; the weight is `(q - zero) * scale`.
//!
//! | | `qweight` | `qzeros` | order in a word |
//! |---|---|---|---|
//! | AWQ (`WQLinear_GEMM` of `AutoAWQ`) | `[inputs, outputs / 8]` | `[groups, outputs / 8]` | 0 2 4 6 1 3 5 7 |
//! | GPTQ (`QuantLinear` of `AutoGPTQ`) | `[inputs / 8, outputs]` | `[groups, outputs / 8]`, less 1 | 0 1 2 3 4 5 6 7 |
//! | compressed-tensors, as `weight_packed` | `[outputs, inputs / 8]` | none: all are the middle, 8 | 0 1 2 3 4 5 6 7 |
//!
//! Those of 4 bits become `Q4_1`, whose blocks of 32 hold `scale * q + offset`. Numbers and scales
//! in half precision stay as they are; the offset, `-zero * scale`, is exact where half precision
//! holds it, as for every zero that is a power of 2 (8, when the quantization is symmetric), else
//! it is off by 1/256 of a step at most. Those of 8 bits become `Q8_0`, which holds them exactly,
//! when the quantization is symmetric (all zeros are 128), else F16. Where GPTQ took inputs in the
//! order of their activations (`desc_act`), groups do not lie side by side: such tensors become
//! F16.

use std::num::NonZero;
use std::thread;

use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use safetensors::Dtype;

use super::header::Stored;
use super::packer::Packer;
use crate::error::Defect;
use crate::storage::StorageType;

/// Weights in a block of `Q4_1` and of `Q8_0`.
const BLOCK: usize = 32;
/// Outputs that are unpacked together: their words fill a line of the cache.
const STRIPE: usize = 128;
/// Which output each number of AWQ's words belongs to.
const AWQ_ORDER: [usize; 8] = [0, 2, 4, 6, 1, 3, 5, 7];

/// The tensors of one linear layer.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    packer: Packer,
    weights: Stored,
    /// None where all are the middle.
    zeros: Option<Stored>,
    scales: Stored,
    /// Group of each input, where they do not lie side by side.
    groups: Option<Stored>,
    /// Inputs of a group.
    group: usize,
    dtype: GgmlDType,
    /// Width of a row.
    pub inputs: usize,
    /// Rows.
    pub outputs: usize,
}

impl Packed {
    /// Checks that the tensors of the layer `name` fit together. `index` is `g_idx`.
    pub fn new<F: AsRef<[u8]>>(
        packer: Packer,
        name: &str,
        (weights, zeros, scales): (&Stored, Option<&Stored>, &Stored),
        index: Option<&Stored>,
        files: &[F],
    ) -> Result<Self, Defect> {
        let misfit = || {
            let [first, second, third, _] = packer.ends();
            let (weights, scales) = (&weights.shape, &scales.shape);
            let zeros = zeros.map_or(&[][..], |zeros| &zeros.shape);
            Defect::damaged(format!(
                "the packed tensors of {name} do not fit together: {first} {weights:?}, {second} \
                 {zeros:?}, {third} {scales:?}"
            ))
        };
        let (inputs, outputs, groups) = sizes(packer, weights, zeros, scales).ok_or_else(misfit)?;
        let group = inputs / groups;
        if !group.is_multiple_of(BLOCK) {
            return Err(Defect::unsupported(format!(
                "the packed tensors of {name} have groups of {group}, this version reads those of \
                 whole blocks of {BLOCK}"
            )));
        }
        let (weights, zeros, scales) = (weights.clone(), zeros.cloned(), scales.clone());
        let dtype = match packer.bits() {
            4 => GgmlDType::Q4_1,
            _ if zeros.as_ref().is_none_or(|it| is_symmetric(packer, bytes_of(it, files))) => {
                GgmlDType::Q8_0
            }
            _ => GgmlDType::F16,
        };
        let mut packed =
            Self { packer, weights, zeros, scales, groups: None, group, dtype, inputs, outputs };
        if let Some(index) = index {
            packed.take_index(name, index, groups, files)?;
        }
        Ok(packed)
    }

    /// Keeps `g_idx` where it is not the plain order.
    fn take_index<F: AsRef<[u8]>>(
        &mut self,
        name: &str,
        index: &Stored,
        groups: usize,
        files: &[F],
    ) -> Result<(), Defect> {
        let bytes = bytes_of(index, files);
        let sound = index.dtype == Dtype::I32 && index.shape == [self.inputs];
        let indices = || words(bytes).map(|index| index as usize);
        if !sound || indices().any(|index| index >= groups) {
            return Err(Defect::damaged(format!(
                "the g_idx of {name} is no index of {} inputs into {groups} groups",
                self.inputs
            )));
        }
        if indices().enumerate().any(|(input, index)| index != input / self.group) {
            self.groups = Some(index.clone());
            self.dtype = GgmlDType::F16;
        }
        Ok(())
    }

    /// What the weights become.
    pub fn dtype(&self) -> StorageType {
        self.dtype.into()
    }

    /// The rows, `[outputs, inputs]`, on all cores.
    pub fn unpack<F: AsRef<[u8]>>(&self, files: &[F]) -> Vec<u8> {
        let bytes = |tensor| bytes_of(tensor, files);
        let parts = Parts {
            packed: self,
            weights: bytes(&self.weights),
            zeros: self.zeros.as_ref().map(bytes),
            scales: bytes(&self.scales),
            groups: self.groups.as_ref().map(bytes),
        };
        let row = self.inputs / self.dtype.block_size() * self.dtype.type_size();
        let mut out = vec![0; self.outputs * row];
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let stripes = self.outputs.div_ceil(STRIPE).div_ceil(threads).max(1);
        thread::scope(|scope| {
            for (share, out) in out.chunks_mut(stripes * STRIPE * row).enumerate() {
                let parts = &parts;
                scope.spawn(move || {
                    for (stripe, out) in out.chunks_mut(STRIPE * row).enumerate() {
                        parts.unpack_stripe((share * stripes + stripe) * STRIPE, out, row);
                    }
                });
            }
        });
        out
    }
}

/// Inputs, outputs and groups of a layer whose tensors fit together; none is 0.
fn sizes(
    packer: Packer,
    weights: &Stored,
    zeros: Option<&Stored>,
    scales: &Stored,
) -> Option<(usize, usize, usize)> {
    let (&[rows, columns], &[first, second]) = (&weights.shape[..], &scales.shape[..]) else {
        return None;
    };
    let in_word = packer.in_word();
    let (inputs, found) = match packer {
        Packer::Awq => (rows, columns.checked_mul(in_word)?),
        Packer::Gptq { .. } => (rows.checked_mul(in_word)?, columns),
        Packer::Compressed { .. } => (columns.checked_mul(in_word)?, rows),
    };
    let has_rows = matches!(packer, Packer::Compressed { .. });
    let (groups, outputs) = if has_rows { (second, first) } else { (first, second) };
    let zeros_fit = match zeros {
        Some(zeros) => zeros.dtype == Dtype::I32 && zeros.shape == [groups, outputs / in_word],
        None => has_rows,
    };
    let fits = weights.dtype == Dtype::I32
        && zeros_fit
        && matches!(scales.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32)
        && found == outputs
        && outputs > 0
        && (has_rows || outputs.is_multiple_of(in_word))
        && inputs > 0
        && groups > 0
        && inputs.is_multiple_of(groups);
    fits.then_some((inputs, outputs, groups))
}

/// Whether every zero is the middle of its range.
fn is_symmetric(packer: Packer, zeros: &[u8]) -> bool {
    let middle = packer.middle();
    let places = 0..packer.in_word();
    words(zeros)
        .all(|word| places.clone().all(|place| packer.zero(packer.number(word, place)) == middle))
}

/// The bytes of a layer's tensors.
struct Parts<'a> {
    packed: &'a Packed,
    weights: &'a [u8],
    zeros: Option<&'a [u8]>,
    scales: &'a [u8],
    groups: Option<&'a [u8]>,
}

impl Parts<'_> {
    /// Rows from output `first` on, each of `row` bytes.
    fn unpack_stripe(&self, first: usize, out: &mut [u8], row: usize) {
        let inputs = self.packed.inputs;
        let mut numbers = vec![0; out.len() / row * inputs];
        match self.packed.packer {
            Packer::Awq => self.awq_numbers(first, &mut numbers),
            Packer::Gptq { .. } => self.gptq_numbers(first, &mut numbers),
            Packer::Compressed { .. } => self.plain_numbers(first, &mut numbers),
        }
        let rows = numbers.chunks_exact(inputs).zip(out.chunks_exact_mut(row));
        for (output, (numbers, out)) in (first..).zip(rows) {
            match self.packed.dtype {
                GgmlDType::Q4_1 => self.offset_blocks(output, numbers, out),
                GgmlDType::Q8_0 => self.blocks(output, numbers, out),
                _ => self.halves(output, numbers, out),
            }
        }
    }

    /// Numbers, `[outputs, inputs]`, from output `first` on.
    fn awq_numbers(&self, first: usize, numbers: &mut [u8]) {
        let Packed { packer, inputs, outputs, .. } = *self.packed;
        let (rows, in_word) = (numbers.len() / inputs, packer.in_word());
        for input in 0..inputs {
            for row in (0..rows).step_by(in_word) {
                let word = word(self.weights, (input * outputs + first + row) / in_word);
                for (place, output) in AWQ_ORDER.into_iter().enumerate() {
                    numbers[(row + output) * inputs + input] = packer.number(word, place);
                }
            }
        }
    }

    /// The same of GPTQ, where several inputs share a word.
    fn gptq_numbers(&self, first: usize, numbers: &mut [u8]) {
        let Packed { packer, inputs, outputs, .. } = *self.packed;
        let (rows, in_word) = (numbers.len() / inputs, packer.in_word());
        for input in (0..inputs).step_by(in_word) {
            for row in 0..rows {
                let word = word(self.weights, input / in_word * outputs + first + row);
                let several = &mut numbers[row * inputs + input..][..in_word];
                for (place, out) in several.iter_mut().enumerate() {
                    *out = packer.number(word, place);
                }
            }
        }
    }

    /// The same of compressed-tensors, whose rows are rows.
    fn plain_numbers(&self, first: usize, numbers: &mut [u8]) {
        let Packed { packer, inputs, .. } = *self.packed;
        let in_word = packer.in_word();
        let start = first * inputs / in_word;
        for (index, several) in numbers.chunks_mut(in_word).enumerate() {
            let word = word(self.weights, start + index);
            for (place, out) in several.iter_mut().enumerate() {
                *out = packer.number(word, place);
            }
        }
    }

    /// Zero and scale of a group.
    fn group(&self, group: usize, output: usize) -> (u8, f32) {
        let Packed { packer, outputs, ref scales, .. } = *self.packed;
        let in_word = packer.in_word();
        let place = match packer {
            Packer::Awq => AWQ_ORDER.iter().position(|&known| known == output % in_word),
            _ => Some(output % in_word),
        };
        let (Some(zeros), Some(place)) = (self.zeros, place) else {
            let at = output * (self.packed.inputs / self.packed.group) + group;
            return (packer.middle(), float(scales.dtype, self.scales, at));
        };
        let at = group * outputs + output;
        let stored = packer.number(word(zeros, at / in_word), place);
        (packer.zero(stored), float(scales.dtype, self.scales, at))
    }

    /// A row of `Q8_0`: scale, and 32 signed bytes.
    fn blocks(&self, output: usize, numbers: &[u8], out: &mut [u8]) {
        let blocks = numbers.as_chunks::<BLOCK>().0.iter().zip(out.as_chunks_mut::<34>().0);
        for (index, (numbers, out)) in blocks.enumerate() {
            let (zero, scale) = self.group(index * BLOCK / self.packed.group, output);
            out[..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
            for (out, number) in out[2..].iter_mut().zip(numbers) {
                *out = number.wrapping_sub(zero);
            }
        }
    }

    /// A row of `Q4_1`: scale, offset, and 16 bytes with the first 16 numbers in their low halves.
    fn offset_blocks(&self, output: usize, numbers: &[u8], out: &mut [u8]) {
        let blocks = numbers.as_chunks::<BLOCK>().0.iter().zip(out.as_chunks_mut::<20>().0);
        for (index, (numbers, out)) in blocks.enumerate() {
            let (zero, scale) = self.group(index * BLOCK / self.packed.group, output);
            let scale = f16::from_f32(scale);
            let offset = f16::from_f32(-f32::from(zero) * scale.to_f32());
            out[..2].copy_from_slice(&scale.to_le_bytes());
            out[2..4].copy_from_slice(&offset.to_le_bytes());
            let (low, high) = numbers.split_at(BLOCK / 2);
            for ((out, low), high) in out[4..].iter_mut().zip(low).zip(high) {
                *out = low | high << 4;
            }
        }
    }

    /// A row of F16.
    fn halves(&self, output: usize, numbers: &[u8], out: &mut [u8]) {
        for (input, (&number, out)) in numbers.iter().zip(out.chunks_exact_mut(2)).enumerate() {
            let group = match self.groups {
                Some(groups) => word(groups, input) as usize,
                None => input / self.packed.group,
            };
            let (zero, scale) = self.group(group, output);
            let weight = (f32::from(number) - f32::from(zero)) * scale;
            out.copy_from_slice(&f16::from_f32(weight).to_le_bytes());
        }
    }
}

/// A tensor's bytes.
pub(super) fn bytes_of<'a, F: AsRef<[u8]>>(tensor: &Stored, files: &'a [F]) -> &'a [u8] {
    &files[tensor.file].as_ref()[tensor.range.clone()]
}

/// Number `at` of a tensor of floats.
pub(super) fn float(dtype: Dtype, bytes: &[u8], at: usize) -> f32 {
    let half = |at: usize| [bytes[2 * at], bytes[2 * at + 1]];
    match dtype {
        Dtype::F16 => f16::from_le_bytes(half(at)).to_f32(),
        Dtype::BF16 => bf16::from_le_bytes(half(at)).to_f32(),
        _ => f32::from_bits(word(bytes, at)),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = &bytes[4 * at..][..4];
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word))
}
