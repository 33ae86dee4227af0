//! A request's events are the same bytes alone and among others, whatever the schedule.

mod common;

use common::schedule::{
    ADAPTERS, MOST_STEPS, TOTAL_TOKENS, Visit, check_against_alone, is_beginning, run_together,
    visit,
};
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
    fn bench(&self) -> Bench {
        let scripted = ScriptedBackend::new(&self.options);
        let backend: Box<dyn Backend> =
            if self.circular { Box::new(Circular(scripted)) } else { Box::new(scripted) };
        Bench::over(Box::new(Spoiling(backend)), &self.config)
    }

    /// The same model with room for everything and nothing clever.
    fn plain(&self) -> Self {
        let options =
            ScriptedOptions { pages: 64, adapters: ADAPTERS, ..ScriptedOptions::default() };
        let config = EngineConfig {
            max_total_tokens: TOTAL_TOKENS,
            profile: self.config.profile,
            ..config()
        };
        Self { options, config, circular: self.circular }
    }
}

fn machine() -> impl Strategy<Value = Machine> {
    let sizes = (5..30_usize, 4..100_usize, 2..24_usize);
    let budgets = (1..100_usize, prop::option::of(1..12_usize));
    (sizes, budgets, any::<bool>(), 0..5_usize, any::<bool>(), any::<bool>()).prop_map(
        |(sizes, (prefill, batch), prefix_caching, speculate, circular, newer)| Machine {
            options: ScriptedOptions {
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
    let mut bench = machine.plain().bench();
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
    for _ in 0..60 {
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
