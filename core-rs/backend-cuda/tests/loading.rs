//! What a load refuses, and what the plan said before it.

mod common;

use common::{RandomModel, device, load, options, random_model, repository_tests};
use tgi_backend::Backend;
use tgi_backend_cuda::{
    CudaBackend, CudaError, CudaOptions, Device, Element, RandomWeights, arena_bytes,
    kv_bytes_per_token, plain_weight_bytes, weight_bytes,
};
use tgi_model::{Model, ModelSpec};

fn refusal(spec: &ModelSpec, options: &CudaOptions) -> String {
    load(spec, &RandomModel, options).err().unwrap().to_string()
}

#[test]
fn a_model_that_it_does_not_compute_is_refused_by_what_it_is() {
    assert_eq!(
        refusal(&random_model::experts(), &options(4, 64)),
        "Cannot run experts on the cuda backend: it has 4 experts a layer, of which none are known; \
         give --backend candle or --device cpu"
    );
    let mut wide = random_model::llama();
    wide.attention.head_size = 1024;
    assert!(
        refusal(&wide, &options(4, 64)).contains("heads have 1024 elements, expected 1 to 512")
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let spec = random_model::llama();
    assert!(refusal(&spec, &options(0, 64)).contains("0 KV pages, expected 1 to 134217727"));
    assert!(refusal(&spec, &options(4, 0)).contains("0 tokens a step"));
}

#[test]
fn a_device_that_is_full_names_the_flag() {
    let mut full = device();
    full.bytes = 100_000;
    let options = options(4, 64);
    let spec = random_model::llama();
    let Err(error) = CudaBackend::load(full, &spec, &RandomModel, &options, &mut |_| {}) else {
        panic!("it fits")
    };
    assert!(matches!(error, CudaError::Memory { .. }));
    assert!(error.to_string().contains("lower --cuda-memory-fraction"), "{error}");
}

#[test]
fn the_plan_counts_what_a_load_takes() {
    let model = Model::open(&repository_tests("fixtures/tiny-gemma3.gguf")).unwrap();
    for element in Element::ALL {
        let options = CudaOptions { element, ..options(8, 64) };
        let backend = load(&model.spec, &model, &options).unwrap();
        let taken = (1u64 << 30) - backend.device().free_bytes().unwrap();
        let pages = kv_bytes_per_token(&model.spec, element) * 32 * 8;
        let planned = weight_bytes(&model, element)
            + pages
            + arena_bytes(&model.spec, &options, backend.device().multiprocessors());
        // cuBLASLt's work is planned for, and there is none here.
        let blas = tgi_backend_cuda::blas::WORKSPACE_BYTES as u64;
        assert!(planned >= taken + blas, "{planned} {taken}");
        assert!(planned - taken - blas < planned / 20, "{planned} {taken}");
    }
}

#[test]
fn random_weights_are_made_on_the_device_and_computed_with() {
    let spec = random_model::llama();
    let mut backend = load(&spec, &RandomWeights, &options(4, 64)).unwrap();
    let logits = common::plain_pass(&mut backend, &[1, 2, 3]);
    assert!(logits.iter().flatten().all(|logit| logit.is_finite()));
    assert_ne!(logits[1], logits[2]);
    assert!(plain_weight_bytes(&spec, Element::Bf16) > 0);
    assert_eq!(backend.name(), "cuda");
}
