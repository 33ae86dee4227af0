//! Chat templates with next to no tokenizer.

use tgi_model::{BpeVocabulary, ChatTemplate, PreTokenizer, TokenKind, Tokenizer};

/// A template with the begin and end tokens of the references, `<s>` and `</s>`.
pub fn template(source: &str) -> ChatTemplate {
    let vocabulary = BpeVocabulary {
        tokens: ["<s>", "</s>"].map(str::to_owned).to_vec(),
        merges: Vec::new(),
        kinds: vec![TokenKind::Control; 2],
        pre: PreTokenizer::Gpt2,
        bos: Some(0),
        eos: vec![1],
        add_bos: true,
    };
    ChatTemplate::new(source, &Tokenizer::from_bpe(vocabulary).unwrap())
}
