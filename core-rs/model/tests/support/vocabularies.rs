//! A tokenizer as `tokenizer.json` and the same as a GGUF file, beside what Hugging Face makes of
//! the corpus (`scripts/tokenizer_references`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tgi_model::{HubVocabulary, Model, Tokenizer};

use super::gguf::{self, File, Q8_0};
use super::packages::Package;
use super::tiny;

/// What the reference says.
#[derive(Deserialize)]
pub struct Expected {
    /// The packages with real tokenizers.
    pub packages: Vec<Package>,
    hashes: BTreeMap<String, String>,
}

/// Digits of a hash.
const DIGITS: usize = 6;

impl Expected {
    /// Reads the file.
    pub fn read() -> Self {
        serde_json::from_value(json(&fixtures().join("expected.json"))).unwrap()
    }

    /// The names of tokenizers that begin so, without that beginning.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.hashes.keys().filter_map(move |name| name.strip_prefix(prefix))
    }

    /// Compares the ids of every text; the name is one of [`Self::names`] with its beginning.
    pub fn compare(&self, name: &str, texts: &[String], encode: impl Fn(&str) -> Vec<u32>) {
        let hashes = &self.hashes[name];
        assert_eq!(hashes.len(), texts.len() * DIGITS);
        let differs = |line: &usize| {
            let expected = &hashes[line * DIGITS..(line + 1) * DIGITS];
            hash(&encode(&texts[*line])) != *expected
        };
        let different: Vec<usize> = (0..texts.len()).filter(differs).collect();
        if let Some(&first) = different.first() {
            panic!(
                "{name}: {} of {} texts have other ids; text {first} {:?} has {:?} (build.py \
                 --show {name} {first} tells the reference's)",
                different.len(),
                texts.len(),
                texts[first],
                encode(&texts[first]),
            );
        }
    }
}

/// 64-bit FNV-1a over the ids, the first 24 bits.
fn hash(ids: &[u32]) -> String {
    let step = |state: u64, &id: &u32| (state ^ u64::from(id)).wrapping_mul(0x0000_0100_0000_01B3);
    let state = ids.iter().fold(0xCBF2_9CE4_8422_2325, step);
    format!("{:06x}", state >> 40)
}

/// Where the references lie.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tokenizers")
}

