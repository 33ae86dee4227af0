//! Ids and texts beside Hugging Face's tokenizers, on a fixed corpus.

mod support;

use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::gguf::Value;
use support::tiny;
use support::vocabularies::{Expected, corpus, fixtures, folder, gguf, json};
use tgi_model::{HubVocabulary, Model, Tokenizer};
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};

/// What composes characters before anything else, if the tokenizer does so: all that it changes in
/// a text.
fn composing(hub: &HubVocabulary) -> Option<NormalizerWrapper> {
    let data: serde_json::Value = serde_json::from_slice(&hub.json).unwrap();
    let composes = matches!(data["normalizer"]["type"].as_str(), Some("NFC" | "NFKC"));
    composes.then(|| serde_json::from_value(data["normalizer"].clone()).unwrap())
}

fn assert_texts_come_back(
    name: &str,
    hub: &HubVocabulary,
    texts: &[String],
    tokenizer: &Tokenizer,
) {
    let composing = composing(hub);
    let marked = tokenizer.decode(&tokenizer.encode("▁", false).unwrap());
    let prefixes = tokenizer.decode(&tokenizer.encode("a", false).unwrap()) == b" a";
    let spaces = marked.iter().all(|&byte| byte == b' ');
    for (line, text) in texts.iter().enumerate() {
        // SentencePiece writes a space as this character and cannot tell the two apart.
        let text = if spaces { &text.replace('▁', " ") } else { text };
        let ids = tokenizer.encode(text, false).unwrap();
        // Behind a special token stands a space that the text does not have.
        if prefixes && ids.iter().any(|&id| tokenizer.is_special(id)) {
            continue;
        }
        let found = tokenizer.decode(&ids);
        let mut expected = NormalizedString::from(text.as_str());
        if let Some(composing) = &composing {
            composing.normalize(&mut expected).unwrap();
        }
        let expected = expected.get().as_bytes();
        let found = found.strip_prefix(b" ").filter(|_| found != expected).unwrap_or(&found);
        assert!(found == expected, "{name}: text {line} {text:?} comes back as {found:?}");
    }
}

#[test]
fn real_tokenizers_give_the_ids_of_hugging_face() {
    let (expected, texts) = (&Expected::read(), &corpus());
    assert_eq!(texts.len(), 2000);
    thread::scope(|scope| {
        for package in &expected.packages {
            scope.spawn(move || {
                let hub = folder(&package.folder());
                let tokenizer = Tokenizer::from_hub(&hub).unwrap();
                let name = format!("package:{}", package.tokenizer);
                expected.compare(&name, texts, |text| tokenizer.encode(text, true).unwrap());
                assert_texts_come_back(&name, &hub, texts, &tokenizer);
            });
        }
    });
}

#[test]
fn real_tokenizers_give_the_same_ids_out_of_a_gguf_file() {
    let (expected, texts) = (&Expected::read(), &corpus());
    thread::scope(|scope| {
        for package in &expected.packages {
            let Some(rule) = &package.gguf else { continue };
            scope.spawn(move || {
                let hub = folder(&package.folder());
                let model = gguf(&hub, rule);
                let name = format!("package:{}", package.tokenizer);
                let encode = |text: &str| model.tokenizer.encode(text, true).unwrap();
                expected.compare(&name, texts, encode);
                assert_texts_come_back(&name, &hub, texts, &model.tokenizer);
            });
        }
    });
}

#[test]
fn tokenizers_of_every_kind_give_the_ids_of_hugging_face() {
    let (expected, texts) = (Expected::read(), corpus());
    let names: Vec<&str> = expected.names("trained:").collect();
    assert_eq!(names.len(), 6);
    for name in names {
        let hub = folder(&fixtures().join("trained").join(name));
        let tokenizer = Tokenizer::from_hub(&hub).unwrap();
        let full = format!("trained:{name}");
        expected.compare(&full, &texts, |text| tokenizer.encode(text, true).unwrap());
        // These drop spaces, and the characters that they do not know.
        if ["phi3-like", "unigram", "sentencepiece"].contains(&name) {
            continue;
        }
        // The crate's Unigram takes the name of a byte for the byte.
        let is_plain = |text: &&String| name != "unigram-bytes" || !text.contains("<0x");
        let plain: Vec<String> = texts.iter().filter(is_plain).cloned().collect();
        assert_texts_come_back(&full, &hub, &plain, &tokenizer);
    }
}

#[test]
fn unigram_tokenizers_give_the_same_ids_out_of_a_gguf_file() {
    let (expected, texts) = (Expected::read(), corpus());
    for name in ["sentencepiece", "unigram-bytes"] {
        let hub = folder(&fixtures().join("trained").join(name));
        let tokenizer = gguf(&hub, "t5").tokenizer;
        let encode = |text: &str| tokenizer.encode(text, true).unwrap();
        expected.compare(&format!("trained:{name}"), &texts, encode);
        let same = Tokenizer::from_hub(&hub).unwrap();
        for text in &texts {
            assert_eq!(tokenizer.encode_inside(text).unwrap(), same.encode_inside(text).unwrap());
            let ids = encode(text);
            assert_eq!(tokenizer.decode(&ids), same.decode(&ids));
        }
    }
}

#[test]
fn every_rule_cuts_as_the_models_own_file_does() {
    let (expected, texts) = (Expected::read(), corpus());
    let data = json(&fixtures().join("trained").join("rules.json"));
    let hub = HubVocabulary { json: data.to_string().into_bytes(), ..HubVocabulary::default() };
    let rules: Vec<&str> = expected.names("rule:").collect();
    assert_eq!(rules.len(), 14);
    for rule in rules {
        let model = gguf(&hub, rule);
        let encode = |text: &str| model.tokenizer.encode(text, true).unwrap();
        expected.compare(&format!("rule:{rule}"), &texts, encode);
    }
}

