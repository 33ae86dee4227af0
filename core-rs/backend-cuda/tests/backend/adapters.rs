//! `LoRA` adapters: what PEFT computes, and rows that depend on their own adapter alone.

use crate::common::adapters::{
    a_batch_mixes_all, agrees_with_peft, an_unknown_adapter_is_refused, open,
    the_model_itself_stays,
};
use crate::common::checkpoints::{compare, golden};
use crate::common::{Machine, Sequence, device, forward, options, repository_tests};
use tgi_backend::Batch;
use tgi_backend_cuda::{CudaBackend, CudaOptions, Element, WeightSource};
use tgi_model::{Adapter, Model};

fn load(model: &Model, adapters: &[Adapter], options: &CudaOptions) -> CudaBackend<Machine> {
    let source = (model as &dyn WeightSource, adapters);
    CudaBackend::load_adapted(device(), &model.spec, source, options, &mut |_| {}).unwrap()
}

fn backend(model: &str, options: &CudaOptions) -> CudaBackend<Machine> {
    let (model, adapters) = open(model);
    load(&model, &adapters, options)
}

#[test]
fn adapters_on_a_folder_and_on_a_gguf_file_agree_with_peft() {
    for case in [("tiny-llama", "golden.json"), ("tiny-llama.gguf", "golden-gguf.json")] {
        agrees_with_peft(&mut backend(case.0, &options(32, 256)), case);
    }
}

#[test]
fn adapters_of_fused_matrices_agree_with_peft() {
    for name in ["gpt2", "gpt_neox", "phi3"] {
        let folder = repository_tests("goldens/adapters").join(name);
        let model = repository_tests("goldens/architectures").join(name);
        for path in [model.clone(), model.join("model.gguf")] {
            let model = Model::open(&path).unwrap();
            let adapter = Adapter::open(&folder, &model.spec).unwrap();
            let mut backend = load(&model, &[adapter], &options(8, 128));
            let (off, is_same) = compare(&mut backend, &golden(&folder), 4);
            assert!(off <= 1e-4 && is_same, "{name}: {off}, {is_same}");
        }
    }
}

#[test]
fn the_model_itself_stays_and_unknown_adapters_are_refused() {
    let mut backend = backend("tiny-llama", &options(32, 256));
    the_model_itself_stays(&mut backend);
    an_unknown_adapter_is_refused(&mut backend);
}

#[test]
fn a_batch_mixes_adapters_with_the_model_itself() {
    a_batch_mixes_all(&mut backend("tiny-llama", &options(32, 256)));
}

/// Logits of decode steps of sequences with these adapters, by sequence.
fn decoded(backend: &mut CudaBackend<Machine>, adapters: &[Option<u32>]) -> Vec<Vec<Vec<f32>>> {
    let mut sequences: Vec<_> =
        (0..adapters.len() as u32).map(|page| Sequence::new(page, 8)).collect();
    let mut found = vec![Vec::new(); adapters.len()];
    for step in 0..4u32 {
        let mut batch = Batch::default();
        for (sequence, &adapter) in sequences.iter_mut().zip(adapters) {
            let tokens: &[u32] = if step == 0 { &[5, 6, 7, 8, 9] } else { &[10 + step] };
            sequence.push(&mut batch, tokens, 1);
            batch.set_adapter(adapter);
        }
        for (found, logits) in found.iter_mut().zip(forward(backend, &batch)) {
            found.push(logits);
        }
    }
    found
}

#[test]
fn any_mix_of_adapters_gives_the_bytes_of_a_sequence_alone() {
    for element in [Element::F32, Element::Bf16] {
        let options = CudaOptions {
            element,
            is_batch_invariant: true,
            has_graphs: true,
            ..CudaOptions::new(8, 64, 6)
        };
        let mut backend = backend("tiny-llama", &options);
        let mix = [Some(0), None, Some(1), Some(1), Some(0)];
        let mixed = decoded(&mut backend, &mix);
        for (adapter, mixed) in mix.iter().zip(&mixed) {
            assert!(decoded(&mut backend, &[*adapter])[0] == *mixed, "{element:?} {adapter:?}");
        }
        assert!(mixed[0] == mixed[4] && mixed[0] != mixed[1] && mixed[1] != mixed[2]);
    }
}
