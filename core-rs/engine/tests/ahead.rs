//! Steps that begin before the last one is finished change nothing but the time.

mod common;

use std::{
    mem,
    sync::{Arc, Mutex},
};

use common::step_by_step::StepByStep;
use common::watched::{Watch, Watched};
use common::{Bench, End, Story, config, greedy, letters};
use tgi_backend_scripted::{ScriptedOptions, tokenizer};
use tgi_engine::{EngineConfig, FailureKind, FinishReason, Profile, Request};

/// Steps that are enough for every test.
const STEPS: usize = 2000;

struct Fixture {
    bench: Bench,
    watch: Arc<Mutex<Watch>>,
}

impl Fixture {
    fn new(options: &ScriptedOptions, config: &EngineConfig) -> Self {
        let backend = Watched::new(options);
        let watch = Arc::clone(&backend.watch);
        Self { bench: Bench::over(Box::new(backend), config), watch }
    }

    fn plain() -> Self {
        Self::new(&ScriptedOptions::default(), &config())
    }

    fn step(&mut self, count: usize) {
        for _ in 0..count {
            self.bench.core.step();
        }
    }

    /// Steps begun, those of them behind another, and wanted rows.
    fn counts(&self) -> (usize, usize, usize) {
        let watch = self.watch.lock().unwrap();
        (watch.begun, watch.behind, watch.rows)
    }

    fn unfinished(&self) -> usize {
        let watch = self.watch.lock().unwrap();
        watch.begun - watch.finished
    }
}

/// What requests are told one by one, without any step ahead.
fn alone(options: &ScriptedOptions, config: &EngineConfig, request: &Request) -> Story {
    let backend = StepByStep(Box::new(Watched::new(options)));
    let mut bench = Bench::over(Box::new(backend), config);
    bench.submit(0, request);
    bench.run(STEPS);
    bench.story(0)
}

fn plainly(request: &Request) -> Story {
    alone(&ScriptedOptions::default(), &config(), request)
}

/// A request that ends by a stop sequence with its token `length`, at the latest.
fn stopped_at(length: usize) -> Request {
    let request = greedy("stops", 200);
    let text = plainly(&request).tokens[length - 1].0.text.clone();
    let mut request = request;
    request.parameters.stop = vec![text];
    request
}

fn failed(story: &Story) -> bool {
    matches!(story.end, Some(End::Failed(FailureKind::Generation, _)))
}

#[test]
fn every_decode_is_begun_behind_another_and_an_end_by_length_wastes_no_row() {
    let mut fixture = Fixture::plain();
    let requests = [greedy("one", 50), greedy(letters(40), 30), greedy("three", 1)];
    for (id, request) in (0..).zip(&requests) {
        fixture.bench.submit(id, request);
    }
    fixture.bench.run(STEPS);
    assert_eq!(fixture.counts(), (50, 49, 50 + 30 + 1));
    assert_eq!(fixture.unfinished(), 0);
    for (id, request) in (0..).zip(&requests) {
        assert_eq!(fixture.bench.story(id), plainly(request));
    }
}

#[test]
fn tokens_are_told_while_the_next_step_is_under_way() {
    let mut fixture = Fixture::plain();
    fixture.bench.submit(1, &greedy("one", 50));
    for told in 1..50 {
        fixture.step(1);
        assert_eq!(fixture.bench.story(1).tokens.len(), told);
        assert_eq!(fixture.unfinished(), 1);
    }
}

#[test]
fn sampling_and_top_tokens_run_ahead_and_penalties_do_not() {
    let mut sampling = greedy("sampled", 40);
    sampling.parameters.seed = Some(5);
    sampling.parameters.temperature = Some(1.3);
    sampling.parameters.top_k = Some(40);
    sampling.parameters.top_p = Some(0.9);
    sampling.parameters.top_n_tokens = 3;
    let mut penalized = sampling.clone();
    penalized.parameters.repetition_penalty = Some(1.3);
    let config = EngineConfig { profile: Profile::V3_3, ..config() };
    for (request, behind) in [(sampling, 39), (penalized, 0)] {
        let options = ScriptedOptions::default();
        let mut fixture = Fixture::new(&options, &config);
        fixture.bench.submit(0, &request);
        fixture.bench.run(STEPS);
        assert_eq!(fixture.counts(), (40, behind, 40));
        assert_eq!(fixture.bench.story(0), alone(&options, &config, &request));
    }
}

#[test]
fn a_row_behind_an_unforeseen_end_is_ignored() {
    let mut fixture = Fixture::plain();
    let requests = [stopped_at(7), greedy("goes on", 30)];
    for (id, request) in (0..).zip(&requests) {
        fixture.bench.submit(id, request);
    }
    fixture.bench.run(STEPS);
    let stories = requests.each_ref().map(plainly);
    assert_eq!(stories[0].end, Some(End::Done(FinishReason::StopSequence, None)));
    let (_, _, rows) = fixture.counts();
    assert_eq!(rows, stories[0].tokens.len() + 1 + 30);
    assert_eq!([fixture.bench.story(0), fixture.bench.story(1)], stories);
}

