//! The engine with its threads, over the scripted backend.

mod common;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use common::{End, Recorder, Story, config, greedy, letters};
use serde_json::json;
use tgi_backend_scripted::{ScriptedBackend, ScriptedOptions, tokenizer};
use tgi_engine::{
    Conversation, Engine, EngineConfig, EngineError, FailureKind, FinishReason, Sinks, SubmitError,
};
use tgi_model::ChatTemplate;

fn start_with(options: &ScriptedOptions, config: EngineConfig) -> (Engine, Recorder) {
    let recorder = Recorder::default();
    let workers = (0..config.validation_workers).map(|_| Box::new(recorder.clone()) as _).collect();
    let sinks = Sinks { steps: Box::new(recorder.clone()), workers };
    let backend = Box::new(ScriptedBackend::new(options));
    (Engine::start(backend, Arc::new(tokenizer()), None, config, sinks).unwrap(), recorder)
}

fn start() -> (Engine, Recorder) {
    start_with(&ScriptedOptions::default(), config())
}

/// A backend of which each step takes a millisecond.
fn slow() -> ScriptedOptions {
    ScriptedOptions { step_micros: 1000, ..ScriptedOptions::default() }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

fn wait_for_end(recorder: &Recorder, id: u32) -> Story {
    wait_until("its end", || recorder.story(id).end.is_some());
    recorder.story(id)
}

#[test]
fn a_request_is_accepted_generated_and_done() {
    let (engine, recorder) = start();
    engine.submit(7, greedy("Hello", 12)).unwrap();
    let story = wait_for_end(&recorder, 7);
    assert!(story.accepted);
    assert_eq!(story.tokens.len(), 12);
    assert_eq!(story.end, Some(End::Done(FinishReason::Length, None)));
    let usage = recorder.usage(7);
    assert_eq!(usage.generated_tokens, 12);
    wait_until("the step's report", || recorder.last_step().running == 0);
    assert_eq!(recorder.last_step().pages_used, 0);
    assert_eq!(engine.open_requests(), 0);
}

#[test]
fn many_requests_from_many_threads_all_end() {
    let (engine, recorder) = start();
    thread::scope(|scope| {
        for client in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                for id in (client * 50)..(client * 50 + 50) {
                    engine.submit(id, greedy(letters(id as usize + 1), 8)).unwrap();
                }
            });
        }
    });
    for id in 0..200 {
        assert_eq!(wait_for_end(&recorder, id).tokens.len(), 8);
    }
}

#[test]
fn a_request_that_breaks_a_limit_is_told_so_in_tgis_words() {
    let (engine, recorder) =
        start_with(&ScriptedOptions::default(), EngineConfig { max_input_tokens: 5, ..config() });
    engine.submit(1, greedy(letters(9), 3)).unwrap();
    let message = "`inputs` must have less than 5 tokens. Given: 10".to_owned();
    let end = Some(End::Failed(FailureKind::Validation, message));
    assert_eq!(wait_for_end(&recorder, 1), Story { end, ..Story::default() });
}

#[test]
fn a_failure_or_panic_fails_its_batch_and_the_engine_goes_on() {
    let (engine, recorder) = start();
    for (id, prompt, text) in [
        (1, "a <fail> b", "Server error: Cannot compute the batch: scripted failure"),
        (2, "a <panic> b", "Server error: Cannot compute the batch: the backend panicked"),
    ] {
        engine.submit(id, greedy(prompt, 5)).unwrap();
        let end = wait_for_end(&recorder, id).end;
        assert_eq!(end, Some(End::Failed(FailureKind::Generation, text.to_owned())));
        wait_until("the failed step's report", || recorder.last_step().failed);
        assert_eq!(recorder.last_step().pages_used, 0);
        assert!(engine.is_alive());
    }
    engine.submit(3, greedy("fine", 5)).unwrap();
    assert_eq!(wait_for_end(&recorder, 3).tokens.len(), 5);
}

#[test]
fn a_cancelled_request_frees_its_pages_and_is_told_nothing_more() {
    let (engine, recorder) = start_with(&slow(), config());
    engine.submit(1, greedy("Hello", 5000)).unwrap();
    wait_until("some tokens", || recorder.story(1).tokens.len() > 3);
    engine.cancel(1);
    wait_until("its end", || engine.open_requests() == 0);
    let told = recorder.story(1);
    wait_until("free pages", || recorder.last_step().pages_used == 0);
    assert_eq!(recorder.story(1), told);
    assert_eq!(told.end, None);
    assert!(told.text.is_empty());
}

#[test]
fn a_request_cancelled_at_once_never_holds_pages() {
    let (engine, recorder) = start_with(&slow(), config());
    for id in 0..50 {
        engine.submit(id, greedy(letters(100), 5000)).unwrap();
        engine.cancel(id);
    }
    wait_until("their end", || engine.open_requests() == 0);
    engine.submit(50, greedy("next", 2)).unwrap();
    wait_for_end(&recorder, 50);
    assert!((0..50).all(|id| recorder.story(id).end.is_none()));
}

