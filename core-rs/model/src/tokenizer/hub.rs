//! `tokenizer.json`, read and run by the `tokenizers` crate as Hugging Face's fast tokenizers run
//! it.

use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::{
    AddedToken, ModelWrapper, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential,
    OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
};

use super::hub_rules::{Ends, Spelling, spelling, without_prefix};
use super::pieces::byte_token;
use super::{TokenKind, charsmap, hub_rules};
use crate::error::{Defect, ModelError};

/// A folder's tokenizer, as its files give it.
#[derive(Clone, Debug, Default)]
pub struct HubVocabulary {
    /// `tokenizer.json`.
    pub json: Vec<u8>,
    /// `tokenizer_config.json`.
    pub settings: Map<String, Value>,
    /// Begin-of-sequence token by its id (`config.json`), which counts when `settings` has none.
    pub bos_id: Option<u32>,
    /// Further tokens that end a generation, by id (`generation_config.json`, `config.json`).
    pub eos_ids: Vec<u32>,
}

/// The crate's tokenizer.
pub(super) struct Hub {
    tokenizer: tokenizers::Tokenizer,
    /// What a text in the middle of a longer one goes through: nothing is put in front.
    inside: (Option<NormalizerWrapper>, Option<PreTokenizerWrapper>),
    /// What stands around a prompt; without it the post-processor says so.
    ends: Option<Ends>,
    spelling: Spelling,
    /// Rows of the embedding.
    vocab: usize,
}

/// The parts of `tokenizer.json` that are read as data.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
}

impl Hub {
    /// Reads `tokenizer.json` with what `tokenizer_config.json` changes in it. `vocab` is the
    /// number of rows in the embedding; without one all tokens have a row.
    pub fn new(vocabulary: &HubVocabulary, vocab: Option<usize>) -> Result<Self, Defect> {
        let HubVocabulary { json, settings, .. } = vocabulary;
        let damaged =
            |error: &dyn std::fmt::Display| Defect::damaged(format!("tokenizer.json: {error}"));
        let parts: Parts = serde_json::from_slice(json).map_err(|error| damaged(&error))?;
        let spelling = spelling(&parts.decoder)?;
        check_tables(&parts.normalizer)?;
        let mut tokenizer =
            tokenizers::Tokenizer::from_bytes(json).map_err(|error| damaged(&error))?;
        check_model(tokenizer.get_model())?;
        // Cutting and filling prompts is not the tokenizer's business.
        tokenizer.with_truncation(None).map_err(|error| damaged(&error))?.with_padding(None);
        let pre_tokenizer = hub_rules::with_prefix_setting(parts.pre_tokenizer, settings);
        let read = |value: Value| serde_json::from_value(value).map_err(|error| damaged(&error));
        let pre: Option<PreTokenizerWrapper> = read(pre_tokenizer.clone())?;
        tokenizer.with_pre_tokenizer(pre);
        tokenizer.add_tokens(added_tokens(settings)?).map_err(|error| damaged(&error))?;
        let inside_normalizer = without_prefix(parts.normalizer);
        let inside = (
            serde_json::from_value(inside_normalizer).map_err(|error| damaged(&error))?,
            read(without_prefix(pre_tokenizer))?,
        );
        let ends = Ends::of_class(settings, |token| tokenizer.token_to_id(token))?;
        let vocab = vocab.unwrap_or_else(|| size(&tokenizer));
        Ok(Self { tokenizer, inside, ends, spelling, vocab })
    }

    /// Appends the ids of a text, special tokens in it included; `add_special` puts around it what
    /// the model wants.
    pub fn encode(
        &self,
        text: &str,
        add_special: bool,
        ids: &mut Vec<u32>,
    ) -> Result<(), ModelError> {
        let by_processor = add_special && self.ends.is_none();
        let encoding = self.tokenizer.encode_fast(text, by_processor).map_err(failed)?;
        let ends = self.ends.as_ref().filter(|_| add_special);
        ids.extend(ends.and_then(|ends| ends.before));
        for &id in encoding.get_ids() {
            ids.push(self.checked(id)?);
        }
        ids.extend(ends.and_then(|ends| ends.after));
        Ok(())
    }

