//! Prompts beside those of transformers' `apply_chat_template`.

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use support::templates::template;
use tgi_model::{ChatTemplate, ModelError};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/chat_templates")
}

fn read(name: &str) -> Map<String, Value> {
    serde_json::from_slice(&std::fs::read(fixtures().join(name)).unwrap()).unwrap()
}

fn render(template: &ChatTemplate, case: &Value) -> Result<String, String> {
    let tools = (!case["tools"].is_null()).then_some(&case["tools"]);
    let prompt = case["add_generation_prompt"].as_bool().unwrap();
    let variables = case["variables"].as_object().unwrap();
    let rendered = template.render_with(&case["messages"], tools, prompt, variables);
    rendered.map_err(|error| match error {
        ModelError::Template(reason) => reason,
        other => panic!("{other}"),
    })
}

/// Writes today's dates where the reference has their formats, `«%Y-%m-%d»`.
fn dated(text: &str) -> String {
    let mut dated = String::new();
    for part in text.split('«') {
        let Some((format, rest)) = part.split_once('»') else {
            dated.push_str(part);
            continue;
        };
        let source = format!("{{{{ strftime_now('{format}') }}}}");
        dated += &template(&source).render(&json!([]), None, false).unwrap();
        dated.push_str(rest);
    }
    dated
}

/// What is not as the reference has it.
fn difference(found: Result<String, String>, expected: &Value) -> Option<String> {
    let wanted = if let Some(text) = expected["text"].as_str() {
        Ok(dated(text))
    } else if let Some(error) = expected["error"].as_str() {
        Err(error.to_owned())
    } else {
        // In the words of minijinja, which are not Python's.
        return found.ok().map(|text| format!("rendered {text:?}, the reference fails"));
    };
    (found != wanted).then(|| format!("\n     found {found:?}\n  expected {wanted:?}"))
}

#[test]
fn every_template_renders_as_transformers_does() {
    let (cases, expected) = (read("cases.json"), read("expected.json"));
    assert!(expected.len() >= 20 && cases.len() >= 15);
    let mut differences = Vec::new();
    for (name, results) in &expected {
        let source = std::fs::read_to_string(fixtures().join(format!("{name}.jinja"))).unwrap();
        let template = template(&source);
        for (case, expected) in results.as_object().unwrap() {
            let found = render(&template, &cases[case]);
            let told = difference(found, expected);
            differences.extend(told.map(|told| format!("{name}, {case}: {told}")));
        }
    }
    let all = differences.join("\n");
    assert!(differences.is_empty(), "{} differences:\n{all}", differences.len());
}
