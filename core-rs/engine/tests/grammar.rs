//! Output under a grammar, over the scripted backend.

mod common;

use std::path::Path;

use common::{Bench, End, Story, config};
use jsonschema::Draft;
use serde_json::{Value, json};
use tgi_backend::{Backend, BackendError, Batch, Capacity, Logits};
use tgi_backend_scripted::{EOS, ScriptedBackend, ScriptedOptions};
use tgi_engine::{
    EngineConfig, FailureKind, FinishReason, Grammar, GrammarKind, Invalid, Parameters, Profile,
    Request,
};

fn lines(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The scripted backend, leaning towards ending what was begun: texts, lists, and the whole.
struct Closing(ScriptedBackend);

impl Backend for Closing {
    fn name(&self) -> &'static str {
        "closing"
    }

    fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    fn forward(&mut self, batch: &Batch) -> Result<Logits<'_>, BackendError> {
        let mut logits = self.0.forward(batch)?;
        for index in 0..logits.rows() {
            let row = logits.row_mut(index);
            // The bytes stand behind five control tokens.
            for byte in b"\"}]," {
                row[5 + usize::from(*byte)] += 8.0;
            }
            row[EOS as usize] = 14.0;
        }
        Ok(logits)
    }

    fn copy_page(&mut self, from: u32, to: u32) -> Result<(), BackendError> {
        self.0.copy_page(from, to)
    }

    fn is_batch_invariant(&self) -> bool {
        true
    }
}

fn request(kind: GrammarKind, text: &str, seed: u64) -> Request {
    let parameters = Parameters {
        grammar: Some(Grammar { kind, text: text.into() }),
        do_sample: true,
        seed: Some(seed),
        max_new_tokens: Some(3000),
        ..Parameters::default()
    };
    Request { inputs: "go".into(), parameters, ..Request::default() }
}

fn bench_with(options: &ScriptedOptions, speculate: usize) -> Bench {
    let config = EngineConfig { speculate, profile: Profile::V3_3, ..config() };
    Bench::over(Box::new(Closing(ScriptedBackend::new(options))), &config)
}

fn bench(speculate: usize) -> Bench {
    bench_with(&ScriptedOptions::default(), speculate)
}

fn run(requests: &[Request]) -> Vec<Story> {
    let mut bench = bench(2);
    for (id, request) in (0..).zip(requests) {
        bench.submit(id, request);
    }
    bench.run(10_000);
    (0..requests.len() as u32).map(|id| bench.story(id)).collect()
}

fn refusal(kind: GrammarKind, text: &str) -> String {
    let bench = bench(0);
    let ticket = bench.intake.open(1).unwrap();
    match bench.intake.prepare(ticket, &request(kind, text, 1)) {
        Err(invalid @ Invalid::Grammar(_)) => invalid.to_string(),
        other => panic!("{other:?}"),
    }
}

const ENDED: Option<FinishReason> = Some(FinishReason::EosToken);

fn finish(story: &Story) -> Option<FinishReason> {
    match story.end {
        Some(End::Done(reason, _)) => Some(reason),
        _ => None,
    }
}

/// What is wrong with the outputs under a schema, of four seeds.
fn faults_under(entry: &Value) -> Vec<String> {
    let (name, schema) = (&entry["name"], &entry["schema"]);
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .unwrap();
    let text = schema.to_string();
    let requests: Vec<Request> =
        (0..4).map(|seed| request(GrammarKind::JsonSchema, &text, seed)).collect();
    let mut faults = Vec::new();
    for story in run(&requests) {
        let told = json!({ "name": name, "schema": schema, "text": story.text });
        println!("output {told}");
        if finish(&story) != ENDED {
            faults.push(format!("{name}: {:?} {}", story.end, story.text));
            continue;
        }
        match serde_json::from_str::<Value>(&story.text) {
            Err(error) => faults.push(format!("{name}: {error}: {}", story.text)),
            Ok(value) => faults.extend(
                validator.iter_errors(&value).map(|e| format!("{name}: {e}: {}", story.text)),
            ),
        }
    }
    faults
}

/// Prints all outputs, for validators of other languages.
#[test]
fn every_output_under_a_schema_is_valid() {
    let schemas = lines("schemas.jsonl");
    assert!(schemas.len() >= 200);
    let faults: Vec<String> = schemas.iter().flat_map(faults_under).collect();
    assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
}

#[test]
fn every_output_under_a_regular_expression_matches() {
    for entry in lines("regexes.jsonl") {
        let expression = entry["regex"].as_str().unwrap();
        let whole = jsonschema::validator_for(&json!({ "pattern": format!("^(?:{expression})$") }));
        let whole = whole.unwrap();
        let requests: Vec<Request> =
            (0..6).map(|seed| request(GrammarKind::Regex, expression, seed)).collect();
        for story in run(&requests) {
            assert_eq!(finish(&story), ENDED, "{}: {}", entry["name"], story.text);
            assert!(whole.is_valid(&json!(story.text)), "{}: {}", entry["name"], story.text);
        }
    }
}

