//! A request's events are the same bytes alone and among others, whatever the schedule.

mod common;

use common::schedule::{
    ADAPTERS, MOST_STEPS, TOTAL_TOKENS, Visit, check_against_alone, is_beginning, run_together,
    visit,
};
use common::step_by_step::StepByStep;
use common::{Bench, Circular, End, Spoiling, Story, config};
use proptest::prelude::*;
use tgi_backend::Backend;
use tgi_backend_scripted::{ScriptedBackend, ScriptedOptions};
use tgi_engine::{EngineConfig, FailureKind, FinishReason, Profile};

#[derive(Clone, Debug)]
struct Machine {
    options: ScriptedOptions,
    config: EngineConfig,
    circular: bool,
}

impl Machine {
    fn backend(&self) -> Box<dyn Backend> {
        let scripted = ScriptedBackend::new(&self.options);
        if self.circular { Box::new(Circular(scripted)) } else { Box::new(scripted) }
    }

    fn bench(&self) -> Bench {
        Bench::over(Box::new(Spoiling(self.backend())), &self.config)
    }

    /// The same model with room for everything and nothing clever, step by step.
    fn plain(&self) -> Bench {
        let ScriptedOptions { draws, ahead, undecided, .. } = self.options;
        let options = ScriptedOptions {
            pages: 64,
            adapters: ADAPTERS,
            draws,
            ahead,
            undecided,
            ..ScriptedOptions::default()
        };
        let config = EngineConfig {
            max_total_tokens: TOTAL_TOKENS,
            profile: self.config.profile,
            // Whether drafts are made at all says which rows are drawn.
            speculate: if draws { self.config.speculate } else { 0 },
            ..config()
        };
        let plain = Self { options, config, circular: self.circular };
        Bench::over(Box::new(StepByStep(plain.backend())), &config)
    }
}

/// What the device does of itself: draws, steps that begin early, rows without a choice.
fn device() -> impl Strategy<Value = (bool, bool, u64)> {
    prop_oneof![
        Just((false, false, 0)),
        (any::<bool>(), any::<bool>(), prop::sample::select(vec![0, 3, 20])),
    ]
}

fn machine() -> impl Strategy<Value = Machine> {
    let sizes = (5..30_usize, 4..100_usize, 2..24_usize);
    let budgets = (1..100_usize, prop::option::of(1..12_usize));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let speculate = prop_oneof![Just(0), 0..5_usize];
    (sizes, budgets, flags, speculate, device()).prop_map(
        |(sizes, (prefill, batch), (prefix_caching, circular, newer), speculate, device)| Machine {
            options: ScriptedOptions {
                draws: device.0 && !circular,
                ahead: device.1 && !circular,
                undecided: device.2,
                pages: sizes.0,
                batch_tokens: sizes.1,
                logit_rows: sizes.2,
                adapters: ADAPTERS,
                ..ScriptedOptions::default()
            },
            config: EngineConfig {
                max_total_tokens: TOTAL_TOKENS,
                max_batch_prefill_tokens: prefill,
                max_batch_size: batch,
                prefix_caching,
                speculate,
                profile: if newer { Profile::V3_3 } else { Profile::V0_3 },
                ..config()
            },
            circular,
        },
    )
}

fn run_alone(machine: &Machine, visit: &Visit) -> Story {
    let mut bench = machine.plain();
    bench.submit(0, &visit.request);
    bench.run(MOST_STEPS);
    bench.story(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn a_request_is_told_the_same_alone_and_among_others(
        machine in machine(),
        visits in prop::collection::vec(visit(), 1..16),
    ) {
        let bench = run_together(machine.bench(), machine.options.pages, &visits)?;
        check_against_alone(&bench, &visits, |visit| run_alone(&machine, visit))?;
    }

    #[test]
    fn faults_end_their_batch_and_change_no_other_request(
        machine in machine(),
        mut visits in prop::collection::vec(visit(), 2..12),
        culprits in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
    ) {
        for index in culprits {
            index.get_mut(&mut visits).request.inputs.push_str("<fail>");
        }
        let bench = run_together(machine.bench(), machine.options.pages, &visits)?;
        for (id, visit) in (0..).zip(&visits) {
            let among = bench.story(id);
            let failed = matches!(among.end, Some(End::Failed(FailureKind::Generation, _)));
            if visit.request.inputs.ends_with("<fail>") {
                prop_assert!(failed || visit.cancelled.is_some());
                prop_assert!(among.tokens.is_empty());
            } else if failed || among.end.is_none() {
                prop_assert!(is_beginning(&among, &run_alone(&machine, visit)));
            } else {
                prop_assert_eq!(among, run_alone(&machine, visit));
            }
        }
    }
}

/// The generators reach what the property is about; otherwise it would hold for nothing.
#[test]
fn the_schedules_reach_every_mechanism() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let strategy = (machine(), prop::collection::vec(visit(), 8..16));
    let (mut accepted, mut cached, mut recomputed, mut cut) = (0, 0, 0, 0);
    let mut reasons = Vec::new();
    for _ in 0..100 {
        let (machine, visits) = strategy.new_tree(&mut runner).unwrap().current();
        let bench = run_together(machine.bench(), machine.options.pages, &visits).unwrap();
        let log = bench.recorder.0.lock().unwrap();
        let usages = log.usages.values();
        accepted += usages.clone().map(|usage| usage.accepted_tokens).sum::<u32>();
        cached += usages.clone().map(|usage| usage.cached_tokens).sum::<u32>();
        let prompts: u32 = usages.map(|usage| usage.prompt_tokens - usage.cached_tokens).sum();
        let computed: u32 = log.steps.iter().map(|step| step.prefill_tokens).sum();
        recomputed += computed.saturating_sub(prompts);
        cut += visits.iter().filter(|visit| visit.cancelled.is_some()).count();
        reasons.extend(log.stories.values().filter_map(|story| match &story.end {
            Some(End::Done(reason, _)) => Some(*reason),
            _ => None,
        }));
    }
    assert!(accepted > 100 && cached > 1000, "{accepted} accepted, {cached} cached");
    assert!(recomputed > 100 && cut > 20, "{recomputed} recomputed, {cut} cancelled");
    for reason in [FinishReason::Length, FinishReason::StopSequence] {
        assert!(reasons.contains(&reason), "{reason:?} never");
    }
}
