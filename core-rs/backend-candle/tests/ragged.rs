//! Whatever shares a step, however a prompt is cut, wherever its pages lie: the logits are those of
//! one plain pass.

mod common;
#[path = "common/ragged.rs"]
mod ragged;

use common::*;
use proptest::prelude::*;
use ragged::{schedule, schedule_is_invisible, sharing_a_prefix_is_invisible};

const TOLERANCE: f32 = 1e-4;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn chunks_mixes_and_pages_are_invisible(schedule in schedule()) {
        for spec in random_model::specs() {
            schedule_is_invisible(random_backend, (&spec, &schedule), TOLERANCE)?;
        }
    }
}

#[test]
fn sequences_that_share_a_prefix_do_not_disturb_each_other() {
    for spec in random_model::specs() {
        sharing_a_prefix_is_invisible(random_backend, &spec, TOLERANCE);
    }
}
