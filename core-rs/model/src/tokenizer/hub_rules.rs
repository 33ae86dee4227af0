//! What the files of a folder say about a tokenizer besides its vocabulary.

use serde_json::{Map, Value, json};
use tokenizers::AddedToken;

use super::pieces::SPACE;
use crate::error::Defect;

/// How normal tokens are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Each character is a byte (GPT-2).
    ByteLevel,
    /// U+2581 is a space (`SentencePiece`).
    Metaspace,
}

/// Reads the spelling off a decoder, which undoes it.
pub(super) fn spelling(decoder: &Value) -> Result<Spelling, Defect> {
    let all = match decoder["decoders"].as_array() {
        Some(all) => all.as_slice(),
        None => std::slice::from_ref(decoder),
    };
    let mut found = None;
    for decoder in all {
        match decoder["type"].as_str() {
            Some("ByteLevel") => found = Some(Spelling::ByteLevel),
            Some("Metaspace") => found = found.or(Some(Spelling::Metaspace)),
            Some("Replace") if is_space(decoder) => found = found.or(Some(Spelling::Metaspace)),
            // Bytes are joined anyway, and what stands in front of a text stays.
            Some("ByteFallback" | "Fuse" | "Strip") => {}
            _ => return Err(unknown(decoder)),
        }
    }
    found.ok_or_else(|| unknown(decoder))
}

fn is_space(decoder: &Value) -> bool {
    let from = decoder["pattern"]["String"].as_str();
    from == Some(SPACE.encode_utf8(&mut [0; 4])) && decoder["content"] == " "
}

fn unknown(decoder: &Value) -> Defect {
    Defect::unsupported(format!(
        "its tokenizer.json decodes by {decoder}, this version knows ByteLevel, Metaspace, and \
         Replace of U+2581 with ByteFallback, Fuse and Strip"
    ))
}

/// A normalizer or pre-tokenizer that puts nothing in front of a text.
pub(super) fn without_prefix(mut part: Value) -> Value {
    if part["type"] == "Prepend" {
        return json!({ "type": "Sequence", "normalizers": [] });
    }
    for key in ["normalizers", "pretokenizers"] {
        if let Some(parts) = part.get_mut(key).and_then(Value::as_array_mut) {
            for part in parts {
                *part = without_prefix(part.take());
            }
        }
    }
    if part["type"] == "Metaspace" {
        part["prepend_scheme"] = json!("never");
    }
    if part.get("add_prefix_space").is_some() {
        part["add_prefix_space"] = json!(false);
    }
    part
}

/// A pre-tokenizer with the `add_prefix_space` of `tokenizer_config.json`, false unless given
/// (`PreTrainedTokenizerFast.__init__` of transformers).
pub(super) fn with_prefix_setting(mut part: Value, settings: &Map<String, Value>) -> Value {
    let wanted = settings.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(false);
    if part["type"] != "Metaspace" && part.get("add_prefix_space").is_some() {
        part["add_prefix_space"] = json!(wanted);
    }
    part
}

/// A token's text: itself, or the `content` of its description.
pub(super) fn token_text<'a>(settings: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let value = settings.get(key)?;
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// An entry of `added_tokens_decoder`.
pub(super) fn added_token(value: &Value) -> Option<AddedToken> {
    let flag = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or(false);
    let token = AddedToken::from(value.get("content")?.as_str()?, flag("special"));
    Some(
        token
            .lstrip(flag("lstrip"))
            .rstrip(flag("rstrip"))
            .single_word(flag("single_word"))
            .normalized(flag("normalized")),
    )
}

/// Tokens around a prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// In front.
    pub before: Option<u32>,
    /// Behind.
    pub after: Option<u32>,
}

/// Classes of transformers that replace the post-processor of `tokenizer.json`
/// (`update_post_processor`), and whether they want `bos_token` unless told otherwise.
const CLASSES: [(&str, bool); 5] = [
    ("LlamaTokenizer", true),
    ("CodeLlamaTokenizer", true),
    ("GemmaTokenizer", true),
    ("CohereTokenizer", true),
    ("GPTNeoXTokenizer", false),
];

