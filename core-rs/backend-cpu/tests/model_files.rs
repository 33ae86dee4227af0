//! A model's file is needed while its weights are loaded, and not after.

mod common;

use std::fs::{self, File};
use std::path::PathBuf;

use common::repository_tests;
use tgi_backend::{Backend, Batch};
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_model::{Model, Role};

/// A copy of a fixture that is gone when this is dropped.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str, of: &str) -> Self {
        let fixture = repository_tests("fixtures").join(of);
        let path = std::env::temp_dir().join(format!("tgi-{}-{name}", std::process::id()));
        fs::copy(fixture, &path).unwrap();
        Self(path)
    }

    fn truncate(&self) {
        File::options().write(true).open(&self.0).unwrap().set_len(100).unwrap();
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn load(model: &Model) -> CpuBackend {
    let (threads, kv) = (Some(1), KvFormat::F16);
    let options = CpuOptions { pages: 4, batch_tokens: 32, logit_rows: 1, threads, kv };
    CpuBackend::load(model, &options).unwrap()
}

fn logits(backend: &mut CpuBackend) -> Vec<f32> {
    let mut batch = Batch::default();
    batch.push_sequence(&[5, 6, 7], &[0], 0);
    batch.logit_rows.push(2);
    backend.forward(&batch).unwrap().row(0).to_vec()
}

#[test]
fn a_file_that_is_cut_short_after_the_load_is_not_missed() {
    let file = Copy::new("served.gguf", "tiny-llama.gguf");
    let model = Model::open(&file.0).unwrap();
    let mut backend = load(&model);
    drop(model);
    let expected = logits(&mut backend);
    file.truncate();
    assert_eq!(logits(&mut backend), expected);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains(file.0.to_str().unwrap()), "the file is still mapped");
}

#[test]
fn a_file_that_is_cut_short_before_a_tensor_is_read_is_told() {
    let file = Copy::new("read.gguf", "tiny-llama.gguf");
    let model = Model::open(&file.0).unwrap();
    assert!(model.tensor(Role::TokenEmbedding, None).is_ok());
    file.truncate();
    let error = model.tensor(Role::TokenEmbedding, None).unwrap_err().to_string();
    let told = "it was cut short while it was read: it has 100 of 90560 bytes; replace a model file \
                by renaming another one to its name";
    assert!(error.ends_with(told), "{error}");
}