#[test]
fn a_lark_grammar_is_kept_to() {
    let grammar = "start: \"(\" start* \")\" | WORD\nWORD: \" the\" | \" of\"";
    let requests: Vec<Request> =
        (0..8).map(|seed| request(GrammarKind::Lark, grammar, seed)).collect();
    let mut ended = 0;
    for story in run(&requests) {
        let mut depth = 0_i32;
        let words = story.text.replace(" the", "").replace(" of", "");
        for byte in words.bytes() {
            depth += if byte == b'(' { 1 } else { -1 };
            assert!(depth >= 0 && b"()".contains(&byte), "{}", story.text);
        }
        if finish(&story) == ENDED {
            assert_eq!(depth, 0, "{}", story.text);
            ended += 1;
        }
    }
    assert!(ended > 0);
}

/// One step for each token that is not forced.
#[test]
fn forced_tokens_are_skipped_ahead_and_change_nothing() {
    let schema = r#"{"type":"object","properties":{"the people of the water":{"type":"boolean"},
        "another long name of a key":{"type":"boolean"}},"required":["the people of the water",
        "another long name of a key"],"additionalProperties":false}"#;
    let told = |options: &ScriptedOptions| {
        let mut bench = bench_with(options, 0);
        bench.submit(1, &request(GrammarKind::JsonSchema, schema, 3));
        bench.run(3000);
        (bench.story(1), bench.recorder.steps(), bench.recorder.usage(1))
    };
    let (skipped, fewer, usage) = told(&ScriptedOptions::default());
    // One row a step leaves no room for drafts.
    let (slow, steps, _) = told(&ScriptedOptions { logit_rows: 1, ..<_>::default() });
    assert_eq!(skipped, slow);
    assert_eq!(finish(&skipped), ENDED);
    assert_eq!(usage.accepted_tokens, usage.drafted_tokens, "what is forced is always right");
    assert_eq!(steps - fewer, usage.accepted_tokens as usize);
    assert!(fewer * 2 < steps, "{fewer} of {steps} steps");
}

#[test]
fn the_end_comes_only_where_the_grammar_accepts_and_last() {
    let mut plain = request(GrammarKind::Regex, "a{2,30}", 5);
    plain.parameters.do_sample = false;
    let (mut ignoring, mut least) = (plain.clone(), plain.clone());
    ignoring.parameters.ignore_eos = true;
    least.parameters.min_new_tokens = 9;
    let stories = run(&[plain, ignoring, least]);
    let lengths: Vec<usize> = stories.iter().map(|story| story.text.len()).collect();
    assert_eq!(lengths, [2, 30, 9], "the end is liked best, then refused while anything else goes");
    for story in stories {
        assert_eq!(finish(&story), ENDED);
        let (last, others) = story.tokens.split_last().unwrap();
        assert!(last.0.id == EOS && others.iter().all(|(token, _)| token.id != EOS));
    }
}

