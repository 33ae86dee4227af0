//! Text token by token, for tokenizers of every kind.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tgi_engine::Detokenizer;
use tgi_model::{HubVocabulary, Tokenizer};

/// A tokenizer of each kind: `SentencePiece` BPE and Unigram, with tokens of single bytes and
/// without, and byte-level BPE.
const KINDS: [&str; 6] = [
    "trained/llama2-like/tokenizer.json",
    "trained/mistral-like/tokenizer.json",
    "trained/phi3-like/tokenizer.json",
    "trained/unigram/tokenizer.json",
    "trained/unigram-bytes/tokenizer.json",
    "trained/rules.json",
];

fn read(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tokenizers");
    std::fs::read(fixtures.join(name)).unwrap()
}

fn tokenizers() -> impl Iterator<Item = (&'static str, Tokenizer)> {
    KINDS.into_iter().map(|name| {
        let hub = HubVocabulary { json: read(name), ..HubVocabulary::default() };
        (name, Tokenizer::from_hub(&hub).unwrap())
    })
}

/// The text of all pieces, and that what each adds is whole characters: it is what the bytes so far
/// have for sure.
fn add_up<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let (mut detokenizer, mut text) = (Detokenizer::new(), String::new());
    let mut bytes = Vec::new();
    for piece in pieces {
        detokenizer.push(piece, &mut text);
        bytes.extend_from_slice(piece);
        assert_eq!(text, certain(&bytes));
    }
    detokenizer.flush(&mut text);
    text
}

/// The text of bytes without the character that more of them could complete.
fn certain(bytes: &[u8]) -> String {
    let incomplete = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let completable = str::from_utf8(incomplete).is_err_and(|error| error.error_len().is_none());
    let cut = if completable { incomplete.len() } else { 0 };
    String::from_utf8_lossy(&bytes[..bytes.len() - cut]).into_owned()
}

#[test]
fn the_tokens_of_any_text_add_up_to_the_whole() {
    let texts: Vec<String> = serde_json::from_slice(&read("corpus.json")).unwrap();
    for (name, tokenizer) in tokenizers() {
        for text in &texts {
            let ids = tokenizer.encode(text, false).unwrap();
            let found = add_up(ids.iter().map(|&id| tokenizer.piece(id)));
            assert_eq!(found, String::from_utf8_lossy(&tokenizer.decode(&ids)), "{name}: {text:?}");
        }
    }
}

/// Tokens of single bytes, which begin, continue and break characters.
fn byte_tokens(tokenizer: &Tokenizer) -> Vec<u32> {
    let ids = 0..tokenizer.vocab() as u32;
    ids.filter(|&id| matches!(tokenizer.piece(id), [byte] if !byte.is_ascii())).collect()
}

#[test]
fn any_tokens_add_up_to_the_whole() {
    for (name, tokenizer) in tokenizers() {
        let bytes = byte_tokens(&tokenizer);
        assert_eq!(bytes.is_empty(), name.contains("unigram/"), "{name}");
        let any = (0..tokenizer.vocab() as u32 + 9).boxed();
        let id = if bytes.is_empty() {
            any
        } else {
            prop_oneof![any, prop::sample::select(bytes)].boxed()
        };
        let test = |ids: Vec<u32>| {
            let found = add_up(ids.iter().map(|&id| tokenizer.piece(id)));
            let whole = tokenizer.decode(&ids);
            prop_assert_eq!(found, String::from_utf8_lossy(&whole));
            Ok(())
        };
        let ids = prop::collection::vec(id, 0..40);
        TestRunner::new(Config::with_cases(500)).run(&ids, test).unwrap();
    }
}

#[test]
fn a_text_that_is_cut_anywhere_adds_up_to_the_whole() {
    let texts: Vec<String> = serde_json::from_slice(&read("corpus.json")).unwrap();
    let cuts = prop::collection::vec(1..9usize, 1..8);
    let test = |(text, cuts): (String, Vec<usize>)| {
        let (mut rest, mut parts) = (text.as_bytes(), Vec::new());
        for cut in cuts.iter().cycle() {
            let Some((part, left)) = rest.split_at_checked(*cut) else { break };
            parts.push(part);
            rest = left;
        }
        prop_assert_eq!(add_up(parts.into_iter().chain([rest])), text);
        Ok(())
    };
    let text = prop::sample::select(texts);
    TestRunner::new(Config::with_cases(1000)).run(&(text, cuts), test).unwrap();
}
