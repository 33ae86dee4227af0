//! Halves and blocks against the reference in f32: near, by what their rounding costs.

use crate::common::{TOKENS, largest_difference, load, options, plain_pass, random};
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_backend_cuda::{CudaOptions, Element};
use tgi_model::{Model, WeightFormat};

fn halves_are_near(element: Element, share: f32) {
    for mut spec in crate::common::specs() {
        // A head size that has a kernel on tensor cores.
        spec.attention.head_size = 32;
        let expected = plain_pass(&mut crate::common::random_backend(&spec, 4), &TOKENS);
        let options = CudaOptions { element, ..options(4, 64) };
        let found = plain_pass(&mut random(&spec, &options), &TOKENS);
        let size = expected.iter().flatten().fold(0.0f32, |size, it| size.max(it.abs()));
        let off = largest_difference(&found, &expected) / size;
        assert!(off > 0.0 && off < share, "{} in {element:?}: {off}", spec.architecture);
    }
}

#[test]
fn float16_is_near() {
    halves_are_near(Element::F16, 0.02);
}

#[test]
fn bfloat16_is_near() {
    halves_are_near(Element::Bf16, 0.15);
}

/// Compares a tiny checkpoint whose matrices are quantized at load.
fn blocks_are_near(format: &str, checkpoint: &str) {
    let model = || {
        let path = crate::common::repository_tests("fixtures").join(checkpoint);
        let model = Model::open(&path).unwrap();
        model.with_format(WeightFormat::quantized(format).unwrap()).unwrap()
    };
    let model = model();
    let tokens: Vec<u32> = TOKENS.iter().map(|token| token % model.spec.vocab as u32).collect();
    let mut reference = CandleBackend::load(&model, &CandleOptions::cpu(4, 64, 64)).unwrap();
    let expected = plain_pass(&mut reference, &tokens);
    for is_batch_invariant in [false, true] {
        let options = CudaOptions { is_batch_invariant, ..options(4, 64) };
        let found = plain_pass(&mut load(&model.spec, &model, &options).unwrap(), &tokens);
        let off = largest_difference(&found, &expected);
        assert!(off < 2e-3, "{format}, batch-invariant {is_batch_invariant}: {off}");
    }
}

#[test]
fn blocks_that_kernels_read_give_what_the_reference_unpacks() {
    for format in ["q4_0", "q8_0"] {
        blocks_are_near(format, "tiny-llama");
    }
}

#[test]
fn blocks_that_no_kernel_reads_are_unpacked_at_load() {
    for format in ["q4_1", "q5_0"] {
        blocks_are_near(format, "tiny-llama");
    }
}
