//! Blocks of ggml as candle makes and reads them.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use tgi_cuda_kernels::signatures::Blocks;

use crate::buffers::noise;

fn dtype(blocks: Blocks) -> GgmlDType {
    match blocks {
        Blocks::Q4_0 => GgmlDType::Q4_0,
        Blocks::Q4K => GgmlDType::Q4K,
        Blocks::Q6K => GgmlDType::Q6K,
        Blocks::Q8_0 => GgmlDType::Q8_0,
    }
}

/// `count` numbers between -1 and 1 in blocks.
pub fn quantized(blocks: Blocks, seed: u64, count: usize) -> Vec<u8> {
    let numbers = Tensor::from_vec(noise(seed, count), count, &Device::Cpu).unwrap();
    QTensor::quantize(&numbers, dtype(blocks)).unwrap().data().unwrap().into_owned()
}

/// What blocks stand for.
pub fn unpacked(blocks: Blocks, bytes: &[u8]) -> Vec<f32> {
    let count = bytes.len() / blocks.bytes() * blocks.weights();
    let storage = candle_core::quantized::QStorage::from_data(
        bytes.to_vec().into(),
        &Device::Cpu,
        dtype(blocks),
    );
    let tensor = QTensor::new(storage.unwrap(), count).unwrap();
    tensor.dequantize(&Device::Cpu).unwrap().to_vec1().unwrap()
}
