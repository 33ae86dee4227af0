//! What a folder says about text: vocabulary, special tokens, chat template.

use std::path::Path;

use serde_json::{Map, Value};

use super::json;
use crate::error::{Defect, ModelError};
use crate::tokenizer::HubVocabulary;

/// Largest `tokenizer.json`; the largest known have some 35 MB.
const MAX_TOKENIZER: u64 = 256 << 20;
/// Largest of the other files.
const MAX_SMALL: u64 = 16 << 20;

/// Tokenizer and template of a folder.
pub(crate) struct Texts {
    /// What the tokenizer is built from.
    pub vocabulary: HubVocabulary,
    /// Jinja source.
    pub chat_template: Option<String>,
}

/// Reads the files; `config` is that of the model.
pub(super) fn read(folder: &Path, config: &Map<String, Value>) -> Result<Texts, ModelError> {
    let path = folder.join("tokenizer.json");
    let tokenizer = json::bytes(&path, MAX_TOKENIZER)?.ok_or_else(|| {
        let defect = Defect {
            found: "it is a folder without tokenizer.json".to_owned(),
            fix: "save the tokenizer with transformers' fast tokenizer",
        };
        defect.of(&folder.display().to_string())
    })?;
    let settings = json::object(&folder.join("tokenizer_config.json"), MAX_SMALL)?;
    let settings = settings.unwrap_or_default();
    let generation = json::object(&folder.join("generation_config.json"), MAX_SMALL)?;
    let generation = generation.unwrap_or_default();
    let mut eos_ids = ids(generation.get("eos_token_id"));
    eos_ids.extend(ids(config.get("eos_token_id")));
    let chat_template = template(folder, &settings)?;
    let bos_id = ids(config.get("bos_token_id")).first().copied();
    let vocabulary = HubVocabulary { json: tokenizer, settings, bos_id, eos_ids };
    Ok(Texts { vocabulary, chat_template })
}

/// Token ids: one or a list.
fn ids(value: Option<&Value>) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(id).collect(),
        Some(value) => id(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// `chat_template.jinja`, else that of `tokenizer_config.json`: one text, or one named `default`
/// among several (`get_chat_template` of transformers).
fn template(folder: &Path, settings: &Map<String, Value>) -> Result<Option<String>, ModelError> {
    let path = folder.join("chat_template.jinja");
    if let Some(bytes) = json::bytes(&path, MAX_SMALL)? {
        let text = String::from_utf8(bytes).map_err(|error| {
            Defect::damaged(format!("it is no UTF-8: {error}")).of(&path.display().to_string())
        })?;
        return Ok(Some(text));
    }
    let named = |value: &Value| {
        let is_default = value.get("name").and_then(Value::as_str) == Some("default");
        is_default.then(|| value.get("template")?.as_str().map(str::to_owned))?
    };
    Ok(match settings.get("chat_template") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(templates)) => templates.iter().find_map(named),
        _ => None,
    })
}
