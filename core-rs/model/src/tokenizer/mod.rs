//! Text to token ids and back, rebuilt from a model file's own vocabulary.
//!
//! A GGUF file has a vocabulary only (`gguf`): special tokens are cut out of a text first
//! (`special`); what is left goes through byte-level BPE (`byte_level`) or `SentencePiece` BPE
//! (`sentencepiece`); one of `SentencePiece` unigram is turned into a `tokenizer.json` (`unigram`). A
//! `tokenizer.json` is run by the `tokenizers` crate (`hub`). The way back is always a table of bytes
//! (`pieces`).

mod byte_level;
mod charsmap;
mod gguf;
mod hub;
mod hub_rules;
mod pieces;
mod pre_tokenizer;
mod rules;
mod sentencepiece;
mod special;
#[cfg(test)]
mod tests;
mod unigram;

use crate::error::{Defect, ModelError};
use byte_level::ByteLevel;
pub(crate) use gguf::from_metadata;
use hub::Hub;
pub use hub::HubVocabulary;
use hub_rules::Spelling;
use pieces::{Pieces, SPACE};
pub use pre_tokenizer::PreTokenizer;
use sentencepiece::SentencePiece;
use special::{Fragment, SpecialTokens};

/// What a token is (`tokenizer.ggml.token_type` of GGUF).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Text.
    Normal,
    /// Stands for what the vocabulary cannot write.
    Unknown,
    /// Structure, such as the start of a turn.
    Control,
    /// Text that is always one token.
    UserDefined,
    /// Never written.
    Unused,
    /// One byte, `<0x0A>`.
    Byte,
}

/// A byte-level BPE vocabulary, as GPT-2 and GGUF write it.
#[derive(Clone, Debug)]
pub struct BpeVocabulary {
    /// Tokens in the byte-level alphabet, by id.
    pub tokens: Vec<String>,
    /// Pairs to join, `"a b"`, best first.
    pub merges: Vec<String>,
    /// Kind of each token, `[tokens]`.
    pub kinds: Vec<TokenKind>,
    /// How a text is cut before merging.
    pub pre: PreTokenizer,
    /// Begin-of-sequence token.
    pub bos: Option<u32>,
    /// Tokens that end a generation.
    pub eos: Vec<u32>,
    /// Whether prompts start with `bos`.
    pub add_bos: bool,
}

/// A `SentencePiece` vocabulary whose pieces are joined best score first.
#[derive(Clone, Debug)]
pub(crate) struct ScoredVocabulary {
    /// Tokens, with U+2581 for spaces in normal ones, by id.
    pub tokens: Vec<String>,
    /// Score of each token, finite, `[tokens]`.
    pub scores: Vec<f32>,
    /// Kind of each token, `[tokens]`.
    pub kinds: Vec<TokenKind>,
    /// Begin-of-sequence token.
    pub bos: Option<u32>,
    /// Tokens that end a generation.
    pub eos: Vec<u32>,
    /// What stands for a byte that has no token.
    pub unknown: Option<u32>,
    /// Whether prompts start with `bos`.
    pub add_bos: bool,
    /// Whether a text starts with a space of its own.
    pub add_space_prefix: bool,
}

/// Text to ids and back. Shared by all threads.
pub struct Tokenizer {
    algorithm: Algorithm,
    special: SpecialTokens,
    /// Of `SentencePiece`, for a text that has U+2581 itself.
    spelled_out: Option<SpecialTokens>,
    pieces: Pieces,
    kinds: Vec<TokenKind>,
    bos: Option<u32>,
    eos: Vec<u32>,
    add_bos: bool,
}

enum Algorithm {
    ByteLevel(Box<ByteLevel>),
    SentencePiece(Box<SentencePiece>),
    Hub(Box<Hub>),
}

impl Tokenizer {
    /// Builds a byte-level BPE tokenizer.
    pub fn from_bpe(vocabulary: BpeVocabulary) -> Result<Self, ModelError> {
        Self::byte_level(vocabulary).map_err(ModelError::Vocabulary)
    }