/// The 2,000 texts.
pub fn corpus() -> Vec<String> {
    serde_json::from_value(json(&fixtures().join("corpus.json"))).unwrap()
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

/// The files of a folder.
pub fn folder(path: &Path) -> HubVocabulary {
    HubVocabulary {
        json: std::fs::read(path.join("tokenizer.json")).unwrap(),
        settings: serde_json::from_value(json(&path.join("tokenizer_config.json"))).unwrap(),
        ..HubVocabulary::default()
    }
}

/// A model with the vocabulary of a `tokenizer.json`, as converters write it to GGUF. `rule` is
/// `tokenizer.ggml.pre`, or `llama` for a `SentencePiece` vocabulary, or `t5` for a unigram one.
pub fn gguf(hub: &HubVocabulary, rule: &str) -> Model {
    let tokenizer = Tokenizer::from_hub(hub).unwrap();
    let data: Value = serde_json::from_slice(&hub.json).unwrap();
    let (tokens, kinds) = tokens(&data, tokenizer.vocab());
    let mut file = tiny::llama();
    file.remove("token_embd.weight").add("token_embd.weight", &[tokens.len(), tiny::HIDDEN], Q8_0);
    let set = |file: &mut File, key: &str, value| {
        file.set(&format!("tokenizer.ggml.{key}"), value);
    };
    if rule == "t5" {
        return unigram(file, &data, tokens, kinds);
    }
    if rule == "llama" {
        let scores = (0..tokens.len()).map(|id| -(id as f32)).collect();
        set(&mut file, "model", gguf::Value::Text("llama".to_owned()));
        set(&mut file, "scores", gguf::Value::Floats(scores));
        set(&mut file, "unknown_token_id", gguf::Value::U32(3));
        set(&mut file, "add_space_prefix", gguf::Value::Bool(false));
    } else {
        set(&mut file, "pre", gguf::Value::Text(rule.to_owned()));
        set(&mut file, "merges", gguf::Value::Texts(merges(&data)));
    }
    set(&mut file, "tokens", gguf::Value::Texts(tokens));
    set(&mut file, "token_type", gguf::Value::Ints(kinds));
    let bos = tokenizer.bos();
    let adds_bos = bos.is_some() && tokenizer.encode("", true).unwrap().first().copied() == bos;
    set(&mut file, "bos_token_id", gguf::Value::U32(bos.unwrap_or(0)));
    set(&mut file, "eos_token_id", gguf::Value::U32(0));
    set(&mut file, "add_bos_token", gguf::Value::Bool(adds_bos));
    Model::from_bytes("vocabulary.gguf", &file.bytes()).unwrap()
}

/// A model with a unigram vocabulary and the table by which it rewrites texts.
fn unigram(mut file: File, data: &Value, tokens: Vec<String>, mut kinds: Vec<i32>) -> Model {
    let mut set = |key: &str, value| {
        file.set(&format!("tokenizer.ggml.{key}"), value);
    };
    let id = |token: &str| tokens.iter().position(|known| known == token).unwrap() as u32;
    let scores = data["model"]["vocab"].as_array().unwrap().iter();
    let scores = scores.map(|entry| entry[1].as_f64().unwrap() as f32).collect();
    kinds[id("<unk>") as usize] = 2;
    set("model", gguf::Value::Text("t5".to_owned()));
    set("remove_extra_whitespaces", gguf::Value::Bool(data["normalizer"].is_object()));
    set("add_eos_token", gguf::Value::Bool(data["post_processor"].is_object()));
    set("scores", gguf::Value::Floats(scores));
    set("unknown_token_id", gguf::Value::U32(id("<unk>")));
    set("bos_token_id", gguf::Value::U32(id("<s>")));
    set("eos_token_id", gguf::Value::U32(id("</s>")));
    let table = data["normalizer"]["normalizers"][0]["precompiled_charsmap"].as_str();
    if let Some(table) = table {
        let table = base64::decode(table).unwrap();
        let mut bytes = 0u32.to_le_bytes().to_vec();
        bytes.extend((table.len() as u64).to_le_bytes());
        bytes.extend(table);
        set("precompiled_charsmap", gguf::Value::Raw(9, bytes));
    }
    set("tokens", gguf::Value::Texts(tokens));
    set("token_type", gguf::Value::Ints(kinds));
    Model::from_bytes("vocabulary.gguf", &file.bytes()).unwrap()
}

/// The tokens of the model and their ids.
fn model_tokens(data: &Value) -> Vec<(String, usize)> {
    match &data["model"]["vocab"] {
        Value::Object(tokens) => tokens
            .iter()
            .map(|(token, id)| (token.clone(), id.as_u64().unwrap() as usize))
            .collect(),
        list => {
            let tokens = list.as_array().unwrap().iter().enumerate();
            tokens.map(|(id, entry)| (entry[0].as_str().unwrap().to_owned(), id)).collect()
        }
    }
}

/// Tokens by id and GGUF's numbers of their kinds.
fn tokens(data: &Value, count: usize) -> (Vec<String>, Vec<i32>) {
    let mut tokens = vec![(String::new(), 5); count];
    let has_bytes = data["model"]["byte_fallback"] == true;
    for (token, id) in model_tokens(data) {
        let kind = if has_bytes && token.starts_with("<0x") { 6 } else { 1 };
        tokens[id] = (token, kind);
    }
    for added in data["added_tokens"].as_array().unwrap() {
        let kind = if added["special"] == true { 3 } else { 4 };
        let content = added["content"].as_str().unwrap();
        // Converters write what such a token stands for.
        let content = if has_bytes { content.replace('▁', " ") } else { content.to_owned() };
        tokens[added["id"].as_u64().unwrap() as usize] = (content, kind);
    }
    tokens.into_iter().unzip()
}

fn merges(data: &Value) -> Vec<String> {
    let merge = |merge: &Value| match merge {
        Value::String(merge) => merge.clone(),
        pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    };
    data["model"]["merges"].as_array().unwrap().iter().map(merge).collect()
}
