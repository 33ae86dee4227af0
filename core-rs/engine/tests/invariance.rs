//! A request's events are the same bytes alone and among others, whatever the schedule.

mod common;

use common::{Bench, Circular, End, Spoiling, Story, config};
use proptest::prelude::*;
use tgi_backend::Backend;
use tgi_backend_scripted::{ScriptedBackend, ScriptedOptions};
use tgi_engine::{
    EngineConfig, FailureKind, FinishReason, Grammar, GrammarKind, Parameters, Profile, Progress,
    Request, Watermark,
};

/// Longest sequence of these tests; every pool holds at least that.
const TOTAL_TOKENS: usize = 160;
/// Steps after which a schedule has starved someone.
const MOST_STEPS: usize = 20_000;

#[derive(Clone, Debug)]
struct Visit {
    request: Request,
    arrives: usize,
    /// Steps after its arrival.
    cancelled: Option<usize>,
    /// Steps after its arrival, and for how many.
    paused: Option<(usize, usize)>,
}

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
        let options = ScriptedOptions { pages: 64, ..ScriptedOptions::default() };
        let config = EngineConfig {
            max_total_tokens: TOTAL_TOKENS,
            profile: self.config.profile,
            ..config()
        };
        Self { options, config, circular: self.circular }
    }
}

/// Prompts of a few families, so that prefixes are shared, end inside a page, and diverge.
fn prompt() -> impl Strategy<Value = String> {
    const FAMILIES: [&str; 3] = [
        "You are a helpful assistant. QZQZQZQZQZ the word and the water é日本 🙂 people call them. ",
        "QXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQXQX",
        "1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3",
    ];
    (0..3_usize, 1..70_usize, "[a-zA-Z0-9 ]{0,40}").prop_map(|(family, head, tail)| {
        let head: String = FAMILIES[family].chars().take(head).collect();
        head + &tail
    })
}

/// A grammar now and then: free text within bounds, forced text, recursion.
fn grammar() -> impl Strategy<Value = Option<Grammar>> {
    const GRAMMARS: [(GrammarKind, &str); 5] = [
        (GrammarKind::Regex, "[a-zA-Z 日本é🙂\\n]*"),
        (GrammarKind::Regex, "(the word of the water, )*(and|or) the people\\."),
        (GrammarKind::JsonSchema, r#"{"type":"object"}"#),
        (
            GrammarKind::JsonSchema,
            r#"{"type":"object","properties":{"the people of the water":{"type":"boolean"},
                "text":{"type":"string","maxLength":20}},
                "required":["the people of the water","text"],"additionalProperties":false}"#,
        ),
        (GrammarKind::Lark, "start: \"(\" start* \")\" | \" the\" | \" of\""),
    ];
    let one = prop::sample::select(GRAMMARS.to_vec());
    prop::option::weighted(0.3, one.prop_map(|(kind, text)| Grammar { kind, text: text.into() }))
}

/// What TGI does not have.
fn extensions() -> impl Strategy<Value = Parameters> {
    let penalty = || prop::option::weighted(0.2, -2.0..2.0_f32);
    let bias = prop::collection::btree_map(5..512_u32, -20.0..5.0_f32, 0..4);
    let mark = prop::option::weighted(0.1, (0.2..0.8_f32, 0.5..4.0_f32));
    let stop = (prop::bool::weighted(0.3), any::<bool>(), 0..5_u32);
    let min_p = prop::option::weighted(0.2, 0.0..0.9_f32);
    (penalty(), penalty(), bias, mark, stop, min_p, prop::bool::weighted(0.2)).prop_map(
        |(presence, frequency, logit_bias, mark, (anywhere, include, least), min_p, raw)| {
            Parameters {
                presence_penalty: presence,
                openai_frequency_penalty: frequency,
                logit_bias,
                watermark: mark.map(|(gamma, delta)| Watermark { gamma, delta }),
                stop_anywhere: anywhere,
                include_stop_str: include,
                min_new_tokens: least,
                min_p,
                raw_logprobs: raw,
                ..Parameters::default()
            }
        },
    )
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let sampling = prop_oneof![
        Just(None),
        (any::<u64>(), 0.5..1.5_f32, 1..60_u32, 0.3..1.0_f32).prop_map(Some)
    ];
    let penalty = prop::option::weighted(0.2, 1.01..1.5_f32);
    let stop = prop::option::weighted(0.3, "[a-e ]");
    let flags = (prop::bool::weighted(0.2), any::<bool>());
    let plain = (sampling, penalty, stop, flags, 0..4_u32, 1..40_u32);
    let extensions = prop_oneof![3 => Just(Parameters::default()), 1 => extensions()];
    (plain, grammar(), extensions).prop_map(
        |((sampling, penalty, stop, (details, ignore_eos), top, new), grammar, extensions)| {
            Parameters {
                seed: sampling.map(|(seed, ..)| seed),
                temperature: sampling.map(|(_, temperature, ..)| temperature),
                top_k: sampling.map(|(.., top_k, _)| top_k),
                top_p: sampling.map(|(.., top_p)| top_p),
                repetition_penalty: penalty,
                stop: stop.into_iter().collect(),
                top_n_tokens: top,
                decoder_input_details: details,
                ignore_eos,
                max_new_tokens: Some(new),
                min_new_tokens: extensions.min_new_tokens.min(new),
                grammar,
                // It samples, so it needs a seed.
                min_p: extensions.min_p.filter(|_| sampling.is_some()),
                ..extensions
            }
        },
    )
}