#[test]
fn a_step_of_ended_sequences_alone_is_finished_before_the_next_is_planned() {
    let mut fixture = Fixture::plain();
    fixture.bench.submit(0, &stopped_at(3));
    while fixture.bench.story(0).end.is_none() {
        fixture.step(1);
    }
    assert_eq!((fixture.unfinished(), fixture.bench.core.pages()[0]), (1, 0));
    let request = greedy(letters(33), 5);
    fixture.bench.submit(1, &request);
    fixture.bench.run(STEPS);
    assert_eq!(fixture.unfinished(), 0);
    assert_eq!(fixture.bench.story(1), plainly(&request));
}

#[test]
fn a_cancel_while_its_step_is_under_way_frees_the_pages_and_spares_the_others() {
    let mut fixture = Fixture::plain();
    let request = greedy(letters(70), 40);
    fixture.bench.submit(0, &greedy(letters(40), 40));
    fixture.bench.submit(1, &request);
    fixture.step(5);
    assert_eq!(fixture.unfinished(), 1);
    let told = fixture.bench.story(0);
    fixture.bench.intake.cancel(0);
    fixture.step(1);
    assert_eq!(fixture.bench.core.pages()[0], 3);
    // Takes the pages that the step under way still wrote to.
    let late = greedy(letters(100), 40);
    fixture.bench.submit(2, &late);
    fixture.bench.run(STEPS);
    assert_eq!(fixture.bench.story(0), told);
    assert_eq!(fixture.bench.story(1), plainly(&request));
    assert_eq!(fixture.bench.story(2), plainly(&late));
}

#[test]
fn a_failure_under_way_fails_exactly_the_sequences_of_its_step() {
    let mut fixture = Fixture::plain();
    let paused = greedy("paused", 20);
    fixture.bench.submit(0, &greedy("one", 40));
    fixture.bench.submit(1, &paused);
    fixture.step(3);
    fixture.bench.intake.pause(1);
    fixture.step(3);
    let begun = fixture.counts().0;
    fixture.watch.lock().unwrap().spoilt = Some(begun + 1);
    let late = greedy("late", 20);
    fixture.step(1);
    fixture.bench.submit(2, &late);
    fixture.bench.intake.resume(1);
    fixture.bench.run(STEPS);
    assert!(failed(&fixture.bench.story(0)));
    assert_eq!(fixture.bench.story(0).tokens.len(), 7, "what came before was told");
    assert_eq!(fixture.bench.story(1), plainly(&paused));
    assert_eq!(fixture.bench.story(2), plainly(&late));
    assert_eq!(fixture.bench.core.pages()[0], 0);
}

#[test]
fn a_step_that_cannot_be_begun_fails_behind_the_token_before() {
    let mut fixture = Fixture::plain();
    fixture.watch.lock().unwrap().refused = Some(4);
    fixture.bench.submit(0, &greedy("one", 40));
    fixture.bench.run(STEPS);
    assert!(failed(&fixture.bench.story(0)));
    assert_eq!(fixture.bench.story(0).tokens.len(), 3);
    let again = greedy("again", 10);
    fixture.bench.submit(1, &again);
    fixture.bench.run(STEPS);
    assert_eq!(fixture.bench.story(1), plainly(&again));
}

#[test]
fn no_page_that_a_failed_step_spoilt_stays_in_the_cache() {
    let config = EngineConfig { prefix_caching: true, ..config() };
    let mut stopping = stopped_at(7);
    let prompt = tokenizer().encode(&mem::take(&mut stopping.inputs), true).unwrap();
    stopping.input_ids = Some(prompt.clone());
    let length = plainly(&stopping).tokens.len();
    let mut fixture = Fixture::new(&ScriptedOptions::default(), &config);
    // The step behind its end.
    fixture.watch.lock().unwrap().spoilt = Some(length + 1);
    fixture.bench.submit(0, &stopping);
    fixture.bench.submit(1, &greedy("other", 40));
    fixture.bench.run(STEPS);
    assert!(failed(&fixture.bench.story(1)));
    assert_eq!(fixture.bench.story(0), plainly(&stopping));
    let told = fixture.bench.story(0).tokens;
    let mut again = greedy("", 20);
    again.input_ids = Some(prompt.into_iter().chain(told.iter().map(|it| it.0.id)).collect());
    fixture.bench.submit(2, &again);
    fixture.bench.run(STEPS);
    assert_eq!(fixture.bench.story(2), plainly(&again));
}

