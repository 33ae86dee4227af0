//! Templates as models bring them, and as attackers might.

use serde_json::{Value, json};

use super::*;
use crate::tokenizer::{BpeVocabulary, PreTokenizer, TokenKind};

fn template(source: &str) -> ChatTemplate {
    let vocabulary = BpeVocabulary {
        tokens: ["<s>", "</s>", "a"].map(str::to_owned).to_vec(),
        merges: Vec::new(),
        kinds: vec![TokenKind::Control, TokenKind::Control, TokenKind::Normal],
        pre: PreTokenizer::Gpt2,
        bos: Some(0),
        eos: vec![1],
        add_bos: true,
    };
    ChatTemplate::new(source, &Tokenizer::from_bpe(vocabulary).unwrap())
}

fn render(source: &str, messages: &Value) -> Result<String, String> {
    template(source).render(messages, None, true).map_err(|error| error.to_string())
}

fn refusal(source: &str) -> String {
    let error = render(source, &json!([])).unwrap_err();
    error.strip_prefix("Cannot render the chat template: ").unwrap().to_owned()
}

fn conversation() -> Value {
    json!([
        { "role": "system", "content": " Be brief. " },
        { "role": "user", "content": "Hi <b> & \"you\"" },
        { "role": "assistant", "content": "Hello" },
    ])
}

#[test]
fn a_conversation_is_written_turn_by_turn() {
    let source = "{{ bos_token }}{% for m in messages %}\n[{{ m['role'] | upper }}] \
                  {{ m.content.strip() }}{{ eos_token }}\n{% endfor %}\n\
                  {% if add_generation_prompt %}[A]{% endif %}";
    let expected = "<s>[SYSTEM] Be brief.</s>\n[USER] Hi <b> & \"you\"</s>\n\
                    [ASSISTANT] Hello</s>\n[A]";
    assert_eq!(render(source, &conversation()).unwrap(), expected);
    let without = template(source).render(&conversation(), None, false).unwrap();
    assert_eq!(without, expected.strip_suffix("[A]").unwrap());
}

#[test]
fn blocks_leave_no_blank_lines() {
    let source =
        "{% for m in messages %}\n    {% if loop.first %}\na\n    {% endif %}\n{% endfor %}\nb";
    assert_eq!(render(source, &conversation()).unwrap(), "a\nb");
}

#[test]
fn tools_are_written_as_python_writes_json() {
    let tools = json!([{ "name": "é<", "strict": true, "in": [1, 2.5, null, {}] }]);
    let write = |source| template(source).render(&json!([]), Some(&tools), false).unwrap();
    let expected = r#"[{"name": "é<", "strict": true, "in": [1, 2.5, null, {}]}]"#;
    assert_eq!(write("{{ tools | tojson }}"), expected);
    assert_eq!(write("{{ tools | tojson(ensure_ascii=False) }}"), expected);
    let expected = "{\n  \"name\": \"é<\"\n}";
    assert_eq!(write("{{ {'name': tools[0].name} | tojson(indent=2) }}"), expected);
    let absent = template("{{ tools is none }}").render(&json!([]), None, false).unwrap();
    assert_eq!(absent, "True");
}

#[test]
fn python_strings_and_loops_work() {
    let source = "{% set ns = namespace(n=0) %}{% for m in messages %}{% if m.content.startswith('H') \
                  %}{% set ns.n = ns.n + 1 %}{% continue %}{% endif %}{% endfor %}\
                  {{ ns.n }} {{ 'a-b'.split('-')[1] }} {{ messages[1:] | length }} \
                  {{ strftime_now('%Y') | length }}";
    assert_eq!(render(source, &conversation()).unwrap(), "2 b 2 4");
}

#[test]
fn a_template_refuses_in_its_own_words() {
    let source = "{{ raise_exception('Roles must alternate: user, assistant') }}";
    assert_eq!(refusal(source), "Roles must alternate: user, assistant");
}

#[test]
fn a_broken_template_is_told_when_it_is_used() {
    assert!(refusal("{% for m in messages %}").contains("syntax error"));
    assert!(refusal("\n{{ messages.nothing.more }}").contains("in line 2"));
    assert!(refusal("{{ 1 | no_such_filter }}").contains("no_such_filter"));
    assert!(refusal("{{ [] | tojson(indent=99) }}").contains("indents by 99, expected 0 to 16"));
}

#[test]
fn an_endless_loop_runs_out_of_steps() {
    let nested = "{% for a in range(9999) %}".repeat(4) + &"{% endfor %}".repeat(4);
    assert_eq!(refusal(&nested), "it takes more than 2000000 steps");
}

#[test]
fn endless_recursion_is_stopped() {
    let error = refusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
    assert!(error.contains("recursion"), "{error}");
}

#[test]
fn a_flood_of_text_is_stopped() {
    let flood = "{% for a in range(2000) %}{{ 'x' * 100000 }}{% endfor %}";
    assert_eq!(refusal(flood), "it writes more than 16777216 bytes");
    let message = json!([{ "role": "user", "content": "y".repeat(1 << 20) }]);
    let error = render("{% for a in range(20) %}{{ messages[0].content }}{% endfor %}", &message);
    assert!(error.unwrap_err().contains("it writes more than"));
}

#[test]
fn a_template_reaches_no_file_and_no_other_template() {
    for source in ["{% include '/etc/passwd' %}", "{% extends 'x' %}", "{{ open('/etc/passwd') }}"]
    {
        assert!(render(source, &json!([])).is_err(), "{source}");
    }
}

#[test]
fn messages_of_any_shape_do_not_crash() {
    let source = "{% for m in messages %}{{ m.role }}{{ m['content'] }}{% endfor %}";
    for messages in [json!(null), json!(1), json!("x"), json!({}), json!([1, [2], null, {}])] {
        drop(render(source, &messages));
    }
}
