//! What only an emulated device can show: full memory, counted copies, any order of blocks.

use crate::common::decoding::{decode, with_graphs};
use crate::common::emulated::Emulated;
use crate::common::{RandomModel, device, options, random, random_model, repository_tests};
use tgi_backend_cuda::{
    CudaBackend, CudaError, CudaOptions, Device, Element, WeightSource, adapter_bytes, arena_bytes,
    kv_bytes_per_token, weight_bytes,
};
use tgi_cuda_kernels::emulate::Order;
use tgi_model::{Adapter, Model, ModelSpec};

fn load_on(device: Emulated, spec: &ModelSpec, options: &CudaOptions) -> CudaBackend<Emulated> {
    CudaBackend::load(device, spec, &RandomModel, options, &mut |_| {}).unwrap()
}

#[test]
fn long_texts_are_split_and_joined_to_the_same_bytes() {
    let spec = ModelSpec { context: 400, ..random_model::llama() };
    let options = CudaOptions { logit_rows: 2, ..options(32, 400) };
    let expected = {
        // One multiprocessor is busy with any step: nothing is split.
        let busy = Emulated::new(1, Order::Forward);
        let mut backend = load_on(busy, &spec, &options);
        decode(&mut backend, &[300, 20])
    };
    assert!(decode(&mut random(&spec, &options), &[300, 20]) == expected);
    let mut graphs = with_graphs(&spec, options);
    assert!(decode(&mut graphs, &[300, 20]) == expected);
    assert_eq!(graphs.device().replays, 3);
}

#[test]
fn the_order_of_blocks_and_threads_is_invisible() {
    let options = options(16, 64);
    for spec in crate::common::specs() {
        let of = |order| {
            let mut backend = load_on(Emulated::new(132, order), &spec, &options);
            decode(&mut backend, &[3, 40, 9])
        };
        assert!(of(Order::Forward) == of(Order::Reversed), "{}", spec.architecture);
    }
}

#[test]
fn a_decode_step_is_one_copy_in_and_one_copy_out() {
    let mut backend = with_graphs(&random_model::llama(), options(16, 64));
    decode(&mut backend, &[3, 40]);
    // The prompts want no logits, so nothing comes back of them.
    assert_eq!(backend.device().copies, 1 + 3 * 2);
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

/// Checks the bytes that are planned for a model with adapters against those that a load takes.
fn is_planned(model: &Model, adapters: &[Adapter], element: Element) {
    let options = CudaOptions { element, ..options(8, 64) };
    let source = (model as &dyn WeightSource, adapters);
    let backend =
        CudaBackend::load_adapted(device(), &model.spec, source, &options, &mut |_| {}).unwrap();
    let taken = (1u64 << 30) - backend.device().free_bytes().unwrap();
    let pages = kv_bytes_per_token(&model.spec, element) * 32 * 8;
    let multiprocessors = backend.device().multiprocessors();
    let planned = weight_bytes(model, element)
        + adapter_bytes(adapters, model.spec.layers, element)
        + pages
        + arena_bytes(&model.spec, &options.with_adapters(adapters), multiprocessors);
    // cuBLASLt's work is planned for, and there is none here.
    let blas = tgi_backend_cuda::blas::WORKSPACE_BYTES as u64;
    assert!(planned >= taken + blas, "{planned} {taken}");
    assert!(planned - taken - blas < planned / 20, "{planned} {taken}");
}

#[test]
fn the_plan_counts_what_a_load_takes() {
    let (adapted, adapters) = crate::common::adapters::open("tiny-llama");
    let paths = ["fixtures/tiny-gemma3.gguf", "goldens/architectures/mixtral"];
    let models = paths.map(|path| Model::open(&repository_tests(path)).unwrap());
    for element in Element::ALL {
        is_planned(&adapted, &adapters, element);
        for model in &models {
            is_planned(model, &[], element);
        }
    }
}
