//! The gate of the int8 path for every quantized type: a real model, requantized, on these kernels
//! as it is and widened to f32.

mod common;

use std::collections::HashMap;
use std::sync::Mutex;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use common::golden::{
    CHUNK, DRIFT, Golden, PERPLEXITY, Widened, drift, log_probs, named_text, perplexity,
};
use common::real_model;
use half::f16;
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::weights::{Stored, TensorSource};
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_model::storage::IQ4_NL_VALUES;
use tgi_model::{Model, ModelError, ModelSpec, Role, StorageType};

const BLOCKS_OF_32: [StorageType; 7] = [
    StorageType::Ggml(GgmlDType::Q4_0),
    StorageType::Ggml(GgmlDType::Q4_1),
    StorageType::Ggml(GgmlDType::Q5_0),
    StorageType::Ggml(GgmlDType::Q5_1),
    StorageType::Ggml(GgmlDType::Q8_0),
    StorageType::Ggml(GgmlDType::BF16),
    StorageType::Iq4Nl,
];
const BLOCKS_OF_256: [StorageType; 5] = [
    StorageType::Ggml(GgmlDType::Q2K),
    StorageType::Ggml(GgmlDType::Q3K),
    StorageType::Ggml(GgmlDType::Q4K),
    StorageType::Ggml(GgmlDType::Q5K),
    StorageType::Ggml(GgmlDType::Q6K),
];

/// `IQ4_NL`: the largest number becomes the end of the table, each other one the nearest value;
/// then the scale that fits these best.
fn iq4_nl(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() / 32 * 18);
    for block in values.as_chunks::<32>().0 {
        let end = block.iter().fold(0.0f32, |end, x| if x.abs() > end.abs() { *x } else { end });
        let inverse = if end == 0.0 { 0.0 } else { f32::from(IQ4_NL_VALUES[0]) / end };
        let indices = block.map(|x| {
            let distance = |index: &usize| (f32::from(IQ4_NL_VALUES[*index]) - x * inverse).abs();
            (0..16).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
        });
        let (mut dot, mut square) = (0.0, 0.0);
        for (x, index) in block.iter().zip(indices) {
            let value = f32::from(IQ4_NL_VALUES[index]);
            dot += x * value;
            square += value * value;
        }
        bytes.extend(f16::from_f32(dot / square).to_le_bytes());
        bytes.extend((0..16).map(|i| (indices[i] | indices[i + 16] << 4) as u8));
    }
    bytes
}

/// The bytes of a type, and the numbers that they stand for.
fn quantize(dtype: StorageType, values: Vec<f32>) -> (Vec<u8>, Vec<f32>) {
    let StorageType::Ggml(ggml) = dtype else {
        let bytes = iq4_nl(&values);
        let numbers = bytes.as_chunks::<18>().0.iter().flat_map(|block| {
            let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
            let value = move |index: u8| scale * f32::from(IQ4_NL_VALUES[usize::from(index)]);
            let low = block[2..].iter().map(move |byte| value(byte & 15));
            low.chain(block[2..].iter().map(move |byte| value(byte >> 4)))
        });
        let numbers = numbers.collect();
        return (bytes, numbers);
    };
    let count = values.len();
    let tensor = Tensor::from_vec(values, count, &Device::Cpu).unwrap();
    let quantized = QTensor::quantize(&tensor, ggml).unwrap();
    let numbers = quantized.dequantize(&Device::Cpu).unwrap().to_vec1().unwrap();
    (quantized.data().unwrap().into_owned(), numbers)
}

/// Bytes of tensors by role and layer.
type Tensors = HashMap<(Role, Option<usize>), Vec<u8>>;

/// A model with every matrix requantized. Rows that are no whole blocks become `Q8_0`, as those
/// who make files do.
struct Requantized<'a> {
    model: &'a Model,
    dtype: StorageType,
    /// Give f32; the numbers kept from when the quantized ones were asked for.
    widen: bool,
    widened: &'a Mutex<Tensors>,
}

impl TensorSource for Requantized<'_> {
    fn stored(&self, role: Role, layer: Option<usize>) -> Result<Stored<'_>, ModelError> {
        let stored = self.model.stored(role, layer)?;
        if stored.rows == 1 {
            return Ok(stored);
        }
        let mut widened = self.widened.lock().unwrap();
        if self.widen {
            let bytes = widened.remove(&(role, layer)).unwrap();
            return Ok(Stored { dtype: GgmlDType::F32.into(), bytes: bytes.into(), ..stored });
        }
        let fits = stored.columns.is_multiple_of(self.dtype.block_size());
        let dtype = if fits { self.dtype } else { GgmlDType::Q8_0.into() };
        let values = self.model.tensor(role, layer)?.dequantize()?;
        let (bytes, numbers) = quantize(dtype, values);
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        widened.insert((role, layer), numbers);
        Ok(Stored { dtype, bytes: bytes.into(), ..stored })
    }
}

