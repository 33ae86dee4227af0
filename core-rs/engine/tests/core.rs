//! The engine, stepped by hand over the scripted backend.

mod common;

use std::{thread, time::Duration};

use common::{Bench, Circular, End, config, greedy, letters};
use tgi_backend_scripted::{ScriptedBackend, ScriptedOptions};
use tgi_engine::{EngineConfig, FailureKind, FinishReason, Progress};

fn bench() -> Bench {
    Bench::new(&ScriptedOptions::default(), &config())
}

#[test]
fn decodes_go_on_in_every_step_of_a_long_prefill() {
    let config = EngineConfig { max_batch_prefill_tokens: 10, ..config() };
    let mut bench = Bench::new(&ScriptedOptions::default(), &config);
    bench.submit(1, &greedy("short", 500));
    while bench.story(1).tokens.is_empty() {
        bench.core.step();
    }
    bench.submit(2, &greedy(letters(300), 1));
    let mut chunks = 0;
    while bench.story(2).end.is_none() {
        let before = bench.story(1).tokens.len();
        bench.core.step();
        assert_eq!(bench.story(1).tokens.len(), before + 1);
        assert!(bench.recorder.last_step().prefill_tokens <= 10);
        chunks += 1;
    }
    assert_eq!(chunks, 31, "300 letters and the first token, 10 a step");
}

#[test]
fn a_failed_batch_fails_its_requests_and_spares_the_others() {
    let mut bench = bench();
    for id in 1..4 {
        bench.submit(id, &greedy(letters(id as usize * 40), 50));
    }
    bench.core.step();
    bench.intake.pause(1);
    bench.submit(4, &greedy("here <fail> now", 5));
    bench.core.step();
    let failed = |id| matches!(bench.story(id).end, Some(End::Failed(FailureKind::Generation, _)));
    assert_eq!([1, 2, 3, 4].map(failed), [false, true, true, true]);
    let report = bench.recorder.last_step();
    assert!(report.failed);
    assert_eq!((report.running, report.pages_used), (1, 2));
    bench.intake.resume(1);
    bench.run(100);
    assert_eq!(bench.story(1).end, Some(End::Done(FinishReason::Length, None)));
}

#[test]
fn nothing_of_a_failed_batch_stays_in_the_cache() {
    let config = EngineConfig { prefix_caching: true, ..config() };
    let mut bench = Bench::new(&ScriptedOptions::default(), &config);
    bench.submit(1, &greedy(letters(100) + "<fail>", 5));
    bench.run(10);
    let [used, idle, _] = bench.core.pages();
    assert_eq!((used, idle), (0, 0));
}

#[test]
fn a_second_prompt_of_the_same_text_is_found_in_the_cache() {
    let config = EngineConfig { prefix_caching: true, ..config() };
    let mut bench = Bench::new(&ScriptedOptions::default(), &config);
    for id in 1..3 {
        bench.submit(id, &greedy(letters(100), 20));
        bench.run(100);
    }
    assert_eq!(bench.story(1), bench.story(2));
    assert_eq!(bench.recorder.usage(1).cached_tokens, 0);
    assert_eq!(bench.recorder.usage(2).cached_tokens, 100, "all but the last token");
    let mut request = greedy(letters(100), 20);
    request.parameters.decoder_input_details = true;
    bench.submit(3, &request);
    bench.run(100);
    assert_eq!(bench.recorder.usage(3).cached_tokens, 0, "its prompt logprobs are wanted");
}

#[test]
fn prompt_logprobs_come_for_every_token_whatever_the_rows() {
    let mut request = greedy(letters(600), 3);
    request.parameters.decoder_input_details = true;
    let mut whole =
        Bench::new(&ScriptedOptions { logit_rows: 1000, ..ScriptedOptions::default() }, &config());
    let mut cut =
        Bench::new(&ScriptedOptions { logit_rows: 7, ..ScriptedOptions::default() }, &config());
    for bench in [&mut whole, &mut cut] {
        bench.submit(1, &request);
        bench.run(200);
    }
    let story = whole.story(1);
    assert_eq!(story.prompt.len(), 601);
    assert!(f32::from_bits(story.prompt[0].logprob).is_nan());
    assert!(story.prompt[1..].iter().all(|token| f32::from_bits(token.logprob) <= 0.0));
    assert_eq!(story.prompt[0].text, "<bos>");
    let text: String = story.prompt[1..].iter().map(|token| token.text.as_str()).collect();
    assert_eq!(text, request.inputs);
    assert_eq!(cut.story(1), story);
}

