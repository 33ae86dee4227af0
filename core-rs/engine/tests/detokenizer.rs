//! Text token by token, for tokenizers of every kind.

use std::path::Path;

use tgi_engine::Detokenizer;
use tgi_model::{HubVocabulary, Tokenizer};

#[test]
fn the_tokens_of_any_text_add_up_to_the_whole() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tokenizers");
    let read = |name: &str| std::fs::read(fixtures.join(name)).unwrap();
    let texts: Vec<String> = serde_json::from_slice(&read("corpus.json")).unwrap();
    let kinds = ["llama2-like", "mistral-like", "phi3-like", "unigram", "unigram-bytes"];
    let folders = kinds.map(|kind| format!("trained/{kind}/tokenizer.json"));
    for name in folders.iter().map(String::as_str).chain(["trained/rules.json"]) {
        let hub = HubVocabulary { json: read(name), ..HubVocabulary::default() };
        let tokenizer = Tokenizer::from_hub(&hub).unwrap();
        for text in &texts {
            let ids = tokenizer.encode(text, false).unwrap();
            let (mut detokenizer, mut found) = (Detokenizer::new(), String::new());
            for &id in &ids {
                detokenizer.push(tokenizer.piece(id), &mut found);
            }
            detokenizer.flush(&mut found);
            let whole = tokenizer.decode(&ids);
            assert_eq!(found, String::from_utf8_lossy(&whole), "{name}: {text:?}");
        }
    }
}
