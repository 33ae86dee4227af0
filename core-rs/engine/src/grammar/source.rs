use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

/// What the text of a [`Grammar`] is written in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum GrammarKind {
    /// A JSON schema, draft 2020-12 unless it says otherwise.
    #[serde(alias = "json")]
    JsonSchema,
    /// The same, or none for any JSON object.
    JsonObject,
    /// A regular expression that the whole text matches.
    Regex,
    /// A context-free grammar in Lark's syntax; it begins at `start`.
    Lark,
    /// `{"lark", "schemas", "marks"}`: such a grammar over JSON schemas and marks.
    Composed,
}

/// A grammar as a request carries it: `{"type": …, "value": …}`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Grammar {
    /// How to read the text.
    pub kind: GrammarKind,
    /// The expression or the grammar; of a schema and of what is composed the JSON, not parsed yet.
    pub text: String,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: GrammarKind,
    #[serde(default)]
    value: Option<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for Grammar {
    /// Leaves a schema unparsed: its depth is checked where its failure can be told.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { kind, value } = Wire::deserialize(deserializer)?;
        let text = value.as_deref().map_or("null", RawValue::get);
        let string = || serde_json::from_str::<String>(text).map_err(D::Error::custom);
        let text = match kind {
            GrammarKind::JsonObject if text == "null" => r#"{"type":"object"}"#.to_owned(),
            GrammarKind::Regex | GrammarKind::Lark => string()?,
            _ if text.starts_with('"') => string()?,
            _ => text.to_owned(),
        };
        let kind = if kind == GrammarKind::JsonObject { GrammarKind::JsonSchema } else { kind };
        Ok(Self { kind, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<(GrammarKind, String), String> {
        let grammar: Result<Grammar, _> = serde_json::from_str(json);
        grammar.map(|grammar| (grammar.kind, grammar.text)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_type_is_read() {
        let schema = |text: &str| Ok((GrammarKind::JsonSchema, text.to_owned()));
        for name in ["json", "json_object", "json_schema"] {
            let json = format!(r#"{{"type":"{name}","value":{{"b":1,"a":2}}}}"#);
            assert_eq!(read(&json), schema(r#"{"b":1,"a":2}"#), "{name}");
        }
        assert_eq!(read(r#"{"value":"{\"a\":1}","type":"json"}"#), schema(r#"{"a":1}"#));
        assert_eq!(read(r#"{"type":"json_object"}"#), schema(r#"{"type":"object"}"#));
        assert_eq!(read(r#"{"type":"json_object","value":null}"#), schema(r#"{"type":"object"}"#));
        assert_eq!(
            read(r#"{"type":"regex","value":"\\d\"+"}"#),
            Ok((GrammarKind::Regex, "\\d\"+".to_owned()))
        );
        assert_eq!(
            read(r#"{"type":"lark","value":"start: \"a\"\n"}"#),
            Ok((GrammarKind::Lark, "start: \"a\"\n".to_owned()))
        );
    }

    #[test]
    fn what_is_no_grammar_is_refused() {
        assert!(read(r#"{"type":"xml","value":"a"}"#).unwrap_err().contains("xml"));
        assert!(read(r#"{"type":"regex"}"#).is_err());
        assert!(read(r#"{"type":"regex","value":{}}"#).is_err());
        assert!(read(r#"{"value":"a"}"#).is_err());
    }

    #[test]
    fn a_deep_schema_is_left_for_the_compiler() {
        let deep = [r#"{"a":"#.repeat(500), "1".into(), "}".repeat(500)].concat();
        let json = format!(r#"{{"type":"json_schema","value":{deep}}}"#);
        assert_eq!(read(&json), Ok((GrammarKind::JsonSchema, deep)));
    }
}
