use std::sync::Arc;

use serde_json::{Value, json};
use tgi_backend_scripted::{EOS, tokenizer};

use super::super::{Compiler, Grammar, GrammarKind};

/// Whether the grammar allows the text, token by token, and whether it may end there.
fn reads(grammar: &Value, text: &str) -> (bool, bool) {
    reads_tokens(grammar, &tokenizer().encode(text, false).unwrap())
}

fn reads_tokens(grammar: &Value, ids: &[u32]) -> (bool, bool) {
    let tokenizer = Arc::new(tokenizer());
    let compiler = Compiler::new(Arc::clone(&tokenizer));
    let grammar = Grammar { kind: GrammarKind::Composed, text: grammar.to_string() };
    let mut state = compiler.compile(&grammar).unwrap();
    let allows = |mask: &[u32], id: u32| mask[id as usize / 32] >> (id % 32) & 1 == 1;
    for &id in ids {
        state.walk(&[]);
        if !allows(state.mask(0).unwrap(), id) {
            return (false, false);
        }
        state.feed(&[id]);
    }
    state.walk(&[]);
    (true, allows(state.mask(0).unwrap(), EOS))
}

fn hermes() -> Value {
    let schema = json!({"type": "object", "properties": {"name": {"const": "add"},
        "arguments": {"type": "object", "properties": {"a": {"type": "integer"}},
        "required": ["a"], "additionalProperties": false}},
        "required": ["name", "arguments"], "additionalProperties": false});
    json!({
        "lark": "start: (until0 call)* TEXT?\ncall: GAP? @schema0 mark1\nGAP: /\\s/",
        "schemas": [schema],
        "marks": ["<tool_call>", "</tool_call>"],
    })
}

const ENDS: (bool, bool) = (true, true);
const OPEN: (bool, bool) = (true, false);
const NEVER: (bool, bool) = (false, false);

#[test]
fn text_is_free_until_a_mark_and_behind_the_call() {
    let call = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 12}}\n</tool_call>";
    for text in ["", "the people <b> {\"name\": \"x\"} <tool_cal", "日本\n\n", call] {
        assert_eq!(reads(&hermes(), text), ENDS, "{text}");
    }
    assert_eq!(reads(&hermes(), &format!("Wait.\n{call}\n{call} Done")), ENDS);
    for cut in 11..call.len() {
        assert_eq!(reads(&hermes(), &call[..cut]), OPEN, "{}", &call[..cut]);
    }
    for wrong in ["{\"name\": \"sub\"", "{\"name\": \"add\", \"arguments\": {\"b\"", "no", "{}"] {
        assert_eq!(reads(&hermes(), &format!("Hm <tool_call>{wrong}")), NEVER, "{wrong}");
    }
}

#[test]
fn a_turn_that_begins_like_a_call_is_one() {
    let bare = json!({
        "lark": "start: FREE | GAP? @schema0\nGAP: /\\s+/\nFREE: /\\s*([^\\s{\\[](.|\\n)*)?/",
        "schemas": [{"type": "array", "items": {"const": {"name": "add"}}, "minItems": 1}],
        "marks": [],
    });
    for text in ["", "  \n", "the people [1]", "[{\"name\": \"add\"}]", "\n[{\"name\": \"add\"}]"] {
        assert_eq!(reads(&bare, text), ENDS, "{text:?}");
    }
    for text in ["{", "[1", " {\"a\"", "[]"] {
        assert_eq!(reads(&bare, text), NEVER, "{text}");
    }
}

#[test]
fn a_mark_is_a_control_token_and_its_text() {
    let grammar = json!({"lark": "start: until0 \"x\" | TEXT", "schemas": [], "marks": ["<slow>"]});
    assert_eq!(reads(&grammar, "the<slow>x"), ENDS);
    assert_eq!(reads(&grammar, "<slow>"), OPEN);
    assert_eq!(reads(&grammar, "the<slow>the"), NEVER);
    assert_eq!(reads(&grammar, "the<fail>x"), NEVER);
    let spelled = |text: &str| {
        let tokens = ["the<", text].map(|part| tokenizer().encode(part, false).unwrap());
        reads_tokens(&grammar, &tokens.concat())
    };
    assert_eq!((spelled("slow>x"), spelled("slow>the")), (ENDS, NEVER));
    assert_eq!(reads(&grammar, "the x"), ENDS);
}

#[test]
fn what_cannot_be_composed_says_why() {
    let compiler = Compiler::new(Arc::new(tokenizer()));
    let refused = |value: Value| {
        let grammar = Grammar { kind: GrammarKind::Composed, text: value.to_string() };
        compiler.compile(&grammar).unwrap_err().to_string()
    };
    assert!(refused(json!({"lark": "start: TEXT", "schemas": []})).contains("`marks`"));
    let lark = "start: @schema0";
    assert!(refused(json!({"lark": lark, "schemas": [], "marks": []})).contains("schema0"));
    let wrong = json!({"lark": lark, "schemas": [{"not": {}}], "marks": []});
    assert!(refused(wrong).contains("Unimplemented"));
    assert!(refused(json!({"lark": lark, "schemas": [], "marks": [""]})).contains("one character"));
}

/// Written by the server's formats of tool calls.
const FORMATS: &str = include_str!("../../tests/data/tool_grammars.json");

#[test]
fn every_format_of_tool_calls_keeps_strict_calls_to_their_schema() {
    let samples: Vec<Value> = serde_json::from_str(FORMATS).unwrap();
    assert!(samples.len() >= 7);
    for sample in &samples {
        let (format, grammar) = (&sample["format"], &sample["grammar"]);
        for (key, want) in [("whole", ENDS), ("open", OPEN), ("refused", NEVER)] {
            for text in sample[key].as_array().unwrap() {
                let text = text.as_str().unwrap();
                assert_eq!(reads(grammar, text), want, "{format} {key}: {text}");
            }
        }
    }
}
