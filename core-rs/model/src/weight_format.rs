//! Weights held in another format than the file's: rounded or quantized at load.

use std::num::NonZero;
use std::thread;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

use crate::error::ModelError;
use crate::model::TensorView;
use crate::spec::Role;
use crate::storage::StorageType;

/// What the matrices become that a file has as floats; all else stays as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightFormat(GgmlDType);

/// By `PyTorch`'s names, as TGI's `--dtype` has them.
const FLOATS: [(&str, GgmlDType); 3] =
    [("float32", GgmlDType::F32), ("float16", GgmlDType::F16), ("bfloat16", GgmlDType::BF16)];

/// By ggml's names. Those with one quantizer in every width come first.
const QUANTIZED: [(&str, GgmlDType); 8] = [
    ("q8_0", GgmlDType::Q8_0),
    ("q5_1", GgmlDType::Q5_1),
    ("q5_0", GgmlDType::Q5_0),
    ("q4_1", GgmlDType::Q4_1),
    ("q4_0", GgmlDType::Q4_0),
    ("q6_k", GgmlDType::Q6K),
    ("q5_k", GgmlDType::Q5K),
    ("q4_k", GgmlDType::Q4K),
];

impl WeightFormat {
    /// Rounds to a format of floats, named as `PyTorch` does.
    pub fn rounded(name: &str) -> Option<Self> {
        Self::find(&FLOATS, name)
    }

    /// Quantizes to a format of ggml.
    pub fn quantized(name: &str) -> Option<Self> {
        Self::find(&QUANTIZED, name)
    }

    /// Names that [`Self::quantized`] knows, for messages.
    pub fn quantized_names() -> String {
        QUANTIZED.map(|(name, _)| name).join(", ")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let known = FLOATS.iter().chain(&QUANTIZED).find(|(_, dtype)| *dtype == self.0);
        known.map_or("", |(name, _)| name)
    }

    /// Whether it is one of blocks.
    pub fn is_quantized(self) -> bool {
        self.0.block_size() > 1
    }

    fn find(formats: &[(&str, GgmlDType)], name: &str) -> Option<Self> {
        formats.iter().find(|(known, _)| *known == name).map(|&(_, dtype)| Self(dtype))
    }

    /// How the matrix of a role is held that is stored as `stored`.
    pub(crate) fn of(self, role: Role, stored: StorageType, shape: &[usize]) -> StorageType {
        let (true, [_, .., columns]) = (is_float(stored), shape) else { return stored };
        let wanted = match role {
            // Norms of each head.
            Role::QueryNorm | Role::KeyNorm => return stored,
            // Small, and what follows hangs on its order.
            Role::PositionEmbedding | Role::Router if self.is_quantized() => return stored,
            // What every token goes through pays for more bits, as in ggml's own mixtures.
            Role::TokenEmbedding | Role::Output if self.is_quantized() => GgmlDType::Q8_0,
            _ => self.0,
        };
        let fits = |dtype: &GgmlDType| columns.is_multiple_of(dtype.block_size());
        [wanted, narrower(wanted)].into_iter().find(fits).map_or(stored, StorageType::Ggml)
    }
}

/// What stands in where rows are no whole blocks of 256 (`llama_tensor_get_type` of llama.cpp).
fn narrower(dtype: GgmlDType) -> GgmlDType {
    match dtype {
        GgmlDType::Q4K => GgmlDType::Q5_0,
        GgmlDType::Q5K => GgmlDType::Q5_1,
        GgmlDType::Q6K => GgmlDType::Q8_0,
        other => other,
    }
}

/// Whether numbers are stored one by one.
pub(crate) fn is_float(dtype: StorageType) -> bool {
    matches!(dtype, StorageType::Ggml(GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16))
}