impl Ends {
    /// The tokens that the class named in `tokenizer_config.json` adds; none when that class
    /// leaves it to the post-processor.
    pub fn of_class(
        settings: &Map<String, Value>,
        id: impl Fn(&str) -> Option<u32>,
    ) -> Result<Option<Self>, Defect> {
        let class = settings.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
        let class = class.strip_suffix("Fast").unwrap_or(class);
        let Some(&(_, wants_bos)) = CLASSES.iter().find(|(name, _)| *name == class) else {
            return Ok(None);
        };
        let flag = |key: &str| settings.get(key).and_then(Value::as_bool);
        let end = |wanted: bool, key: &str, default: &'static str| {
            let text = token_text(settings, key).unwrap_or(default);
            let missing =
                || Defect::malformed(format!("its {key} {text:?} is not in tokenizer.json"));
            wanted.then(|| id(text).ok_or_else(missing)).transpose()
        };
        Ok(Some(Self {
            before: end(flag("add_bos_token").unwrap_or(wants_bos), "bos_token", "<s>")?,
            after: end(flag("add_eos_token").unwrap_or(false), "eos_token", "</s>")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_decoder_tells_how_tokens_are_written() {
        let replace = json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " });
        let llama = json!({ "type": "Sequence", "decoders": [
            replace, { "type": "ByteFallback" }, { "type": "Fuse" }, { "type": "Strip" },
        ] });
        assert_eq!(spelling(&llama), Ok(Spelling::Metaspace));
        assert_eq!(spelling(&json!({ "type": "Metaspace" })), Ok(Spelling::Metaspace));
        assert_eq!(spelling(&json!({ "type": "ByteLevel" })), Ok(Spelling::ByteLevel));
        for other in [
            json!({ "type": "WordPiece" }),
            json!(null),
            json!({ "type": "Sequence", "decoders": [] }),
            json!({ "type": "Replace", "pattern": { "String": "_" }, "content": " " }),
        ] {
            let error = spelling(&other).unwrap_err().to_string();
            assert!(error.starts_with("its tokenizer.json decodes by "), "{error}");
        }
    }

    #[test]
    fn nothing_is_put_in_front_inside_a_text() {
        let normalizer = json!({ "type": "Sequence", "normalizers": [
            { "type": "Prepend", "prepend": "▁" }, { "type": "NFC" },
        ] });
        let expected = json!({ "type": "Sequence", "normalizers": [
            { "type": "Sequence", "normalizers": [] }, { "type": "NFC" },
        ] });
        assert_eq!(without_prefix(normalizer), expected);
        let metaspace = json!({ "type": "Metaspace", "prepend_scheme": "always" });
        assert_eq!(without_prefix(metaspace)["prepend_scheme"], "never");
        assert_eq!(without_prefix(json!(null)), json!(null));
    }

    #[test]
    fn a_class_decides_what_stands_around_a_prompt() {
        let id = |token: &str| ["<s>", "</s>"].iter().position(|&known| known == token);
        let ends = |value| Ends::of_class(&settings(value), |token| id(token).map(|id| id as u32));
        let class = |name: &str| json!({ "tokenizer_class": name });
        let expected = Ends { before: Some(0), after: None };
        assert_eq!(ends(class("LlamaTokenizerFast")), Ok(Some(expected)));
        let expected = Ends { before: None, after: None };
        assert_eq!(ends(class("GPTNeoXTokenizer")), Ok(Some(expected)));
        assert_eq!(ends(class("PreTrainedTokenizerFast")), Ok(None));
        let both = json!({
            "tokenizer_class": "GemmaTokenizer", "add_eos_token": true,
            "bos_token": { "content": "<s>" },
        });
        assert_eq!(ends(both), Ok(Some(Ends { before: Some(0), after: Some(1) })));
        let unknown = json!({ "tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>" });
        let error = ends(unknown).unwrap_err().to_string();
        assert!(error.starts_with("its bos_token \"<bos>\" is not in tokenizer.json"), "{error}");
    }
}
