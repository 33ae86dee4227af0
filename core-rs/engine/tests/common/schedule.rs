//! Random schedules of requests, and what must hold of them on any backend.

use proptest::prelude::*;
use tgi_engine::{Grammar, GrammarKind, Parameters, Progress, Request, Watermark};

use super::{Bench, Story};

/// Longest sequence of these tests; every pool holds at least that.
pub const TOTAL_TOKENS: usize = 160;
/// Steps after which a schedule has starved someone.
pub const MOST_STEPS: usize = 20_000;

/// A request, and when what happens to it.
#[derive(Clone, Debug)]
pub struct Visit {
    pub request: Request,
    /// Step.
    pub arrives: usize,
    /// Steps after its arrival.
    pub cancelled: Option<usize>,
    /// Steps after its arrival, and for how many.
    pub paused: Option<(usize, usize)>,
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
    let bias = prop::collection::btree_map(5..300_u32, -20.0..5.0_f32, 0..4);
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

/// Adapters that visits choose from.
pub const ADAPTERS: usize = 2;

/// A request that comes, and may be paused or cancelled.
pub fn visit() -> impl Strategy<Value = Visit> {
    let cancelled = prop::option::weighted(0.2, 0..30_usize);
    let paused = prop::option::weighted(0.2, (0..20_usize, 1..40_usize));
    let salt = prop::option::weighted(0.3, "[ab]");
    let adapter = prop::option::weighted(0.4, 0..ADAPTERS as u32);
    (prompt(), parameters(), (salt, adapter), 0..40_usize, cancelled, paused).prop_map(
        |(inputs, parameters, (cache_salt, adapter), arrives, cancelled, paused)| Visit {
            request: Request { inputs, parameters, cache_salt, adapter, ..Request::default() },
            arrives,
            cancelled,
            paused,
        },
    )
}

/// Runs all visits on a bench of `pages` pages; every event after a cancel fails the test.
pub fn run_together(
    mut bench: Bench,
    pages: usize,
    visits: &[Visit],
) -> Result<Bench, TestCaseError> {
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
        prop_assert_eq!(used + idle + free, pages);
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

/// Whether `part` is what `whole` was at some time.
pub fn is_beginning(part: &Story, whole: &Story) -> bool {
    whole.prompt.starts_with(&part.prompt) && whole.tokens.starts_with(&part.tokens)
}

/// Every request was told what it is told alone; of one that was cancelled, the beginning.
pub fn check_against_alone(
    bench: &Bench,
    visits: &[Visit],
    mut alone: impl FnMut(&Visit) -> Story,
) -> Result<(), TestCaseError> {
    for (id, visit) in (0..).zip(visits) {
        let (among, alone) = (bench.story(id), alone(visit));
        if among.end.is_none() {
            prop_assert!(visit.cancelled.is_some(), "request {} has no end", id);
            prop_assert!(is_beginning(&among, &alone));
        } else {
            prop_assert_eq!(among, alone);
        }
    }
    Ok(())
}
