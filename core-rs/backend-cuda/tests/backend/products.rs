//! Products by cuBLASLt, of which a stand-in is compiled for the host: shapes, transposes, strides and
//! biases as `cublasLt.h` has them.

use std::path::PathBuf;
use std::process::Command;

use tgi_backend_cuda::blas::{Blas, WORKSPACE_BYTES};
use tgi_backend_cuda::{CudaBackend, CudaOptions, Device, Element};
use tgi_model::{Model, WeightFormat};

use crate::common::emulated::Emulated;
use crate::common::{
    RandomModel, TOKENS, device, largest_difference, options, plain_pass, random, repository_tests,
    specs,
};

/// A device with the stand-in, which was compiled to a file of this name.
fn with_library(name: &str) -> Emulated {
    let folder = std::env::temp_dir().join(format!("tgi-cublaslt-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let library: PathBuf = folder.join("libcublasLt.so.13");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/backend/common/cublaslt.c");
    let flags = ["-shared", "-fPIC", "-O2", "-o"];
    let status = Command::new("cc").args(flags).arg(&library).arg(source).status().unwrap();
    assert!(status.success());
    let mut device = device();
    let workspace = device.allocate("the work of cuBLASLt", WORKSPACE_BYTES).unwrap();
    let blas = Blas::open(&["/nowhere/libcublasLt.so.13".into(), library.clone()], workspace);
    std::fs::remove_dir_all(&folder).unwrap();
    let blas = blas.unwrap();
    assert!(blas.path().starts_with(&folder), "{}", blas.path().display());
    device.blas = Some(blas);
    device
}

/// The largest difference that the library makes to the logits of a text, and the products it did.
fn difference(name: &str, element: Element) -> (f32, usize) {
    let (mut most, mut products) = (0.0f32, 0);
    for spec in specs() {
        let options = CudaOptions { element, ..options(4, 64) };
        let source = &RandomModel;
        let device = with_library(name);
        let mut ours = CudaBackend::load(device, &spec, source, &options, &mut |_| {}).unwrap();
        let found = plain_pass(&mut ours, &TOKENS);
        let expected = plain_pass(&mut random(&spec, &options), &TOKENS);
        let off = largest_difference(&found, &expected);
        most = if off <= most { most } else { off };
        products += ours.device().products;
    }
    (most, products)
}

#[test]
fn the_library_multiplies_as_the_own_kernels_do() {
    let (off, products) = difference("f32", Element::F32);
    assert!(off < 1e-4 && products > 20, "{off} {products}");
    let (off, products) = difference("bf16", Element::Bf16);
    assert!(off < 0.3 && products > 20, "{off} {products}");
}

#[test]
fn what_the_library_has_no_way_for_the_own_kernels_multiply() {
    assert_eq!(difference("f16", Element::F16), (0.0, 0));
}

#[test]
fn blocks_are_unpacked_for_the_library_part_by_part() {
    let path = repository_tests("fixtures/tiny-llama");
    let model = Model::open(&path).unwrap();
    let model = model.with_format(WeightFormat::quantized("q8_0").unwrap()).unwrap();
    let options = options(4, 64);
    let tokens = TOKENS.map(|token| token % model.spec.vocab as u32);
    let logits = |device: Emulated| {
        let mut backend =
            CudaBackend::load(device, &model.spec, &model, &options, &mut |_| {}).unwrap();
        (plain_pass(&mut backend, &tokens), backend.device().products)
    };
    let (found, products) = logits(with_library("q8_0"));
    let (expected, none) = logits(device());
    assert!(products > 0 && none == 0);
    assert!(largest_difference(&found, &expected) < 1e-4);
}
