use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::tests::config;

const MIB: u64 = 1 << 20;

/// 100 MiB of weights, 32 KiB of KV a token (1 MiB a page), 1 KiB of arena a token.
fn needs() -> Needs<impl Fn(LargestStep) -> u64> {
    Needs {
        context: 2048,
        weights_bytes: 100 * MIB,
        kv_bytes_per_token: 32 << 10,
        is_gpu: false,
        pages: None,
        arena_bytes: |step: LargestStep| step.batch_tokens as u64 * 1024,
    }
}

fn planned(changes: &Value, available: u64) -> Plan {
    plan(&config(changes), &needs(), available).unwrap()
}

fn refusal(changes: &Value, available: u64) -> String {
    plan(&config(changes), &needs(), available).unwrap_err().to_string()
}

#[test]
fn much_memory_gives_every_request_its_full_context() {
    let plan = planned(&json!({"maxConcurrentRequests": 4}), 1024 * 1024 * MIB);
    assert_eq!((plan.max_total_tokens, plan.max_input_tokens), (2048, 2047));
    assert_eq!((plan.pages, plan.max_batch_total_tokens), (4 * 64, 4 * 2048));
    assert_eq!(plan.kv_bytes, 256 * MIB);
    assert_eq!(plan.max_batch_size, 4);
}

#[test]
fn the_cache_takes_half_of_what_is_left() {
    let plan = planned(&json!({}), 501 * MIB);
    assert_eq!(plan.pages, 200);
    assert_eq!(plan.max_total_tokens, 2048);
}

#[test]
fn one_full_sequence_may_take_more_than_half() {
    assert_eq!(planned(&json!({}), 181 * MIB).max_total_tokens, 2048);
}

#[test]
fn the_default_length_shrinks_to_what_fits() {
    let plan = planned(&json!({}), 121 * MIB);
    assert_eq!((plan.pages, plan.max_total_tokens, plan.max_input_tokens), (20, 640, 639));
    assert_eq!(plan.max_batch_prefill_tokens, 512);
}

#[test]
fn a_step_holds_the_prefill_every_decode_and_the_free_drafts() {
    for (size, speculate, rows) in [(100, 2, 100), (1, 2, 3), (3, 2, 8), (1, 0, 1)] {
        let changes = json!({"maxBatchSize": size, "speculate": speculate,
            "maxBatchPrefillTokens": 1000});
        let plan = planned(&changes, 1024 * MIB);
        assert_eq!((plan.batch_tokens, plan.logit_rows), (1000 + rows, rows.max(MIN_LOGIT_ROWS)));
    }
}

#[test]
fn a_given_budget_decides_the_pages() {
    let plan = planned(&json!({"maxBatchTotalTokens": 1000}), 1024 * MIB);
    assert_eq!((plan.pages, plan.max_batch_total_tokens), (32, 1000));
    assert_eq!(plan.max_total_tokens, 1000);
}

#[test]
fn a_backend_with_its_own_pages_keeps_them() {
    let needs = Needs { pages: Some(8), ..needs() };
    let plan = plan(&config(&json!({})), &needs, 1024 * MIB).unwrap();
    assert_eq!((plan.pages, plan.max_total_tokens), (8, 256));
    assert_eq!(plan.max_batch_prefill_tokens, 256);
}

#[test]
fn contradicting_limits_are_refused_in_tgis_words() {
    let free = 1024 * MIB;
    assert_eq!(
        refusal(&json!({"maxInputTokens": 100, "maxTotalTokens": 100}), free),
        "`max_input_tokens` must be < `max_total_tokens`"
    );
    assert_eq!(
        refusal(&json!({"maxBatchPrefillTokens": 600, "maxBatchTotalTokens": 500}), free),
        "`max_batch_prefill_tokens` must be <= `max_batch_total_tokens`. Given: 600 and 500"
    );
    assert_eq!(
        refusal(&json!({"maxTotalTokens": 2000, "maxBatchTotalTokens": 1000}), free),
        "`max_total_tokens` must be <= `max_batch_total_tokens`. Given: 2000 and 1000"
    );
}

#[test]
fn more_positions_than_the_model_knows_are_refused() {
    let message = refusal(&json!({"maxTotalTokens": 4096}), 1024 * MIB);
    assert!(message.contains("--max-total-tokens to 2048 or less"), "{message}");
}

#[test]
fn a_plan_that_does_not_fit_names_the_numbers_and_the_flag() {
    let small = json!({"maxConcurrentRequests": 1, "maxBatchPrefillTokens": 1023});
    let with = |key: &str, value: u32| {
        let mut changes = small.clone();
        changes[key] = json!(value);
        changes
    };
    assert_eq!(
        refusal(&with("maxBatchTotalTokens", 3200), 151 * MIB),
        "Cannot plan the memory: weights 100.0 MiB + KV cache 100.0 MiB (3200 tokens) + arena \
         1.0 MiB need 201.0 MiB, 151.0 MiB are available; lower --max-batch-total-tokens to 1600 \
         or less"
    );
    let message = refusal(&with("maxTotalTokens", 2048), 151 * MIB);
    assert!(message.ends_with("lower --max-total-tokens to 1600 or less"), "{message}");
    let message = refusal(&small, 90 * MIB);
    assert!(message.ends_with("choose a smaller model by --model-id"), "{message}");
    let message = refusal(&with("maxBatchSize", u32::MAX), 151 * MIB);
    assert!(message.contains("lower --max-batch-size"), "{message}");
}

proptest! {
    #[test]
    fn a_plan_fits_and_its_fix_works(
        available in 100 * MIB..400 * MIB,
        total in proptest::option::of(2u32..2048),
        batch in proptest::option::of(2u32..100_000),
        prefill in proptest::option::of(1u32..4000),
    ) {
        let changes = json!({
            "maxTotalTokens": total, "maxBatchTotalTokens": batch, "maxBatchPrefillTokens": prefill,
        });
        match plan(&config(&changes), &needs(), available) {
            Ok(plan) => {
                let sum = plan.weights_bytes + plan.kv_bytes + plan.arena_bytes;
                prop_assert!(sum <= available);
                prop_assert!(plan.pages * PAGE_TOKENS >= plan.max_total_tokens);
                prop_assert!(plan.max_batch_prefill_tokens <= plan.batch_tokens);
            }
            Err(OpenError::Memory { fix, .. }) => {
                let flag = fix.strip_prefix("lower --max-");
                let Some((name, rest)) = flag.and_then(|flag| flag.split_once("-tokens to ")) else {
                    // No number helps only where weights, the largest step (4.1 MiB) and 256
                    // tokens (8 MiB) do not fit.
                    prop_assert!(available < 113 * MIB);
                    return Ok(());
                };
                let tokens: u32 = rest.split(' ').next().unwrap().parse().unwrap();
                let key = if name == "total" { "maxTotalTokens" } else { "maxBatchTotalTokens" };
                let mut fixed = changes;
                fixed[key] = json!(tokens);
                let fits = !matches!(
                    plan(&config(&fixed), &needs(), available),
                    Err(OpenError::Memory { .. })
                );
                prop_assert!(fits);
            }
            Err(_) => {}
        }
    }
}