fn visit() -> impl Strategy<Value = Visit> {
    let cancelled = prop::option::weighted(0.2, 0..30_usize);
    let paused = prop::option::weighted(0.2, (0..20_usize, 1..40_usize));
    (prompt(), parameters(), 0..40_usize, cancelled, paused).prop_map(
        |(inputs, parameters, arrives, cancelled, paused)| Visit {
            request: Request { inputs, parameters, ..Request::default() },
            arrives,
            cancelled,
            paused,
        },
    )
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

/// Runs all visits on one machine; every event after a cancel fails the test.
fn run_together(machine: &Machine, visits: &[Visit]) -> Result<Bench, TestCaseError> {
    let mut bench = machine.bench();
    let mut open = 0;
    for step in 0..MOST_STEPS {
        for (id, visit) in (0..).zip(visits) {
            if visit.arrives == step {
                bench.submit(id, &visit.request);
                open += 1;
            }
            if visit.cancelled.is_some_and(|after| visit.arrives + after == step) {
                bench.intake.cancel(id);
            }
            if visit.paused.is_some_and(|(after, _)| visit.arrives + after == step) {
                bench.intake.pause(id);
            }
            if visit.paused.is_some_and(|(after, long)| visit.arrives + after + long == step) {
                bench.intake.resume(id);
            }
        }
        let told: Vec<Story> = cancelled_before(visits, step).map(|id| bench.story(id)).collect();
        let progress = bench.core.step();
        for (id, before) in cancelled_before(visits, step).zip(told) {
            prop_assert_eq!(bench.story(id), before, "told after the cancel");
        }
        let [used, idle, free] = bench.core.pages();
        prop_assert_eq!(used + idle + free, machine.options.pages);
        let all_came = open == visits.len();
        if all_came && bench.intake.open_requests() == 0 {
            prop_assert_eq!(used, 0, "pages without a sequence");
            return Ok(bench);
        }
        let resumes = visits.iter().any(|visit| {
            visit.paused.is_some_and(|(after, long)| visit.arrives + after + long > step)
        });
        prop_assert!(
            !all_came || resumes || matches!(progress, Progress::Worked),
            "idle with open requests"
        );
    }
    Err(TestCaseError::fail("someone starves"))
}

/// Requests whose cancel came at `step` or before.
fn cancelled_before(visits: &[Visit], step: usize) -> impl Iterator<Item = u32> {
    (0..).zip(visits).filter_map(move |(id, visit)| {
        visit.cancelled.filter(|after| visit.arrives + after <= step).map(|_| id)
    })
}

fn run_alone(machine: &Machine, visit: &Visit) -> Story {
    let mut bench = machine.plain().bench();
    bench.submit(0, &visit.request);
    bench.run(MOST_STEPS);
    bench.story(0)
}

fn is_beginning(part: &Story, whole: &Story) -> bool {
    whole.prompt.starts_with(&part.prompt) && whole.tokens.starts_with(&part.tokens)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn a_request_is_told_the_same_alone_and_among_others(
        machine in machine(),
        visits in prop::collection::vec(visit(), 1..16),
    ) {
        let bench = run_together(&machine, &visits)?;
        for (id, visit) in (0..).zip(&visits) {
            let (among, alone) = (bench.story(id), run_alone(&machine, visit));
            if among.end.is_none() {
                prop_assert!(visit.cancelled.is_some(), "request {} has no end", id);
                prop_assert!(is_beginning(&among, &alone));
            } else {
                prop_assert_eq!(among, alone);
            }
        }
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
        let bench = run_together(&machine, &visits)?;
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
        let bench = run_together(&machine, &visits).unwrap();
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
