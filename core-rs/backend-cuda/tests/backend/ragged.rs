//! Whatever shares a step, however a prompt is cut, wherever its pages lie: the logits are those of
//! one plain pass.

use crate::common::ragged::{schedule, schedule_is_invisible, sharing_a_prefix_is_invisible};
use crate::common::{Machine, options, random, specs};
use proptest::prelude::*;
use tgi_backend_cuda::CudaBackend;
use tgi_model::ModelSpec;

const TOLERANCE: f32 = 1e-4;

fn backend(spec: &ModelSpec, pages: usize) -> CudaBackend<Machine> {
    random(spec, &options(pages, 512))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..Default::default() })]

    #[test]
    fn chunks_mixes_and_pages_are_invisible(schedule in schedule()) {
        for spec in specs() {
            schedule_is_invisible(backend, (&spec, &schedule), TOLERANCE)?;
        }
    }
}

#[test]
fn sequences_that_share_a_prefix_do_not_disturb_each_other() {
    for spec in specs() {
        sharing_a_prefix_is_invisible(backend, &spec, TOLERANCE);
    }
}