#[test]
fn pages_that_end_are_followed_by_others_without_a_stop() {
    for inputs in [28, 30, 31, 32] {
        let mut fixture = Fixture::plain();
        let request = greedy(letters(inputs), 70);
        fixture.bench.submit(0, &request);
        fixture.bench.run(STEPS);
        assert_eq!(fixture.counts(), (70, 69, 70));
        assert_eq!(fixture.bench.story(0), plainly(&request));
    }
}

#[test]
fn a_full_pool_displaces_only_when_nothing_is_under_way() {
    let options = ScriptedOptions { pages: 6, ..ScriptedOptions::default() };
    let mut fixture = Fixture::new(&options, &config());
    let requests = [30, 40, 20].map(|inputs| greedy(letters(inputs), 90));
    for (id, request) in (0..).zip(&requests) {
        fixture.bench.submit(id, request);
    }
    fixture.bench.run(STEPS);
    let prefilled: u32 =
        fixture.bench.recorder.0.lock().unwrap().steps.iter().map(|step| step.prefill_tokens).sum();
    assert!(prefilled > 30 + 40 + 20 + 3, "someone was displaced");
    let (begun, behind, _) = fixture.counts();
    assert!(behind > begun / 2, "{behind} of {begun}");
    for (id, request) in (0..).zip(&requests) {
        assert_eq!(fixture.bench.story(id), alone(&options, &config(), request));
    }
}

#[test]
fn steps_run_ahead_while_nobody_who_waits_can_enter() {
    let config = EngineConfig { max_batch_size: Some(1), ..config() };
    let mut fixture = Fixture::new(&ScriptedOptions::default(), &config);
    let requests = [greedy("first", 40), greedy("second", 40)];
    for (id, request) in (0..).zip(&requests) {
        fixture.bench.submit(id, request);
    }
    fixture.bench.run(STEPS);
    assert_eq!(fixture.counts(), (80, 78, 80));
    for (id, request) in (0..).zip(&requests) {
        assert_eq!(fixture.bench.story(id), plainly(request));
    }
}

#[test]
fn a_request_that_arrives_is_in_the_second_step_after() {
    let mut fixture = Fixture::plain();
    fixture.bench.submit(0, &greedy("runs", 100));
    fixture.step(5);
    fixture.bench.submit(1, &greedy("comes", 100));
    fixture.step(2);
    assert_eq!(fixture.bench.story(1).tokens.len(), 1);
    assert_eq!(fixture.bench.story(0).tokens.len(), 7);
}

#[test]
fn a_paused_sequence_leaves_and_the_others_run_ahead() {
    let mut fixture = Fixture::plain();
    let requests = [greedy("one", 60), greedy("two", 60)];
    for (id, request) in (0..).zip(&requests) {
        fixture.bench.submit(id, request);
    }
    fixture.step(5);
    fixture.bench.intake.pause(1);
    let behind = fixture.counts().1;
    fixture.step(10);
    assert_eq!(fixture.counts().1, behind + 10);
    assert_eq!(fixture.bench.story(1).tokens.len(), 6, "the token under way is told");
    fixture.bench.intake.resume(1);
    fixture.bench.run(STEPS);
    for (id, request) in (0..).zip(&requests) {
        assert_eq!(fixture.bench.story(id), plainly(request));
    }
}

#[test]
fn a_row_without_a_choice_is_computed_again_with_nothing_behind_it() {
    let options = ScriptedOptions { undecided: 5, ..ScriptedOptions::default() };
    let mut fixture = Fixture::new(&options, &config());
    let requests = [greedy("one", 60), greedy(letters(50), 60)];
    for (id, request) in (0..).zip(&requests) {
        fixture.bench.submit(id, request);
    }
    fixture.bench.run(STEPS);
    let (begun, behind, rows) = fixture.counts();
    assert!(begun > 60 && behind > 20 && rows > 120, "{begun} steps, {behind} behind, {rows} rows");
    for (id, request) in (0..).zip(&requests) {
        assert_eq!(fixture.bench.story(id), alone(&options, &config(), request));
    }
}

#[test]
fn drafts_go_before_steps_ahead_unless_they_rest() {
    let config = EngineConfig { speculate: 4, ..config() };
    let options = ScriptedOptions::default();
    let mut fixture = Fixture::new(&options, &config);
    let request = greedy("a b a b a b a b", 1500);
    fixture.bench.submit(0, &request);
    fixture.bench.run(STEPS);
    assert_eq!(fixture.bench.story(0), alone(&options, &config, &request));
    let (begun, behind, _) = fixture.counts();
    assert!(behind > 0 && behind < begun - 1, "{behind} of {begun}");
    assert!(fixture.bench.recorder.usage(0).drafted_tokens > 0);
}