    pub(crate) fn byte_level(vocabulary: BpeVocabulary) -> Result<Self, Defect> {
        let BpeVocabulary { tokens, merges, kinds, pre, bos, eos, add_bos } = vocabulary;
        check_sizes(tokens.len(), &kinds, bos.iter().chain(&eos))?;
        let special = SpecialTokens::new(&tokens, &kinds)?;
        let pieces = Pieces::byte_level(&tokens, &kinds)?;
        let algorithm = ByteLevel::new(tokens, &merges, &kinds, pre)?;
        let algorithm = Algorithm::ByteLevel(Box::new(algorithm));
        Ok(Self { algorithm, special, spelled_out: None, pieces, kinds, bos, eos, add_bos })
    }

    pub(crate) fn sentence_piece(vocabulary: ScoredVocabulary) -> Result<Self, Defect> {
        let ScoredVocabulary { tokens, scores, kinds, bos, eos, unknown, .. } = vocabulary;
        check_sizes(tokens.len(), &kinds, bos.iter().chain(&eos).chain(&unknown))?;
        if scores.len() != tokens.len() {
            let (scores, tokens) = (scores.len(), tokens.len());
            return Err(Defect::malformed(format!("{tokens} tokens have {scores} scores")));
        }
        let special = SpecialTokens::new(&tokens, &kinds)?;
        let spelled_out = Some(SpecialTokens::spelled_out(&tokens, &kinds)?);
        let pieces = Pieces::sentence_piece(&tokens, &kinds)?;
        let prefix = vocabulary.add_space_prefix;
        let algorithm = SentencePiece::new(tokens, scores, &kinds, unknown, prefix);
        let algorithm = Algorithm::SentencePiece(Box::new(algorithm));
        let add_bos = vocabulary.add_bos;
        Ok(Self { algorithm, special, spelled_out, pieces, kinds, bos, eos, add_bos })
    }

    /// Builds the tokenizer of a folder whose embedding has as many rows as there are tokens.
    pub fn from_hub(vocabulary: &HubVocabulary) -> Result<Self, ModelError> {
        Self::hub(vocabulary, None).map_err(ModelError::Vocabulary)
    }

    /// Builds a folder's tokenizer with `vocab` tokens; without a number, with all that it has.
    pub(crate) fn hub(vocabulary: &HubVocabulary, vocab: Option<usize>) -> Result<Self, Defect> {
        let hub = Hub::new(vocabulary, vocab)?;
        let (tokens, kinds) = hub.tokens();
        let named = |key| hub_rules::token_text(&vocabulary.settings, key);
        let bos = named("bos_token").and_then(|token| hub.id(token)).or(vocabulary.bos_id);
        let mut eos = Vec::new();
        let named_eos = named("eos_token").and_then(|token| hub.id(token));
        for id in named_eos.into_iter().chain(vocabulary.eos_ids.iter().copied()) {
            if !eos.contains(&id) {
                eos.push(id);
            }
        }
        check_sizes(tokens.len(), &kinds, bos.iter().chain(&eos))?;
        let special = SpecialTokens::new(&tokens, &kinds)?;
        let pieces = match hub.spelling() {
            Spelling::ByteLevel => Pieces::byte_level(&tokens, &kinds)?,
            Spelling::Metaspace => {
                // Unlike in a GGUF file, U+2581 is a space in all text.
                let is_text = |kind: &TokenKind| *kind == TokenKind::UserDefined;
                let spelled = |kind| if is_text(kind) { TokenKind::Normal } else { *kind };
                Pieces::sentence_piece(&tokens, &kinds.iter().map(spelled).collect::<Vec<_>>())?
            }
        };
        let algorithm = Algorithm::Hub(Box::new(hub));
        Ok(Self { algorithm, special, spelled_out: None, pieces, kinds, bos, eos, add_bos: false })
    }

