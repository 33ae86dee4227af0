//! Byte-level BPE (Radford et al. 2019), merged by the `tokenizers` crate.

use std::sync::LazyLock;

use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{OffsetReferential, OffsetType};

use super::pre_tokenizer::Cutter;
use super::{PreTokenizer, TokenKind};
use crate::error::{Defect, ModelError};

/// Merges words of the byte-level alphabet.
pub(super) struct ByteLevel {
    bpe: BPE,
    cutter: Cutter,
}

impl ByteLevel {
    /// Builds the merge table. Control and user-defined tokens are found elsewhere, and merging
    /// must not make them.
    pub fn new(
        tokens: Vec<String>,
        merges: &[String],
        kinds: &[TokenKind],
        pre: PreTokenizer,
    ) -> Result<Self, Defect> {
        let mut vocabulary = Vocab::with_capacity(tokens.len());
        for ((id, token), kind) in (0..).zip(tokens).zip(kinds) {
            if *kind == TokenKind::Normal {
                vocabulary.entry(token).or_insert(id);
            }
        }
        let merges = merges
            .iter()
            .map(|merge| parse_merge(merge, &vocabulary))
            .collect::<Result<Vec<_>, _>>()?;
        let bpe = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .ignore_merges(pre.ignores_merges())
            .build()
            .map_err(|error| Defect::malformed(format!("its merges: {error}")))?;
        Ok(Self { bpe, cutter: Cutter::new(pre)? })
    }

    /// Appends the ids of a text without special tokens.
    pub fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        let failed = |error: tokenizers::Error| ModelError::Encode(error.to_string());
        let words = self.cutter.cut(text).map_err(failed)?;
        for (word, ..) in words.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            let tokens = self.bpe.tokenize(word).map_err(failed)?;
            ids.extend(tokens.iter().map(|token| token.id));
        }
        Ok(())
    }
}

/// Parts `"a b"`. The crate takes it on trust that `a`, `b` and `ab` are tokens.
fn parse_merge(merge: &str, vocabulary: &Vocab) -> Result<(String, String), Defect> {
    let unusable = || Defect::malformed(format!("merge {merge:?} does not join two tokens to one"));
    let (left, right) = merge.split_once(' ').ok_or_else(unusable)?;
    let joined = [left, right].concat();
    if [left, right, &joined].iter().all(|&token| vocabulary.contains_key(token)) {
        return Ok((left.to_owned(), right.to_owned()));
    }
    Err(unusable())
}

/// The byte that a character of the alphabet stands for.
///
/// Printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards in their order
/// (`bytes_to_unicode` of GPT-2).
pub(super) fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0..=0xFF if is_printable(code as u8) => Some(code as u8),
        code => OTHERS.get(code.checked_sub(0x100)? as usize).copied(),
    }
}

static OTHERS: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..=u8::MAX).filter(|&byte| !is_printable(byte)).collect());

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel as Reference;

    #[test]
    fn the_alphabet_is_that_of_the_tokenizers_crate() {
        let mut bytes: Vec<u8> = Reference::alphabet().into_iter().filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
        assert_eq!(byte_of(' '), None);
        assert_eq!(byte_of('日'), None);
    }

    #[test]
    fn a_merge_must_join_two_tokens_to_a_third() {
        let tokens = ["a", "b", "ab"].map(str::to_owned);
        let build = |merge: &str| {
            let kinds = [TokenKind::Normal; 3];
            ByteLevel::new(tokens.to_vec(), &[merge.to_owned()], &kinds, PreTokenizer::Gpt2)
        };
        assert!(build("a b").is_ok());
        for merge in ["", "ab", "b a", "ab b", "a  b", "a c", " ab"] {
            let error = build(merge).err().unwrap().to_string();
            assert!(error.contains("does not join two tokens to one"), "{merge}: {error}");
        }
    }
}
