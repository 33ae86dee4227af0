//! Every stored type: against candle's own dequantization, across instruction sets and batch sizes.

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use half::{bf16, f16};
use proptest::prelude::*;
use tgi_backend_cpu::activation::{ActivationBlock, quantize};
use tgi_backend_cpu::isa::{Isa, Kernel};
use tgi_backend_cpu::matrix::{Input, Matrix, load, loaded_bytes};
use tgi_backend_cpu::product::{Blocks, PanelRow};
use tgi_backend_cpu::simd::{LANES, Simd};
use tgi_backend_cpu::slab::Slab;
use tgi_model::StorageType;
use tgi_model::storage::IQ4_NL_VALUES;

const QUANTIZED: [GgmlDType; 10] = [
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q2K,
    GgmlDType::Q3K,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];
const FLOATS: [GgmlDType; 3] = [GgmlDType::F32, GgmlDType::F16, GgmlDType::BF16];

/// A small generator (Numerical Recipes' LCG), so that a failing case is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0 >> 33
    }
    fn unit(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }
}

/// Where the half-precision scales of a block lie.
fn scale_offsets(dtype: StorageType) -> &'static [usize] {
    let StorageType::Ggml(dtype) = dtype else { return &[0] };
    match dtype {
        GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0 => &[0],
        GgmlDType::Q4_1 | GgmlDType::Q5_1 | GgmlDType::Q4K | GgmlDType::Q5K => &[0, 2],
        GgmlDType::Q2K => &[80, 82],
        GgmlDType::Q3K => &[108],
        GgmlDType::Q6K => &[208],
        _ => &[],
    }
}

/// Random weights: random bits, with scales of the size that real files have.
fn weights(dtype: StorageType, rows: usize, columns: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rows * columns / dtype.block_size() {
        match dtype {
            StorageType::Ggml(GgmlDType::F32) => bytes.extend(random.unit().to_le_bytes()),
            StorageType::Ggml(GgmlDType::F16) => {
                bytes.extend(f16::from_f32(random.unit()).to_le_bytes());
            }
            StorageType::Ggml(GgmlDType::BF16) => {
                bytes.extend(bf16::from_f32(random.unit()).to_le_bytes());
            }
            _ => {
                let start = bytes.len();
                bytes.extend((0..dtype.type_size()).map(|_| random.next() as u8));
                for offset in scale_offsets(dtype) {
                    let scale = f16::from_f32(random.unit() * 0.01);
                    bytes[start + offset..start + offset + 2].copy_from_slice(&scale.to_le_bytes());
                }
            }
        }
    }
    bytes
}

struct QuantizeRow<'a>(&'a [f32], &'a mut [ActivationBlock], usize);

impl Kernel for QuantizeRow<'_> {
    type Output = ();
    #[inline]
    fn run<S: Simd>(self, simd: S) {
        for (index, values) in self.0.chunks_exact(32).enumerate() {
            let halves = values.as_chunks::<LANES>().0;
            let block = quantize(simd, simd.load(&halves[0]), simd.load(&halves[1]));
            self.1[index * self.2] = block;
        }
    }
}

/// Activations of some tokens, in both forms.
struct Tokens {
    floats: Vec<f32>,
    blocks: Vec<ActivationBlock>,
    count: usize,
    columns: usize,
}

impl Tokens {
    fn new(count: usize, columns: usize, random: &mut Random) -> Self {
        let floats: Vec<f32> = (0..count * columns).map(|_| random.unit()).collect();
        let mut blocks = vec![ActivationBlock::default(); count * (columns / 32)];
        if columns.is_multiple_of(32) {
            for (token, row) in floats.chunks_exact(columns).enumerate() {
                Isa::best().run(QuantizeRow(row, &mut blocks[token..], count));
            }
        }
        Self { floats, blocks, count, columns }
    }

    fn input(&self) -> Input<'_> {
        Input {
            blocks: Blocks { blocks: &self.blocks, stride: self.count },
            floats: &self.floats,
            stride: self.columns,
        }
    }

    /// What the kernels really multiply with.
    fn effective(&self, token: usize, column: usize, dtype: StorageType) -> f32 {
        let value = self.floats[token * self.columns + column];
        match dtype {
            StorageType::Ggml(GgmlDType::F32 | GgmlDType::F16) => return value,
            StorageType::Ggml(GgmlDType::BF16) => return bf16::from_f32(value).to_f32(),
            _ => {}
        }
        let block = &self.blocks[column / 32 * self.count + token];
        f32::from(block.q.as_flattened()[column % 32]) * block.scale
    }
}

/// All outputs as bits, `[tokens][rows]`, computed `group` tokens at a time.
fn outputs(matrix: &dyn Matrix, isa: Isa, tokens: &Tokens, group: usize) -> Vec<Vec<u32>> {
    let mut out = vec![Vec::new(); tokens.count];
    for panel in 0..matrix.panels() {
        for first in (0..tokens.count).step_by(group) {
            let range = first..tokens.count.min(first + group);
            let mut rows = vec![PanelRow::default(); range.len()];
            matrix.product(isa, panel, &tokens.input(), range.clone(), &mut rows);
            for (token, row) in range.zip(&rows) {
                out[token].extend(row.as_flattened().iter().map(|value| value.to_bits()));
            }
        }
    }
    for row in &mut out {
        row.truncate(matrix.rows());
    }
    out
}

