//! A GPU against the processor. Only with the feature `candle-cuda`, and only where there is a GPU.

mod common;

use common::{TOKENS, largest_difference, plain_pass, random_backend, random_model};
use tgi_backend_candle::{CandleBackend, CandleOptions, DType, gpu};
use tgi_model::ModelSpec;

/// The largest distance of any logit from the processor's.
fn distance(spec: &ModelSpec, dtype: DType) -> f32 {
    let (device, _) = gpu::open(0).unwrap();
    let options = CandleOptions { device, dtype, ..CandleOptions::cpu(4, 512, 512) };
    let read = |role, layer, shape: &[usize]| Ok(random_model::weights(role, layer, shape));
    let mut on_gpu = CandleBackend::from_weights(spec, &options, read).unwrap();
    let expected = plain_pass(&mut random_backend(spec, 4), &TOKENS);
    largest_difference(&plain_pass(&mut on_gpu, &TOKENS), &expected)
}

fn assert_near(dtype: DType, most: f32) {
    for spec in random_model::specs() {
        let distance = distance(&spec, dtype);
        assert!(distance < most, "{} in {dtype:?}: {distance}", spec.architecture);
    }
}

#[test]
fn float32_gives_the_logits_of_the_processor() {
    assert_near(DType::F32, 1e-3);
}

#[test]
fn float16_is_near() {
    assert_near(DType::F16, 0.1);
}

#[test]
fn bfloat16_is_near() {
    assert_near(DType::BF16, 0.8);
}

#[test]
fn the_gpu_tells_its_name_and_memory() {
    let gpus = gpu::all().unwrap();
    assert!(gpus[0].total_bytes > gpus[0].free_bytes && !gpus[0].name.is_empty());
}
