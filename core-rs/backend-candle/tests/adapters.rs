//! `LoRA` adapters on tiny checkpoints, against PEFT in f32.

mod common;
#[path = "common/adapters.rs"]
mod suite;

use common::*;
use tgi_backend_candle::{CandleBackend, CandleOptions, adapter_bytes};
use tgi_model::{Adapter, Model};

fn open(model: &str) -> CandleBackend {
    let (model, adapters) = suite::open(model);
    let options = CandleOptions::cpu(32, 256, 256);
    CandleBackend::load(&model, &options).unwrap().with_adapters(&adapters).unwrap()
}

#[test]
fn adapters_on_a_folder_and_on_a_gguf_file_agree_with_peft() {
    for case in [("tiny-llama", "golden.json"), ("tiny-llama.gguf", "golden-gguf.json")] {
        suite::agrees_with_peft(&mut open(case.0), case);
    }
}

#[test]
fn the_model_itself_stays_what_it_is() {
    suite::the_model_itself_stays(&mut open("tiny-llama"));
}

#[test]
fn a_batch_mixes_adapters_with_the_model_itself() {
    suite::a_batch_mixes_all(&mut open("tiny-llama"));
}

#[test]
fn adapters_that_there_are_not_are_refused() {
    suite::an_unknown_adapter_is_refused(&mut open("tiny-llama"));
}

#[test]
fn the_plan_counts_every_number_of_an_adapter() {
    let fixtures = repository_tests("fixtures");
    let model = Model::open(&fixtures.join("tiny-llama")).unwrap();
    let folder = fixtures.join("tiny-llama-adapters/attention");
    let adapter = Adapter::open(&folder, &model.spec).unwrap();
    // Rank 6 on q and v of 2 layers.
    assert_eq!(adapter_bytes(&adapter), 4 * 6 * 2 * ((64 + 64) + (64 + 32)));
}