/// Dequantized by candle, or by the definition where candle lacks the type.
fn dequantized(dtype: StorageType, rows: usize, columns: usize, bytes: &[u8]) -> Vec<Vec<f32>> {
    let StorageType::Ggml(dtype) = dtype else {
        let block = |block: &[u8; 18]| -> [f32; 32] {
            let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
            std::array::from_fn(|column| {
                let index = block[2 + column % 16] >> (4 * (column / 16)) & 15;
                scale * f32::from(IQ4_NL_VALUES[usize::from(index)])
            })
        };
        let rows = bytes.chunks_exact(columns / 32 * 18);
        return rows.map(|row| row.as_chunks().0.iter().flat_map(block).collect()).collect();
    };
    let storage = QStorage::from_data(bytes.into(), &Device::Cpu, dtype).unwrap();
    let tensor = QTensor::new(storage, (rows, columns)).unwrap();
    tensor.dequantize(&Device::Cpu).unwrap().to_vec2::<f32>().unwrap()
}

fn check(dtype: impl Into<StorageType>, rows: usize, columns: usize, count: usize, seed: u64) {
    let dtype = dtype.into();
    let mut random = Random(seed);
    let bytes = weights(dtype, rows, columns, &mut random);
    let tokens = Tokens::new(count, columns, &mut random);
    let matrix = load(dtype, rows, columns, &bytes, 2, &Slab::default()).unwrap();
    assert_eq!(matrix.bytes() as u64, loaded_bytes(dtype, rows, columns), "{dtype}");
    let expected = dequantized(dtype, rows, columns, &bytes);
    let mut row = vec![0.0; columns];
    for (index, expected) in expected.iter().enumerate() {
        matrix.row(index, &mut row);
        let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (ours, theirs) in row.iter().zip(expected) {
            assert!((ours - theirs).abs() <= largest / 1024.0, "{dtype:?} {ours} {theirs}");
        }
    }
    let reference = outputs(&*matrix, *Isa::available().last().unwrap(), &tokens, count);
    for (token, outputs) in reference.iter().enumerate() {
        for (index, bits) in outputs.iter().enumerate() {
            matrix.row(index, &mut row);
            let (mut exact, mut size) = (0.0, 0.0);
            for (column, weight) in row.iter().enumerate() {
                let x = tokens.effective(token, column, dtype);
                exact += f64::from(*weight) * f64::from(x);
                size += f64::from((weight * x).abs());
            }
            let ours = f64::from(f32::from_bits(*bits));
            assert!((ours - exact).abs() <= 1e-5 * size, "{dtype:?} {ours} {exact}");
        }
    }
    for isa in Isa::available() {
        for group in [1, 2, 3, 4, 5, 8, 17, 33] {
            assert!(
                outputs(&*matrix, isa, &tokens, group) == reference,
                "{dtype:?} {isa:?} {group}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..Default::default() })]

    #[test]
    fn blocks_of_32_give_the_same_bytes_everywhere(
        rows in 1usize..100, blocks in 1usize..30, count in 1usize..40, seed: u64
    ) {
        for dtype in QUANTIZED.into_iter().filter(|dtype| dtype.block_size() == 32) {
            check(dtype, rows, blocks * 32, count, seed);
        }
        check(StorageType::Iq4Nl, rows, blocks * 32, count, seed);
    }

    #[test]
    fn blocks_of_256_give_the_same_bytes_everywhere(
        rows in 1usize..70, blocks in 1usize..4, count in 1usize..20, seed: u64
    ) {
        for dtype in QUANTIZED.into_iter().filter(|dtype| dtype.block_size() == 256) {
            check(dtype, rows, blocks * 256, count, seed);
        }
    }

    #[test]
    fn floats_give_the_same_bytes_everywhere(
        rows in 1usize..70, columns in 1usize..150, count in 1usize..20, seed: u64
    ) {
        for dtype in FLOATS {
            check(dtype, rows, columns, count, seed);
        }
    }
}

#[test]
fn row_lengths_that_are_no_multiple_of_128_lose_nothing() {
    for columns in [576, 640, 896] {
        for dtype in [GgmlDType::Q4_1, GgmlDType::Q5_0, GgmlDType::Q8_0] {
            check(dtype, 48, columns, 34, columns as u64);
        }
    }
}

#[test]
fn a_matrix_of_the_wrong_size_is_an_error() {
    let error =
        load(GgmlDType::Q4_1, 2, 64, &[0; 79], 1, &Slab::default()).err().unwrap().to_string();
    assert!(error.contains("2 x 64 Q4_1") && error.contains("79 bytes"), "{error}");
    assert!(load(GgmlDType::Q8K, 1, 256, &[0; 292], 1, &Slab::default()).is_err());
    assert!(load(GgmlDType::Q4_0, 1, 48, &[0; 27], 1, &Slab::default()).is_err());
}