/// Runs quantized weights and the same widened over pieces of text; tells what breaks the gate. Both
/// of its bounds grow by `chance` standard errors of the mean difference: a short text says little
/// about the mean of a long one.
fn failure(
    label: &str,
    spec: &ModelSpec,
    weights: [&dyn TensorSource; 2],
    pieces: &[Vec<u32>],
    chance: f64,
) -> Option<String> {
    let options = CpuOptions {
        pages: 64,
        batch_tokens: CHUNK,
        logit_rows: CHUNK,
        threads: None,
        kv: KvFormat::F16,
    };
    let [fast, exact] = weights.map(|weights| {
        let mut backend = CpuBackend::from_source(spec, weights, &options, Isa::best()).unwrap();
        pieces.iter().flat_map(|ids| log_probs(&mut backend, ids)).collect::<Vec<_>>()
    });
    let (drift, off) = (drift(&fast, &exact), perplexity(&fast) / perplexity(&exact) - 1.0);
    let error = error(&fast, &exact);
    let result = format!(
        "{label}: perplexity {:.3}, {:+.3} % ± {:.3}, mean |int8 - f32| {drift:.4}, {} tokens",
        perplexity(&exact),
        off * 100.0,
        error * 100.0,
        pieces.iter().map(Vec::len).sum::<usize>()
    );
    println!("{result}");
    let passes = drift <= DRIFT + chance * error && off.abs() <= PERPLEXITY + chance * error;
    (!passes).then_some(result)
}

/// Standard error of the mean difference.
fn error(fast: &[f64], exact: &[f64]) -> f64 {
    let count = fast.len() as f64;
    let differences = fast.iter().zip(exact).map(|(fast, exact)| fast - exact);
    let mean = differences.clone().sum::<f64>() / count;
    let variance = differences.map(|difference| (difference - mean).powi(2)).sum::<f64>() / count;
    (variance / count).sqrt()
}

/// Checks some types of one model over pieces of text.
fn all_pass(model: &Model, dtypes: &[StorageType], pieces: &[Vec<u32>], chance: f64) {
    let failures: Vec<_> = dtypes
        .iter()
        .filter_map(|&dtype| {
            let widened = Mutex::default();
            let [fast, exact] =
                [false, true].map(|widen| Requantized { model, dtype, widen, widened: &widened });
            let label = format!("{} {dtype}", model.spec.architecture);
            failure(&label, &model.spec, [&fast, &exact], pieces, chance)
        })
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Over the first tokens of the golden's text.
fn all_pass_shortly(name: &str, dtypes: &[StorageType]) {
    let model = Model::open(&real_model(&format!("{name}.gguf"))).unwrap();
    let ids = &Golden::read(name).perplexity.ids[..SHORT];
    all_pass(&model, dtypes, &[ids.to_vec()], CHANCE);
}

/// Over the text that `TGI_TEST_TEXT` names, else over the golden's.
fn all_pass_wholly(name: &str) {
    let model = Model::open(&real_model(&format!("{name}.gguf"))).unwrap();
    let pieces = named_text(&model.tokenizer);
    let pieces = pieces.unwrap_or_else(|| vec![Golden::read(name).perplexity.ids]);
    all_pass(&model, &[&BLOCKS_OF_32[..], &BLOCKS_OF_256].concat(), &pieces, 1.0);
}

const SMOLLM2: &str = "smollm2-135m-instruct-q4_1";
const GEMMA: &str = "gemma-3-270m-q4_k_m";

/// Tokens of the quick runs.
const SHORT: usize = 361;
/// Standard errors that the quick runs allow for so few tokens; the long ones allow one.
const CHANCE: f64 = 2.0;

#[test]
fn smollm2_in_every_type_of_short_blocks_passes_the_int8_gate() {
    all_pass_shortly(SMOLLM2, &BLOCKS_OF_32);
}

#[test]
fn smollm2_in_every_type_of_long_blocks_passes_the_int8_gate() {
    all_pass_shortly(SMOLLM2, &BLOCKS_OF_256);
}

#[test]
#[ignore = "takes minutes; --nocapture prints the table, TGI_TEST_TEXT=file takes another text"]
fn smollm2_in_every_type_passes_over_the_whole_text() {
    all_pass_wholly(SMOLLM2);
}

#[test]
#[ignore = "takes minutes; --nocapture prints the table, TGI_TEST_TEXT=file takes another text"]
fn gemma_3_in_every_type_passes_over_the_whole_text() {
    all_pass_wholly(GEMMA);
}

#[test]
#[ignore = "takes minutes; TGI_TEST_FILES names GGUF files as PATH names folders, TGI_TEST_TEXT a text"]
fn named_files_pass_over_the_named_text() {
    let files = std::env::var_os("TGI_TEST_FILES").expect("TGI_TEST_FILES names GGUF files");
    let failures: Vec<_> = std::env::split_paths(&files)
        .filter_map(|file| {
            let model = Model::open(&file).unwrap();
            let pieces = named_text(&model.tokenizer).expect("TGI_TEST_TEXT names a file");
            let label = file.display().to_string();
            failure(&label, &model.spec, [&model, &Widened(&model)], &pieces, 1.0)
        })
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
}
