//! `tokenizer.json`, read and run by the `tokenizers` crate.

use serde_json::{Map, Value};
use tokenizers::{DecoderWrapper, ModelWrapper};

use super::TokenKind;
use crate::error::{Defect, ModelError};

/// A folder's tokenizer, as its files give it.
#[derive(Clone, Debug)]
pub(crate) struct HubVocabulary {
    /// `tokenizer.json`.
    pub json: Vec<u8>,
    /// `tokenizer_config.json`.
    pub settings: Map<String, Value>,
    /// Begin-of-sequence token by its id (`config.json`), which counts when `settings` has none.
    pub bos_id: Option<u32>,
    /// Further tokens that end a generation, by id (`generation_config.json`, `config.json`).
    pub eos_ids: Vec<u32>,
}

impl HubVocabulary {
    /// The text of a token of `settings`: itself, or the `content` of its description.
    pub fn text(&self, key: &str) -> Option<&str> {
        let value = self.settings.get(key)?;
        value.as_str().or_else(|| value.get("content")?.as_str())
    }
}

/// The crate's tokenizer.
pub(super) struct Hub {
    tokenizer: tokenizers::Tokenizer,
}

impl Hub {
    /// Reads `tokenizer.json`.
    pub fn new(json: &[u8]) -> Result<Self, Defect> {
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| Defect::damaged(format!("its tokenizer.json: {error}")))?;
        // Cutting and filling prompts is not the tokenizer's business.
        tokenizer
            .with_truncation(None)
            .map_err(|error| Defect::malformed(format!("its tokenizer.json: {error}")))?
            .with_padding(None);
        Ok(Self { tokenizer })
    }

    /// Appends the ids of a text, special tokens in it included; `add_special` puts around it what
    /// the post-processor says.
    pub fn encode(
        &self,
        text: &str,
        add_special: bool,
        ids: &mut Vec<u32>,
    ) -> Result<(), ModelError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, add_special)
            .map_err(|error| ModelError::Encode(error.to_string()))?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// A token's id.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// Whether normal tokens are written in the byte-level alphabet.
    pub fn is_byte_level(&self) -> bool {
        fn decodes_bytes(decoder: &DecoderWrapper) -> bool {
            match decoder {
                DecoderWrapper::ByteLevel(_) => true,
                DecoderWrapper::Sequence(all) => all.get_decoders().iter().any(decodes_bytes),
                _ => false,
            }
        }
        self.tokenizer.get_decoder().is_some_and(decodes_bytes)
    }

    /// The first `vocab` tokens and their kinds. Rows of the embedding without a token are unused,
    /// tokens without a row are left out.
    pub fn tokens(&self, vocab: usize) -> (Vec<String>, Vec<TokenKind>) {
        let added = self.tokenizer.get_added_tokens_decoder();
        let has_bytes = match self.tokenizer.get_model() {
            ModelWrapper::BPE(bpe) => bpe.byte_fallback,
            ModelWrapper::Unigram(unigram) => unigram.byte_fallback(),
            _ => false,
        };
        let token = |id: u32| match (added.get(&id), self.tokenizer.id_to_token(id)) {
            (Some(token), _) if token.special => (token.content.clone(), TokenKind::Control),
            (Some(token), _) => (token.content.clone(), TokenKind::UserDefined),
            (None, Some(text)) if has_bytes && is_byte(&text) => (text, TokenKind::Byte),
            (None, Some(text)) => (text, TokenKind::Normal),
            (None, None) => (String::new(), TokenKind::Unused),
        };
        (0..vocab as u32).map(token).unzip()
    }
}

/// Whether a token is written `<0x0A>`.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}
