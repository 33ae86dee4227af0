//! What a token attends to, and how much, seen from outside.

mod common;

use common::random_model::{gemma, llama, weights};
use common::{largest_difference, plain_pass, random_backend};
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_model::{ModelSpec, Role};

const TOKENS: [u32; 6] = [3, 1, 4, 1, 5, 9];

fn difference(a: &ModelSpec, b: &ModelSpec) -> f32 {
    let pass = |spec| plain_pass(&mut random_backend(spec, 1), &TOKENS);
    largest_difference(&pass(a), &pass(b))
}

fn capped(soft_cap: Option<f32>) -> ModelSpec {
    let mut spec = llama();
    spec.attention.soft_cap = soft_cap;
    spec
}

#[test]
fn a_token_outside_every_window_changes_nothing() {
    let mut spec = gemma();
    spec.attention.windows = vec![Some(4), Some(4)];
    let mut tokens: Vec<u32> = (0..12).collect();
    let before = plain_pass(&mut random_backend(&spec, 1), &tokens);
    tokens[2] = 30;
    let after = plain_pass(&mut random_backend(&spec, 1), &tokens);
    // Two layers of windows of 4 see 2 * 3 tokens back.
    let is_same = |row: usize| largest_difference(&before[row..=row], &after[row..=row]) < 1e-6;
    let same: Vec<bool> = (0..12).map(is_same).collect();
    let expected: Vec<bool> = (0..12).map(|row| !(2..=8).contains(&row)).collect();
    assert_eq!(same, expected);
}

#[test]
fn a_soft_cap_bounds_the_scores() {
    let mut uniform = llama();
    uniform.attention.scale = 0.0;
    assert!(difference(&capped(Some(1e-6)), &uniform) < 1e-4);
    assert!(difference(&capped(Some(1e4)), &capped(None)) < 1e-4);
    assert!(difference(&capped(Some(0.5)), &capped(None)) > 1e-2);
}

#[test]
fn heads_of_a_group_share_keys_and_values() {
    let mut spec = llama();
    spec.attention.kv_heads = 1;
    let mut wide = llama();
    wide.attention.kv_heads = 4;
    // The one head's weights, four times over.
    let repeated = |role, layer, shape: &[usize]| {
        Ok(match role {
            Role::Key | Role::Value => weights(role, layer, &[shape[0] / 4, shape[1]]).repeat(4),
            _ => weights(role, layer, shape),
        })
    };
    let options = CandleOptions::cpu(1, 8, 8);
    let mut wide = CandleBackend::from_weights(&wide, &options, repeated).unwrap();
    let found = plain_pass(&mut random_backend(&spec, 1), &TOKENS);
    assert!(largest_difference(&found, &plain_pass(&mut wide, &TOKENS)) < 1e-4);
}
