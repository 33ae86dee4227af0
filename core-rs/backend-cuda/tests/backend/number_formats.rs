//! Halves and blocks against the reference in f32: near, by what their rounding costs.

use crate::common::{TOKENS, largest_difference, load, options, plain_pass, random};
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_backend_cuda::{CudaOptions, Element, Stored, WeightSource};
use tgi_model::{Model, ModelError, Role, WeightFormat};

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
        let path = crate::common::repository_tests(checkpoint);
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
        blocks_are_near(format, "fixtures/tiny-llama");
    }
}

#[test]
fn blocks_that_no_kernel_reads_are_unpacked_at_load() {
    for format in ["q4_1", "q5_0"] {
        blocks_are_near(format, "fixtures/tiny-llama");
    }
}

#[test]
fn blocks_of_experts_give_what_the_reference_unpacks() {
    for checkpoint in ["mixtral", "qwen3_moe"] {
        blocks_are_near("q8_0", &format!("goldens/architectures/{checkpoint}"));
    }
}

/// Some experts' projections in blocks, and others not.
struct Mixed {
    plain: Model,
    blocks: Model,
    is_unpacked: bool,
}

impl WeightSource for Mixed {
    fn weight(
        &self,
        role: Role,
        layer: Option<usize>,
        _: &[usize],
    ) -> Result<Stored<'_>, ModelError> {
        let in_blocks = matches!(role, Role::ExpertUp(1 | 2)) || role == Role::ExpertGate(3);
        let model = if in_blocks { &self.blocks } else { &self.plain };
        let view = model.tensor(role, layer)?;
        Ok(if self.is_unpacked { Stored::Floats(view.dequantize()?) } else { Stored::Tensor(view) })
    }
}

#[test]
fn experts_that_are_not_held_alike_are_multiplied_part_by_part() {
    let path = crate::common::repository_tests("goldens/architectures/mixtral");
    let open = || Model::open(&path).unwrap();
    let logits = |is_unpacked| {
        let blocks = open().with_format(WeightFormat::quantized("q4_0").unwrap()).unwrap();
        let source = Mixed { plain: open(), blocks, is_unpacked };
        let spec = &source.plain.spec;
        let tokens = TOKENS.map(|token| token % spec.vocab as u32);
        plain_pass(&mut load(spec, &source, &options(4, 64)).unwrap(), &tokens)
    };
    assert!(largest_difference(&logits(false), &logits(true)) < 1e-5);
}