/// The tensor in another format, by candle's quantizers on all cores.
pub(crate) fn convert(view: TensorView, to: StorageType) -> Result<TensorView, ModelError> {
    let StorageType::Ggml(dtype) = to else { return Ok(view) };
    if view.dtype == to {
        return Ok(view);
    }
    let columns = view.shape.last().copied().unwrap_or(1).max(1);
    let row_bytes = columns * view.dtype.type_size();
    let rows = view.bytes.len() / row_bytes;
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let chunk = rows.div_ceil(threads).max(1);
    let converted = thread::scope(|scope| {
        let work = |bytes| {
            let shape = vec![<[u8]>::len(bytes) / row_bytes, columns];
            let part =
                TensorView { name: view.name, dtype: view.dtype, shape, bytes: bytes.into() };
            scope.spawn(move || {
                part.dequantize().and_then(|x| quantize(part.name, x, columns, dtype))
            })
        };
        let tasks: Vec<_> = view.bytes.chunks(chunk * row_bytes).map(work).collect();
        let joined = tasks.into_iter().map(|task| {
            task.join().unwrap_or_else(|_| Err(failed(view.name, "its quantizer stopped")))
        });
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    Ok(TensorView { dtype: to, bytes: converted.concat().into(), ..view })
}

fn quantize(
    name: &str,
    numbers: Vec<f32>,
    columns: usize,
    dtype: GgmlDType,
) -> Result<Vec<u8>, ModelError> {
    if !numbers.iter().all(|number| number.is_finite()) {
        return Err(failed(name, "it has numbers that are not finite"));
    }
    let quantized = || {
        let tensor = Tensor::from_vec(numbers, ((), columns), &Device::Cpu)?;
        Ok(QTensor::quantize(&tensor, dtype)?.data()?.into_owned())
    };
    quantized().map_err(|error: candle_core::Error| failed(name, &error.to_string()))
}

fn failed(name: &str, reason: &str) -> ModelError {
    ModelError::Quantize { name: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F32: StorageType = StorageType::Ggml(GgmlDType::F32);

    fn quantized(name: &str, role: Role, shape: &[usize]) -> String {
        WeightFormat::quantized(name).unwrap().of(role, F32, shape).to_string()
    }

    #[test]
    fn matrices_are_quantized_and_vectors_are_not() {
        assert_eq!(quantized("q4_0", Role::Query, &[8, 64]), "Q4_0");
        assert_eq!(quantized("q4_0", Role::QueryBias, &[64]), "F32");
        assert_eq!(quantized("q4_0", Role::PositionEmbedding, &[8, 64]), "F32");
        assert_eq!(quantized("q4_0", Role::Router, &[8, 64]), "F32");
        assert_eq!(quantized("q4_0", Role::QueryNorm, &[8, 64]), "F32");
        assert_eq!(quantized("q4_0", Role::ExpertUp(3), &[8, 64]), "Q4_0");
    }

    #[test]
    fn embedding_and_head_keep_eight_bits() {
        assert_eq!(quantized("q4_0", Role::TokenEmbedding, &[8, 64]), "Q8_0");
        assert_eq!(quantized("q4_k", Role::Output, &[8, 64]), "Q8_0");
        let half = WeightFormat::rounded("float16").unwrap();
        assert_eq!(half.of(Role::TokenEmbedding, F32, &[8, 64]).to_string(), "F16");
    }

    #[test]
    fn rows_that_are_no_whole_blocks_take_smaller_ones_or_stay() {
        assert_eq!(quantized("q4_k", Role::Up, &[8, 256]), "Q4K");
        assert_eq!(quantized("q4_k", Role::Up, &[8, 64]), "Q5_0");
        assert_eq!(quantized("q6_k", Role::Up, &[8, 64]), "Q8_0");
        assert_eq!(quantized("q8_0", Role::Up, &[8, 40]), "F32");
    }

    #[test]
    fn what_is_quantized_already_stays() {
        let q5 = StorageType::Ggml(GgmlDType::Q5_0);
        let format = WeightFormat::quantized("q4_0").unwrap();
        assert_eq!(format.of(Role::Up, q5, &[8, 64]), q5);
    }

    #[test]
    fn every_name_leads_back_to_itself() {
        for (name, _) in QUANTIZED {
            assert_eq!(WeightFormat::quantized(name).unwrap().name(), name);
        }
        for (name, _) in FLOATS {
            assert_eq!(WeightFormat::rounded(name).unwrap().name(), name);
        }
        assert_eq!(WeightFormat::quantized("float16"), None);
    }

    #[test]
    fn rows_come_back_within_half_a_step_whatever_the_threads() {
        let numbers: Vec<f32> = (0..7 * 64).map(|index| (index as f32 * 0.7).sin()).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let view = TensorView { name: "t", dtype: F32, shape: vec![7, 64], bytes: bytes.into() };
        let q8 = convert(view, GgmlDType::Q8_0.into()).unwrap();
        assert_eq!((q8.bytes.len(), q8.shape.as_slice()), (7 * 2 * 34, &[7, 64][..]));
        for (found, number) in q8.dequantize().unwrap().iter().zip(&numbers) {
            assert!((found - number).abs() <= 0.6 / 127.0, "{found} {number}");
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let bytes = [0.0f32, f32::NAN].repeat(16).into_iter().flat_map(f32::to_le_bytes);
        let bytes: Vec<u8> = bytes.collect();
        let view = TensorView { name: "t", dtype: F32, shape: vec![1, 32], bytes: bytes.into() };
        let refusal = convert(view, GgmlDType::Q8_0.into()).unwrap_err().to_string();
        assert_eq!(refusal, "Cannot quantize tensor t: it has numbers that are not finite");
    }
}