    /// Ids of a text. Special tokens written out in it become those tokens; `add_special` puts the
    /// begin-of-sequence token in front where the model wants one, and an end-of-sequence token
    /// behind where a `tokenizer.json` says so.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        if let Algorithm::Hub(hub) = &self.algorithm {
            hub.encode(text, add_special, &mut ids)?;
            return Ok(ids);
        }
        if add_special && self.add_bos {
            ids.extend(self.bos);
        }
        let Some(spelled_out) = self.spelled_out.as_ref().filter(|_| text.contains(SPACE)) else {
            self.encode_fragments(text, &mut ids)?;
            return Ok(ids);
        };
        for fragment in spelled_out.split(text) {
            match fragment {
                Fragment::Token(id) => ids.push(id),
                Fragment::Text(text) => {
                    self.encode_fragments(&text.replace(SPACE, " "), &mut ids)?;
                }
            }
        }
        Ok(ids)
    }

    fn encode_fragments(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        // True at the start and after a special token, where SentencePiece may add its space.
        let mut fresh = true;
        for fragment in self.special.split(text) {
            match fragment {
                Fragment::Token(id) => ids.push(id),
                Fragment::Text(text) => self.encode_plain(text, fresh, ids)?,
            }
            fresh = matches!(fragment, Fragment::Token(_));
        }
        Ok(())
    }

    /// Ids of a text in the middle of a longer one: nothing is put in front, and the name of a
    /// control token is text like any other.
    pub fn encode_inside(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let mut ids = Vec::new();
        let spaced = self.spelled_out.as_ref().map(|_| text.replace(SPACE, " "));
        for fragment in self.special.split(spaced.as_deref().unwrap_or(text)) {
            let text = match fragment {
                Fragment::Token(id) if !self.is_special(id) => {
                    ids.push(id);
                    continue;
                }
                Fragment::Token(id) => str::from_utf8(self.piece(id)).unwrap_or_default(),
                Fragment::Text(text) => text,
            };
            self.encode_plain(text, false, &mut ids)?;
        }
        Ok(ids)
    }

    /// Appends the ids of a text without special tokens. `fresh`: it is at the start of the prompt
    /// or behind a special token.
    fn encode_plain(&self, text: &str, fresh: bool, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        match &self.algorithm {
            Algorithm::ByteLevel(bpe) => bpe.encode(text, ids)?,
            Algorithm::SentencePiece(model) => model.encode(text, fresh, ids),
            Algorithm::Hub(hub) => hub.encode_inside(text, ids)?,
        }
        Ok(())
    }

    /// The bytes of these tokens' pieces; they need not be UTF-8.
    pub fn decode(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.piece(id)).copied().collect()
    }

    /// The bytes that a token adds to the text. A control token gives its name, an id past the
    /// vocabulary nothing.
    pub fn piece(&self, id: u32) -> &[u8] {
        self.pieces.get(id)
    }

    /// Whether the token is structure, not text.
    pub fn is_special(&self, id: u32) -> bool {
        self.kinds.get(id as usize) == Some(&TokenKind::Control)
    }

    /// Whether the token ends a generation.
    pub fn is_eos(&self, id: u32) -> bool {
        self.eos.contains(&id)
    }

    /// Tokens that end a generation, the main one first.
    pub fn eos(&self) -> &[u32] {
        &self.eos
    }

    /// The begin-of-sequence token.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Number of tokens.
    pub fn vocab(&self) -> usize {
        self.kinds.len()
    }
}

fn check_sizes<'a>(
    tokens: usize,
    kinds: &[TokenKind],
    mut special: impl Iterator<Item = &'a u32>,
) -> Result<(), Defect> {
    if tokens == 0 || kinds.len() != tokens {
        let kinds = kinds.len();
        return Err(Defect::malformed(format!("{tokens} tokens have {kinds} token types")));
    }
    match special.find(|&&id| id as usize >= tokens) {
        Some(id) => Err(Defect::malformed(format!(
            "special token {id} is outside the vocabulary of {tokens} tokens"
        ))),
        None => Ok(()),
    }
}
