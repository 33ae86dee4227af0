//! Grammars on a real model: greedy texts are valid, and the same bytes alone and together.

mod common;

use std::{path::Path, sync::Arc};

use common::{End, Recorder, Story, config};
use serde_json::{Value, json};
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_engine::{
    Core, EngineConfig, FinishReason, Grammar, GrammarKind, Parameters, Profile, Progress, Request,
};
use tgi_model::Model;

/// SmolLM2-135M, in the folder that `TGI_TEST_MODELS` names.
fn model() -> Model {
    let folder = std::env::var_os("TGI_TEST_MODELS").unwrap_or_default();
    let path = Path::new(&folder).join("smollm2-135m-instruct-q4_1.gguf");
    assert!(
        path.is_file(),
        "Cannot find {} in the folder of TGI_TEST_MODELS; run `deno task models`",
        path.display()
    );
    Model::open(&path).unwrap()
}

/// Runs all requests together, with `speculate` drafted tokens.
fn run(requests: &[Request], speculate: usize) -> Vec<Story> {
    let model = model();
    let options = CpuOptions {
        pages: 64,
        batch_tokens: 128,
        logit_rows: 32,
        threads: Some(1),
        kv: KvFormat::F16,
    };
    let backend = CpuBackend::load(&model, &options).unwrap();
    let recorder = Recorder::default();
    let config = EngineConfig { speculate, profile: Profile::V3_3, ..config() };
    let sink = Box::new(recorder.clone());
    let tokenizer = Arc::new(model.tokenizer);
    let (mut core, intake) = Core::open(Box::new(backend), tokenizer, &config, sink).unwrap();
    for (id, request) in (0..).zip(requests) {
        let sequence = intake.prepare(intake.open(id).unwrap(), request).unwrap();
        assert!(intake.push(sequence));
    }
    while core.step() == Progress::Worked {}
    (0..requests.len() as u32).map(|id| recorder.story(id)).collect()
}

fn request(prompt: &str, grammar: Option<Value>) -> Request {
    let text = grammar.map(|schema| schema.to_string());
    let grammar = text.map(|text| Grammar { kind: GrammarKind::JsonSchema, text });
    let inputs = format!("<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n");
    let parameters = Parameters { grammar, max_new_tokens: Some(120), ..Parameters::default() };
    Request { inputs, parameters, ..Request::default() }
}

#[test]
fn greedy_texts_are_valid_and_the_same_alone_and_together() {
    let person = json!({"type": "object", "properties": {
        "name": {"type": "string", "maxLength": 30}, "age": {"type": "integer", "maximum": 120},
        "hobbies": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3},
    }, "required": ["name", "age", "hobbies"], "additionalProperties": false});
    let color = json!({"enum": ["red", "green", "blue"]});
    let event = json!({"type": "object", "properties": {
        "date": {"type": "string", "format": "date"}, "place": {"type": "string", "maxLength": 20},
    }, "required": ["date", "place"], "additionalProperties": false});
    let schemas = [person, color, event];
    let requests = [
        request("Describe a person as JSON.", Some(schemas[0].clone())),
        request("Which color has the sky?", Some(schemas[1].clone())),
        request("When and where is the party? Answer as JSON.", Some(schemas[2].clone())),
        request("Which color has the sky?", None),
    ];
    let together = run(&requests, 3);
    for (story, schema) in together.iter().zip(&schemas) {
        assert_eq!(story.end, Some(End::Done(FinishReason::EosToken, None)), "{}", story.text);
        let value: Value = serde_json::from_str(&story.text).unwrap();
        assert!(jsonschema::is_valid(schema, &value), "{}", story.text);
    }
    for (request, story) in requests.iter().zip(&together) {
        assert_eq!(&run(std::slice::from_ref(request), 0)[0], story);
    }
}

/// Text that is free, and text that is a call of a strict tool, beside each other.
#[test]
fn strict_calls_are_the_same_alone_and_together_and_text_is_that_without_a_grammar() {
    let samples: Value = serde_json::from_str(include_str!("data/tool_grammars.json")).unwrap();
    let generic = samples.as_array().unwrap().iter().rfind(|one| one["format"] == "generic");
    let mut grammar = generic.unwrap()["grammar"].clone();
    // The bias below must not find a bracket inside of the call.
    grammar["schemas"] = json!([{"type": "array", "minItems": 1, "maxItems": 1, "items": {
        "type": "object", "properties": {"name": {"const": "get_weather"}, "arguments": {
            "type": "object", "properties": {"city": {"enum": ["Berlin", "Paris"]}},
            "required": ["city"], "additionalProperties": false,
        }}, "required": ["name", "arguments"], "additionalProperties": false,
    }}]);
    let text = grammar.to_string();
    let strict = |bracket: Option<f32>| {
        let mut strict = request("What is the weather in Paris?", None);
        let kind = GrammarKind::Composed;
        strict.parameters.grammar = Some(Grammar { kind, text: text.clone() });
        let id = model().tokenizer.encode("[", false).unwrap()[0];
        strict.parameters.logit_bias.extend(bracket.map(|bias| (id, bias)));
        strict
    };
    let free = request("What is the weather in Paris?", None);
    let requests = [strict(Some(100.0)), strict(None), free];
    let together = run(&requests, 3);
    assert_eq!(together[0].end, Some(End::Done(FinishReason::EosToken, None)));
    let calls: Value = serde_json::from_str(&together[0].text).unwrap();
    assert_eq!(calls[0]["name"], "get_weather");
    assert!(["Berlin", "Paris"].map(Value::from).contains(&calls[0]["arguments"]["city"]));
    assert_eq!(together[1].text, together[2].text);
    for (request, story) in requests.iter().zip(&together) {
        assert_eq!(&run(std::slice::from_ref(request), 0)[0], story);
    }
}
