//! A `SentencePiece` unigram vocabulary from a GGUF file's metadata, which calls it `t5`; as the
//! `tokenizer.json` that transformers' converter would write (`SpmConverter`).

use serde_json::{Map, Value, json};

use super::hub::HubVocabulary;
use super::pieces::SPACE;
use super::{TokenKind, Tokenizer, check_sizes, gguf};
use crate::error::Defect;
use crate::gguf::metadata::Metadata;

/// Builds a file's tokenizer; moves the vocabulary out of `metadata`.
pub(super) fn from_metadata(metadata: &mut Metadata) -> Result<Tokenizer, Defect> {
    let (bos, eos) = (gguf::token(metadata, "bos")?, gguf::eos(metadata)?);
    let unknown = gguf::token(metadata, "unknown")?;
    let flag = |key: &str, default| {
        Ok(metadata.bool(&format!("tokenizer.ggml.{key}"))?.unwrap_or(default))
    };
    let prefix = flag("add_space_prefix", true)?;
    let trims = flag("remove_extra_whitespaces", true)?;
    let before = bos.filter(|_| flag("add_bos_token", false) == Ok(true));
    let after = eos.first().copied().filter(|_| flag("add_eos_token", true) == Ok(true));
    let table = metadata.take_bytes("tokenizer.ggml.precompiled_charsmap")?.unwrap_or_default();
    let tokens = gguf::tokens(metadata)?;
    let scores = gguf::scores(metadata)?;
    let kinds = gguf::kinds(metadata, tokens.len())?;
    check_sizes(tokens.len(), &kinds, bos.iter().chain(&eos).chain(&unknown))?;
    if scores.len() != tokens.len() {
        let (scores, tokens) = (scores.len(), tokens.len());
        return Err(Defect::malformed(format!("{tokens} tokens have {scores} scores")));
    }
    let count = tokens.len();
    let around = template(&tokens, [before, after]);
    let metaspace = json!({
        "type": "Metaspace",
        "replacement": SPACE,
        "prepend_scheme": if prefix { "always" } else { "never" },
        "split": true,
    });
    let data = json!({
        "version": "1.0",
        "added_tokens": added(&tokens, &kinds),
        "normalizer": { "type": "Sequence", "normalizers": normalizers(&table, trims) },
        "pre_tokenizer": metaspace,
        "decoder": metaspace,
        "post_processor": around,
        "model": {
            "type": "Unigram",
            "unk_id": unknown,
            "byte_fallback": kinds.contains(&TokenKind::Byte),
            "vocab": tokens.into_iter().zip(scores).collect::<Vec<_>>(),
        },
    });
    let json = data.to_string().into_bytes();
    let vocabulary = HubVocabulary { json, settings: Map::new(), bos_id: bos, eos_ids: eos };
    Tokenizer::hub(&vocabulary, Some(count))
}

/// What is found in a text before anything else.
fn added(tokens: &[String], kinds: &[TokenKind]) -> Vec<Value> {
    let special = |kind: &TokenKind| match kind {
        TokenKind::Control | TokenKind::Unknown => Some(true),
        TokenKind::UserDefined => Some(false),
        TokenKind::Normal | TokenKind::Unused | TokenKind::Byte => None,
    };
    let token = |(id, (token, kind)): (usize, (&String, &TokenKind))| {
        special(kind).map(|special| {
            json!({
                "id": id, "content": token, "special": special, "normalized": false,
                "single_word": false, "lstrip": false, "rstrip": false,
            })
        })
    };
    tokens.iter().zip(kinds).enumerate().filter_map(token).collect()
}

fn normalizers(table: &[u8], trims: bool) -> Vec<Value> {
    let mut all = Vec::new();
    if !table.is_empty() {
        let table = base64::encode(table);
        all.push(json!({ "type": "Precompiled", "precompiled_charsmap": table }));
    }
    if trims {
        all.push(json!({ "type": "Strip", "strip_left": false, "strip_right": true }));
        let runs = json!({ "Regex": " {2,}" });
        all.push(json!({ "type": "Replace", "pattern": runs, "content": SPACE }));
    }
    all
}

/// The tokens around a prompt; both are in the vocabulary.
fn template(tokens: &[String], [before, after]: [Option<u32>; 2]) -> Value {
    let name = |id: u32| &tokens[id as usize];
    let token = |id: u32| json!({ "SpecialToken": { "id": name(id), "type_id": 0 } });
    let text = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let special: Map<String, Value> = before
        .into_iter()
        .chain(after)
        .map(|id| (name(id).clone(), json!({ "id": name(id), "ids": [id], "tokens": [name(id)] })))
        .collect();
    let single: Vec<Value> =
        before.map(token).into_iter().chain([text.clone()]).chain(after.map(token)).collect();
    let pair = json!([text, { "Sequence": { "id": "B", "type_id": 1 } }]);
    json!({
        "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special,
    })
}