    /// Appends the ids of a text without special tokens in the middle of a longer one.
    pub fn encode_inside(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        let (normalizer, pre_tokenizer) = &self.inside;
        let mut text = NormalizedString::from(text);
        if let Some(normalizer) = normalizer {
            normalizer.normalize(&mut text).map_err(failed)?;
        }
        let mut words = PreTokenizedString::from(text);
        if let Some(pre_tokenizer) = pre_tokenizer {
            pre_tokenizer.pre_tokenize(&mut words).map_err(failed)?;
        }
        for (word, ..) in words.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            let tokens = tokenizers::Model::tokenize(self.tokenizer.get_model(), word);
            for token in tokens.map_err(failed)? {
                ids.push(self.checked(token.id)?);
            }
        }
        Ok(())
    }

    /// A token for which the embedding has a row.
    fn checked(&self, id: u32) -> Result<u32, ModelError> {
        if (id as usize) < self.vocab {
            return Ok(id);
        }
        let token = self.tokenizer.id_to_token(id).unwrap_or_default();
        Err(ModelError::Encode(format!(
            "it has token {id}, {token:?}, the model knows {} tokens",
            self.vocab
        )))
    }

    /// A token's id.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token).filter(|&id| (id as usize) < self.vocab)
    }

    /// How normal tokens are written.
    pub fn spelling(&self) -> Spelling {
        self.spelling
    }

    /// The token of every row of the embedding and its kind. Rows without a token are unused,
    /// tokens without a row are left out.
    pub fn tokens(&self) -> (Vec<String>, Vec<TokenKind>) {
        let added = self.tokenizer.get_added_tokens_decoder();
        let has_bytes = match self.tokenizer.get_model() {
            ModelWrapper::BPE(bpe) => bpe.byte_fallback,
            ModelWrapper::Unigram(unigram) => unigram.byte_fallback(),
            _ => false,
        };
        let token = |id: u32| match (added.get(&id), self.tokenizer.id_to_token(id)) {
            (Some(token), _) if token.special => (token.content.clone(), TokenKind::Control),
            (Some(token), _) => (token.content.clone(), TokenKind::UserDefined),
            (None, Some(text)) if has_bytes && byte_token(&text).is_some() => {
                (text, TokenKind::Byte)
            }
            (None, Some(text)) => (text, TokenKind::Normal),
            (None, None) => (String::new(), TokenKind::Unused),
        };
        (0..self.vocab as u32).map(token).unzip()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn failed(error: tokenizers::Error) -> ModelError {
    ModelError::Encode(error.to_string())
}

/// Checks every table of a normalizer, before the crate reads it.
fn check_tables(normalizer: &Value) -> Result<(), Defect> {
    for part in normalizer["normalizers"].as_array().into_iter().flatten() {
        check_tables(part)?;
    }
    let Some(table) = normalizer["precompiled_charsmap"].as_str() else { return Ok(()) };
    let damaged = |_| Defect::damaged("its precompiled_charsmap is no base64");
    charsmap::check(&base64::decode(table).map_err(damaged)?)
}

fn check_model(model: &ModelWrapper) -> Result<(), Defect> {
    let name = match model {
        ModelWrapper::BPE(_) | ModelWrapper::Unigram(_) => return Ok(()),
        ModelWrapper::WordPiece(_) => "WordPiece",
        ModelWrapper::WordLevel(_) => "WordLevel",
    };
    Err(Defect::unsupported(format!(
        "its tokenizer.json has a {name} model, this version knows BPE and Unigram"
    )))
}

/// One past the largest id.
fn size(tokenizer: &tokenizers::Tokenizer) -> usize {
    let largest = tokenizer.get_vocab(true).into_values().max();
    largest.map_or(0, |id| id as usize + 1)
}

/// `added_tokens_decoder` in the order of its ids: it completes and overrules `tokenizer.json`
/// (`PreTrainedTokenizerFast.__init__` of transformers).
fn added_tokens(settings: &Map<String, Value>) -> Result<Vec<AddedToken>, Defect> {
    let Some(Value::Object(tokens)) = settings.get("added_tokens_decoder") else {
        return Ok(Vec::new());
    };
    let mut tokens = tokens
        .iter()
        .map(|(id, token)| Some((id.parse::<u32>().ok()?, hub_rules::added_token(token)?)))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Defect::malformed("tokenizer_config.json: its added_tokens_decoder"))?;
    tokens.sort_by_key(|&(id, _)| id);
    Ok(tokens.into_iter().map(|(_, token)| token).collect())
}