#[test]
fn raw_logprobs_are_those_of_the_model_even_where_the_grammar_leaves_no_choice() {
    let mut raw = request(GrammarKind::Regex, "the word", 5);
    raw.parameters.raw_logprobs = true;
    let stories = run(&[request(GrammarKind::Regex, "the word", 5), raw]);
    let ids = |story: &Story| story.tokens.iter().map(|(token, _)| token.id).collect::<Vec<_>>();
    let probable =
        |story: &Story| story.tokens.iter().all(|(token, _)| f32::from_bits(token.logprob) == 0.0);
    assert_eq!(ids(&stories[0]), ids(&stories[1]));
    assert!(probable(&stories[0]) && !probable(&stories[1]));
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let schema = |text| refusal(GrammarKind::JsonSchema, text);
    assert!(schema("{").starts_with("grammar is not valid: EOF while parsing"));
    assert!(schema(r#"{"type":"object","not":{}}"#).contains("Unimplemented keys: [\"not\"]"));
    assert!(schema(r##"{"$ref":"#/$defs/none"}"##).starts_with("grammar is not valid: "));
    assert!(schema(r#"{"type":"thing"}"#).contains("thing"));
    assert!(schema(r#"{"allOf":[{"const":1},{"const":2}]}"#).contains("nsatisfiable"));
    assert!(refusal(GrammarKind::Regex, "(").starts_with("grammar is not valid: "));
    assert!(refusal(GrammarKind::Lark, "begin: \"a\"").starts_with("grammar is not valid: "));
}

#[test]
fn grammars_that_are_too_large_are_refused_with_the_name_of_the_limit() {
    let nested = |depth| ["{\"a\":".repeat(depth), "1".into(), "}".repeat(depth)].concat();
    let brackets = format!("start: {}\"a\"{}", "(".repeat(200), ")".repeat(200));
    for (kind, text, limit) in [
        (GrammarKind::JsonSchema, format!("[{}]", "1,".repeat(300_000)), "at most 524288 bytes"),
        (GrammarKind::JsonSchema, nested(5000), "recursion limit exceeded"),
        (GrammarKind::Regex, "a".repeat(70_000), "at most 65536 bytes"),
        (GrammarKind::Regex, "(".repeat(600) + &")".repeat(600), "nest"),
        (GrammarKind::Lark, brackets, "at most 128 deep"),
        (GrammarKind::Lark, format!("start: {}", "\"a\" ".repeat(20_000)), "at most 65536 bytes"),
    ] {
        let reason = refusal(kind, &text);
        assert!(reason.contains(limit) && reason.len() < 500, "{reason}");
    }
}

/// Whatever a grammar is, it is refused, served, or fails by a limit: nothing else happens.
#[test]
fn hostile_grammars_end_in_order() {
    let rules: Vec<_> = (0..3000).map(|id| format!("T{id}: T{}\n", id + 1)).collect();
    let chain = rules.concat();
    let many: serde_json::Map<_, _> =
        (0..5000).map(|id| (format!("key{id}"), json!({"type": ["string", "null"]}))).collect();
    let options: Vec<Value> =
        (0..300).map(|id| json!({"properties": {format!("k{id}"): {"minimum": id}}})).collect();
    let wide = "(a|b)*a(a|b){400}x".repeat(200);
    let deep = "((((a{0,999}){0,999}){0,999}){0,999}){0,999}";
    let (mut refused, mut failed) = (0, 0);
    for (kind, text) in [
        (GrammarKind::Regex, wide),
        (GrammarKind::Regex, deep.to_owned()),
        (GrammarKind::Regex, "(.*a.{30}){30}".to_owned()),
        (GrammarKind::Lark, format!("start: T0\n{chain}T3000: \"a\"\n")),
        (GrammarKind::Lark, "start: start start | \"a\" | ".to_owned()),
        (GrammarKind::JsonSchema, r#"{"type":"string","minLength":100000000}"#.to_owned()),
        (GrammarKind::JsonSchema, json!({"properties": many}).to_string()),
        (
            GrammarKind::JsonSchema,
            json!({"allOf": [{"anyOf": options}, {"anyOf": options}]}).to_string(),
        ),
        (GrammarKind::JsonSchema, r##"{"$ref":"#"}"##.to_owned()),
    ] {
        let mut bench = bench(2);
        let mut request = request(kind, &text, 1);
        request.parameters.max_new_tokens = Some(40);
        let prepared = bench.intake.prepare(bench.intake.open(1).unwrap(), &request);
        match prepared {
            Err(Invalid::Grammar(_)) => refused += 1,
            Err(other) => panic!("{other}"),
            Ok(sequence) => {
                assert!(bench.intake.push(sequence));
                bench.run(100);
                match bench.story(1).end {
                    Some(End::Failed(FailureKind::Validation, reason)) => {
                        assert!(reason.contains("limit `"), "{reason}");
                        failed += 1;
                    }
                    end => assert!(matches!(end, Some(End::Done(..))), "{end:?}"),
                }
            }
        }
    }
    assert!(refused > 0, "{failed} failed");
}

#[test]
fn a_grammar_that_fails_while_it_runs_ends_its_own_request_only() {
    // Every state of the lexer differs from all others, so a mask costs more than it may.
    let costly = "(.*(a|b).{40}(c|d).{40}){40}x";
    let mut bench = bench(2);
    bench.submit(1, &request(GrammarKind::JsonSchema, r#"{"type":"boolean"}"#, 1));
    bench.submit(2, &request(GrammarKind::Regex, costly, 1));
    bench.submit(3, &request(GrammarKind::Regex, "[a-z ]{5,60}", 1));
    bench.run(10_000);
    let alone = run(&[request(GrammarKind::Regex, "[a-z ]{5,60}", 1)]);
    assert_eq!(bench.story(3), alone[0]);
    assert_eq!(finish(&bench.story(1)), ENDED);
    assert!(
        matches!(&bench.story(2).end, Some(End::Failed(FailureKind::Validation, text))
            if text.starts_with("grammar is not valid: ") && text.contains("limit `")),
        "{:?}",
        bench.story(2).end
    );
    assert_eq!(bench.core.pages()[0], 0);
}

#[test]
fn behind_each_mark_stands_what_its_schema_says_alone_and_together() {
    // The scripted text comes to this mark by itself.
    let grammar = json!({
        "lark": "start: (until0 @schema0 \";\")* TEXT?",
        "schemas": [{"enum": [12, {"a": "b"}]}],
        "marks": ["]"],
    });
    let requests: Vec<Request> = (0..8)
        .map(|seed| {
            let mut request = request(GrammarKind::Composed, &grammar.to_string(), seed);
            request.parameters.max_new_tokens = Some(60);
            request.parameters.ignore_eos = true;
            request
        })
        .collect();
    let together = run(&requests);
    let mut calls = 0;
    for (request, story) in requests.iter().zip(&together) {
        for behind in story.text.split(']').skip(1).filter(|behind| behind.contains(';')) {
            let (call, _) = behind.split_once(';').unwrap();
            let value: Value = serde_json::from_str(call).unwrap();
            assert!(value == json!(12) || value == json!({"a": "b"}), "{call}");
            calls += 1;
        }
        let mut alone = bench(0);
        alone.submit(1, request);
        alone.run(10_000);
        assert_eq!(&alone.story(1), story);
    }
    assert!(calls > 0);
}