/// Text that is likely to hit added tokens, spaces and bytes.
fn text() -> impl Strategy<Value = String> {
    let words = [
        "<s>",
        "</s>",
        "<|user|>",
        "<|end|>",
        "<tool_call>",
        "word",
        "[INST]",
        "\n\n",
        " ",
        "  ",
        "▁",
        "<0x0A>",
        "é",
        "日本",
        "🙂",
        "\u{301}",
        "\0",
    ];
    let part = prop_oneof![prop::sample::select(words.to_vec()).prop_map(str::to_owned), ".{0,6}"];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

#[test]
fn any_text_has_ids_of_the_vocabulary_in_every_kind() {
    let names = Expected::read();
    let tokenizers: Vec<Tokenizer> = names
        .names("trained:")
        .map(|name| Tokenizer::from_hub(&folder(&fixtures().join("trained").join(name))).unwrap())
        .collect();
    let test = |text: String| {
        for tokenizer in &tokenizers {
            for ids in
                [tokenizer.encode(&text, true).unwrap(), tokenizer.encode_inside(&text).unwrap()]
            {
                prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab()));
                tokenizer.decode(&ids);
            }
        }
        Ok(())
    };
    TestRunner::new(Config::with_cases(500)).run(&text(), test).unwrap();
}

#[test]
fn inside_a_text_nothing_is_put_in_front_and_special_names_are_text() {
    let tokenizer = |name| folder(&fixtures().join("trained").join(name));
    for name in ["llama2-like", "mistral-like", "phi3-like"] {
        let tokenizer = Tokenizer::from_hub(&tokenizer(name)).unwrap();
        let ids = tokenizer.encode_inside("a</s>b").unwrap();
        assert_eq!(tokenizer.decode(&ids), b"a</s>b", "{name}");
        assert!(ids.iter().all(|&id| !tokenizer.is_special(id)), "{name}");
    }
}

#[test]
fn other_models_are_refused_in_one_sentence() {
    let word_piece = br###"{"version": "1.0", "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "ByteLevel",
        "add_prefix_space": true, "trim_offsets": true, "use_regex": true}, "model": {"type": "WordPiece", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]",
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}}"###;
    let hub = HubVocabulary { json: word_piece.to_vec(), ..HubVocabulary::default() };
    let error = Tokenizer::from_hub(&hub).err().unwrap().to_string();
    let expected = "Cannot build the tokenizer: its tokenizer.json has a WordPiece model, this \
                    version knows BPE and Unigram; choose another model or another quantization";
    assert_eq!(error, expected);
    for broken in ["", "{}", "[]", "{\"decoder\": {\"type\": \"ByteLevel\"}}"] {
        let hub = HubVocabulary { json: broken.into(), ..HubVocabulary::default() };
        let error = Tokenizer::from_hub(&hub).err().unwrap().to_string();
        assert!(error.starts_with("Cannot build the tokenizer: "), "{error}");
    }
}

/// A table whose trie leads out of it, and one that is shorter than it says.
const BROKEN_TABLES: [&[u8]; 2] = [&[4, 0, 0, 0, 0, 0x24, 0, 0], &[0xFF; 8]];

#[test]
fn a_table_that_leads_out_of_itself_is_refused() {
    let sound = folder(&fixtures().join("trained/sentencepiece"));
    for table in BROKEN_TABLES {
        let mut data: serde_json::Value = serde_json::from_slice(&sound.json).unwrap();
        let broken = base64::encode(table);
        data["normalizer"]["normalizers"][0]["precompiled_charsmap"] = broken.into();
        let hub = HubVocabulary { json: data.to_string().into_bytes(), ..sound.clone() };
        let error = Tokenizer::from_hub(&hub).err().unwrap().to_string();
        assert!(error.contains("its precompiled_charsmap "), "{error}");
    }
}

#[test]
fn a_unigram_vocabulary_that_contradicts_itself_is_refused() {
    let refusal = |key: &str, value: Value| {
        let mut file = tiny::llama();
        file.set("tokenizer.ggml.model", Value::Text("t5".to_owned()));
        file.set("tokenizer.ggml.scores", Value::Floats(vec![0.0; tiny::VOCAB]));
        file.set("tokenizer.ggml.unknown_token_id", Value::U32(2));
        Model::from_bytes("sound.gguf", &file.bytes()).unwrap();
        file.set(&format!("tokenizer.ggml.{key}"), value);
        Model::from_bytes("broken.gguf", &file.bytes()).err().unwrap().to_string()
    };
    let error = refusal("scores", Value::Floats(vec![0.0; 3]));
    assert!(error.contains("16 tokens have 3 scores"), "{error}");
    let error = refusal("unknown_token_id", Value::U32(16));
    assert!(error.contains("special token 16 is outside the vocabulary"), "{error}");
    let error = refusal("eos_token_id", Value::U32(16));
    assert!(error.contains("special token 16 is outside the vocabulary"), "{error}");
    for table in BROKEN_TABLES {
        let head = [&0u32.to_le_bytes()[..], &(table.len() as u64).to_le_bytes()].concat();
        let error = refusal("precompiled_charsmap", Value::Raw(9, [&head, table].concat()));
        assert!(error.contains("its precompiled_charsmap "), "{error}");
    }
}