#[test]
fn a_prompt_is_cached_for_its_own_salt_only() {
    let config = EngineConfig { prefix_caching: true, ..config() };
    let mut bench = Bench::new(&ScriptedOptions::default(), &config);
    let salts = [Some("ours"), Some("theirs"), None, Some("ours"), None];
    let mut cached = Vec::new();
    for (id, salt) in (0..).zip(salts) {
        let mut request = greedy(letters(100), 5);
        request.cache_salt = salt.map(str::to_owned);
        bench.submit(id, &request);
        bench.run(20);
        assert_eq!(bench.story(id), bench.story(0), "the salt never shows in the answer");
        cached.push(bench.recorder.usage(id).cached_tokens);
    }
    assert_eq!(cached, [0, 0, 0, 100, 100]);
}

#[test]
fn a_prompt_is_cached_for_its_own_adapter_only() {
    let config = EngineConfig { prefix_caching: true, ..config() };
    let options = ScriptedOptions { adapters: 2, ..ScriptedOptions::default() };
    let mut bench = Bench::new(&options, &config);
    let mut cached = Vec::new();
    for (id, adapter) in (0..).zip([None, Some(0), Some(1), Some(0), None]) {
        let mut request = greedy(letters(100), 5);
        request.adapter = adapter;
        bench.submit(id, &request);
        bench.run(20);
        cached.push(bench.recorder.usage(id).cached_tokens);
    }
    assert_eq!(cached, [0, 0, 0, 100, 100]);
    let stories = [0, 1, 2, 3, 4].map(|id| bench.story(id));
    assert!(stories[0] != stories[1] && stories[1] != stories[2]);
    assert_eq!((&stories[3], &stories[4]), (&stories[1], &stories[0]));
}

#[test]
fn right_drafts_save_steps_and_change_nothing() {
    let run = |speculate| {
        let config = EngineConfig { speculate, ..config() };
        let backend = Circular(ScriptedBackend::new(&ScriptedOptions::default()));
        let mut bench = Bench::over(Box::new(backend), &config);
        bench.submit(1, &greedy("go", 200));
        bench.run(300);
        (bench.story(1), bench.recorder.steps(), bench.recorder.usage(1))
    };
    let ((plain, steps, _), (drafted, fewer, usage)) = (run(0), run(4));
    assert_eq!(drafted, plain);
    assert!(fewer < steps * 3 / 4, "{fewer} of {steps} steps");
    assert_eq!(steps - fewer, usage.accepted_tokens as usize);
}

#[test]
fn drafts_that_fail_are_seldom_made() {
    let config = EngineConfig { speculate: 4, ..config() };
    let mut bench = Bench::new(&ScriptedOptions::default(), &config);
    bench.submit(1, &greedy("a b a b a b a b", 1000));
    bench.run(1100);
    let usage = bench.recorder.usage(1);
    assert!(usage.drafted_tokens < 500, "{}", usage.drafted_tokens);
}

#[test]
fn a_long_text_comes_in_pieces_and_is_that_of_its_tokens() {
    let mut bench = bench();
    bench.submit(1, &greedy("long", 8000));
    bench.run(8100);
    let story = bench.story(1);
    let told = story.tokens.iter().map(|(token, _)| token).filter(|token| !token.special);
    let told: String = told.map(|token| token.text.as_str()).collect();
    assert!(story.text.len() > 16 * 1024, "{}", story.text.len());
    assert!(story.tokens.iter().any(|(token, _)| token.special), "some are left out");
    assert!(story.text.starts_with(&told));
}

#[test]
fn an_idle_core_publishes_nothing() {
    let mut bench = bench();
    for _ in 0..3 {
        assert_eq!(bench.core.step(), Progress::Idle(None));
    }
    assert_eq!(bench.recorder.0.lock().unwrap().published, 0);
    bench.submit(1, &greedy("one", 1));
    assert_eq!(bench.core.step(), Progress::Worked);
    bench.core.step();
    assert_eq!(bench.recorder.0.lock().unwrap().published, 1);
}

#[test]
fn a_cancel_frees_the_pages_in_the_next_step() {
    let mut bench = bench();
    bench.submit(1, &greedy(letters(100), 500));
    bench.submit(2, &greedy(letters(100), 500));
    bench.core.step();
    assert_eq!(bench.core.pages()[0], 8);
    bench.intake.cancel(1);
    bench.core.step();
    assert_eq!(bench.core.pages()[0], 4);
    assert_eq!(bench.intake.open_requests(), 1);
}

#[test]
fn a_pause_ends_at_its_limit_however_much_happens_to_others() {
    let config = EngineConfig { pause_limit: Duration::from_millis(40), ..config() };
    let mut bench = Bench::new(&ScriptedOptions::default(), &config);
    bench.submit(1, &greedy("held", 500));
    bench.core.step();
    bench.intake.pause(1);
    for id in 2..22 {
        bench.submit(id, &greedy("other", 2));
        bench.core.step();
        thread::sleep(Duration::from_millis(4));
    }
    bench.core.step();
    assert!(matches!(bench.story(1).end, Some(End::Failed(FailureKind::Abandoned, _))));
}
