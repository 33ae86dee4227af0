//! What is refused, and in which words.

mod common;

use common::random_model::{llama, weights};
use common::{forward, largest_difference, plain_pass, random_backend};
use tgi_backend::{Backend, BackendError, Batch};
use tgi_backend_candle::{CandleBackend, CandleError, CandleOptions, DType};
use tgi_model::ModelSpec;
use tgi_model::spec::{Experts, Role};

fn load_error(spec: &ModelSpec, options: &CandleOptions) -> String {
    let read = |role, layer, shape: &[usize]| Ok(weights(role, layer, shape));
    CandleBackend::from_weights(spec, options, read).err().expect("an error").to_string()
}

fn spec_error(change: impl FnOnce(&mut ModelSpec)) -> String {
    let mut spec = llama();
    change(&mut spec);
    load_error(&spec, &CandleOptions::cpu(1, 1, 1))
}

fn batch_error(batch: &Batch) -> String {
    let mut backend = random_backend(&llama(), 2);
    match backend.forward(batch) {
        Err(BackendError::Batch(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_experts_for_a_token_than_there_are_are_refused_at_load() {
    let experts = Experts { count: 4, used: 5, normalized: true };
    let message = spec_error(|spec| spec.mlp.experts = Some(experts));
    let expected =
        "Cannot run llama on the candle backend: a token uses 5 of 4 experts, expected 1 to 4";
    assert_eq!(message, expected);
}

#[test]
fn numbers_that_do_not_fit_together_are_refused_at_load() {
    let message = spec_error(|spec| spec.attention.kv_heads = 3);
    assert!(message.ends_with("4 query heads do not share 3 key heads evenly"), "{message}");
    let message = spec_error(|spec| spec.attention.windows = vec![None]);
    assert!(message.ends_with("it has 1 attention windows for 2 layers"), "{message}");
    let message = spec_error(|spec| spec.attention.windows[1] = Some(0));
    assert!(message.ends_with("an attention window is 0 tokens, expected 1 or more"), "{message}");
    let message = spec_error(|spec| spec.attention.head_size = 2);
    assert!(
        message.ends_with("rope turns 4 elements, expected an even number up to 2"),
        "{message}"
    );
}

#[test]
fn options_out_of_range_are_refused_at_load() {
    let message = load_error(&llama(), &CandleOptions::cpu(0, 1, 1));
    let expected = "Cannot start the candle backend: 0 KV pages, expected 1 to 134217727";
    assert_eq!(message, expected);
    let message = load_error(&llama(), &CandleOptions::cpu(usize::MAX, 1, 1));
    assert!(message.contains("expected 1 to 134217727"), "{message}");
    let message = load_error(&llama(), &CandleOptions::cpu(1, 0, 1));
    assert!(message.ends_with("0 tokens and 1 logit rows a step, expected 1 or more"), "{message}");
    let bf16 = CandleOptions { dtype: DType::BF16, ..CandleOptions::cpu(1, 1, 1) };
    let message = load_error(&llama(), &bf16);
    assert!(message.ends_with("dtype bf16, expected f32 (bf16 or f16 also on a GPU)"), "{message}");
}

#[test]
fn a_weight_of_another_size_is_named() {
    let read = |role, layer, shape: &[usize]| match role {
        Role::Down => Ok(vec![0.0; 3]),
        _ => Ok(weights(role, layer, shape)),
    };
    let error = CandleBackend::from_weights(&llama(), &CandleOptions::cpu(1, 1, 1), read);
    let message = error.err().expect("an error").to_string();
    let expected =
        "Cannot load Down of layer 0: it has 3 elements, its shape [16, 24] calls for 384";
    assert_eq!(message, expected);
}

#[test]
fn the_reader_s_own_error_comes_through() {
    let read = |_, _, _: &[usize]| Err(CandleError::Options("no such weight".to_owned()));
    let error = CandleBackend::from_weights(&llama(), &CandleOptions::cpu(1, 1, 1), read).err();
    assert!(matches!(error, Some(CandleError::Options(_))), "{error:?}");
}

#[test]
fn a_batch_that_breaks_a_rule_is_refused() {
    let mut batch = Batch::default();
    batch.push_sequence(&[1, 2], &[2], 0);
    assert_eq!(batch_error(&batch), "page 2, pages 2");
    batch.clear();
    batch.push_sequence(&[40], &[0], 0);
    assert_eq!(batch_error(&batch), "token id 40, vocabulary 40");
    batch.clear();
    batch.push_sequence(&[1, 2], &[0], 31);
    assert_eq!(batch_error(&batch), "sequence 0: length 33, 1 pages, context 200");
}

#[test]
fn a_page_out_of_range_is_not_copied() {
    let mut backend = random_backend(&llama(), 2);
    for (from, to) in [(0, 2), (u32::MAX, 1)] {
        let error = backend.copy_page(from, to).unwrap_err().to_string();
        let page = from.max(to);
        assert_eq!(error, format!("Cannot run the batch: page {page}, pages 2"));
    }
}

#[test]
fn a_refused_batch_changes_no_page() {
    let mut backend = random_backend(&llama(), 2);
    let expected = plain_pass(&mut backend, &[3, 4, 5, 6]);
    plain_pass(&mut backend, &[3, 4, 5]);
    let mut bad = Batch::default();
    bad.push_sequence(&[9, 9, 99], &[0], 0);
    assert!(backend.forward(&bad).is_err());
    let mut batch = Batch::default();
    batch.push_sequence(&[6], &[0], 3);
    batch.logit_rows.push(0);
    let found = forward(&mut backend, &batch);
    assert!(largest_difference(&found, &expected[3..]) < 1e-5);
}

#[test]
fn empty_batches_and_batches_without_wanted_rows_give_no_logits() {
    let mut backend = random_backend(&llama(), 2);
    assert_eq!(backend.forward(&Batch::default()).unwrap().rows(), 0);
    let mut batch = Batch::default();
    batch.push_sequence(&[1, 2], &[1], 0);
    assert_eq!(backend.forward(&batch).unwrap().rows(), 0);
}