#[test]
fn a_paused_request_stands_still_and_goes_on_where_it_was() {
    let (engine, recorder) = start_with(&slow(), config());
    engine.submit(1, greedy("Hello", 60)).unwrap();
    wait_until("some tokens", || recorder.story(1).tokens.len() > 3);
    engine.pause(1);
    engine.submit(2, greedy("Other", 20)).unwrap();
    wait_for_end(&recorder, 2);
    let told = recorder.story(1).tokens.len();
    engine.submit(3, greedy("Third", 20)).unwrap();
    wait_for_end(&recorder, 3);
    assert_eq!(recorder.story(1).tokens.len(), told);
    engine.resume(1);
    let paused = wait_for_end(&recorder, 1);
    engine.submit(4, greedy("Hello", 60)).unwrap();
    let plain = wait_for_end(&recorder, 4);
    assert_eq!(paused, plain);
}

#[test]
fn a_pause_past_its_limit_abandons_the_request() {
    let config = EngineConfig { pause_limit: Duration::from_millis(30), ..config() };
    let (engine, recorder) = start_with(&slow(), config);
    engine.submit(1, greedy("Hello", 5000)).unwrap();
    wait_until("a token", || !recorder.story(1).tokens.is_empty());
    engine.pause(1);
    let End::Failed(kind, message) = wait_for_end(&recorder, 1).end.unwrap() else {
        panic!("it was not done");
    };
    assert_eq!(
        (kind, message.as_str()),
        (FailureKind::Abandoned, "Reader paused for more than 30 ms")
    );
    wait_until("free pages", || recorder.last_step().pages_used == 0);
}

#[test]
fn stopping_ends_open_requests_as_incomplete() {
    let (engine, recorder) = start_with(&slow(), config());
    for id in 0..20 {
        engine.submit(id, greedy("Hello", 5000)).unwrap();
    }
    wait_until("a token", || !recorder.story(0).tokens.is_empty());
    engine.stop();
    let incomplete = End::Failed(FailureKind::Incomplete, "Incomplete generation".to_owned());
    for id in 0..20 {
        assert_eq!(recorder.story(id).end, Some(incomplete.clone()));
    }
    assert!(!engine.is_alive());
    assert_eq!(engine.open_requests(), 0);
    assert_eq!(engine.submit(99, greedy("late", 1)), Err(SubmitError::Stopped));
    engine.stop();
}

#[test]
fn an_id_in_use_is_refused() {
    let (engine, _recorder) = start_with(&slow(), config());
    engine.submit(1, greedy("Hello", 5000)).unwrap();
    assert_eq!(engine.submit(1, greedy("Hello", 1)), Err(SubmitError::Duplicate));
}

#[test]
fn an_engine_without_room_does_not_start() {
    let options = ScriptedOptions { pages: 0, ..ScriptedOptions::default() };
    let backend = Box::new(ScriptedBackend::new(&options));
    let recorder = Recorder::default();
    let workers = vec![Box::new(recorder.clone()) as _, Box::new(recorder.clone()) as _];
    let sinks = Sinks { steps: Box::new(recorder.clone()), workers };
    let Err(error) = Engine::start(backend, Arc::new(tokenizer()), None, config(), sinks) else {
        panic!("it started");
    };
    assert!(matches!(error, EngineError::TooSmall { value: 0, .. }), "{error}");
}

#[test]
fn a_conversation_without_a_template_is_told_so_in_tgis_words() {
    let (engine, recorder) = start();
    let conversation = Conversation {
        messages: json!([]),
        tools: None,
        add_generation_prompt: true,
        variables: serde_json::Map::new(),
    };
    engine.submit(1, conversation).unwrap();
    let end = Some(End::Failed(FailureKind::Template, "template not found".to_owned()));
    assert_eq!(wait_for_end(&recorder, 1), Story { end, ..Story::default() });
    assert_eq!(engine.open_requests(), 0);
}

#[test]
fn a_conversation_is_rendered_and_a_refusal_is_the_templates_own_word() {
    let source = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}\
                  {% if not messages %}{{ raise_exception('nobody speaks') }}{% endif %}\
                  {% if add_generation_prompt %}[assistant]{% endif %}";
    let template = Arc::new(ChatTemplate::new(source, &tokenizer()));
    let recorder = Recorder::default();
    let workers = (0..config().validation_workers).map(|_| Box::new(recorder.clone()) as _);
    let sinks = Sinks { steps: Box::new(recorder.clone()), workers: workers.collect() };
    let backend = Box::new(ScriptedBackend::new(&ScriptedOptions::default()));
    let engine =
        Engine::start(backend, Arc::new(tokenizer()), Some(&template), config(), sinks).unwrap();
    let chat = |messages| Conversation {
        messages,
        tools: None,
        add_generation_prompt: true,
        variables: serde_json::Map::new(),
    };
    engine.submit(1, chat(json!([{"role": "user", "content": "Hi"}]))).unwrap();
    let end = Some(End::Rendered("[user] Hi[assistant]".to_owned()));
    assert_eq!(wait_for_end(&recorder, 1).end, end);
    engine.submit(2, chat(json!([]))).unwrap();
    let end = Some(End::Failed(FailureKind::Template, "nobody speaks".to_owned()));
    assert_eq!(wait_for_end(&recorder, 2).end, end);
}
