//! The bytes of every token, in one table built at load.

use super::TokenKind;
use super::byte_level::byte_of;
use crate::error::Defect;

/// What `SentencePiece` writes for a space.
pub(super) const SPACE: char = '\u{2581}';

/// All pieces, one behind the other.
pub(super) struct Pieces {
    bytes: Vec<u8>,
    /// Where each piece ends in `bytes`.
    ends: Vec<u32>,
}

impl Pieces {
    /// Pieces of a byte-level vocabulary: each character of a normal token is one byte.
    pub fn byte_level(tokens: &[String], kinds: &[TokenKind]) -> Result<Self, Defect> {
        Self::collect(tokens, kinds, |token, kind, bytes| match kind {
            TokenKind::Normal => {
                for character in token.chars() {
                    match byte_of(character) {
                        Some(byte) => bytes.push(byte),
                        None => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
                    }
                }
            }
            _ => bytes.extend(token.bytes()),
        })
    }

    /// Pieces of a `SentencePiece` vocabulary: U+2581 is a space, `<0x0A>` a byte.
    pub fn sentence_piece(tokens: &[String], kinds: &[TokenKind]) -> Result<Self, Defect> {
        Self::collect(tokens, kinds, |token, kind, bytes| match (kind, byte_token(token)) {
            (TokenKind::Byte, Some(byte)) => bytes.push(byte),
            (TokenKind::Normal, _) => {
                let mut parts = token.split(SPACE);
                bytes.extend(parts.next().unwrap_or_default().bytes());
                for part in parts {
                    bytes.push(b' ');
                    bytes.extend(part.bytes());
                }
            }
            _ => bytes.extend(token.bytes()),
        })
    }

    fn collect(
        tokens: &[String],
        kinds: &[TokenKind],
        append: impl Fn(&str, TokenKind, &mut Vec<u8>),
    ) -> Result<Self, Defect> {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(tokens.len());
        for (token, &kind) in tokens.iter().zip(kinds) {
            append(token, kind, &mut bytes);
            let end = u32::try_from(bytes.len())
                .map_err(|_| Defect::malformed("its vocabulary is larger than 4 GiB"))?;
            ends.push(end);
        }
        Ok(Self { bytes, ends })
    }

    /// A piece; empty past the vocabulary.
    pub fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start as usize..end as usize]
    }
}

/// The byte of a token such as `<0x0A>`.
pub(super) fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(tokens: &[&str]) -> Vec<String> {
        tokens.iter().map(|&token| token.to_owned()).collect()
    }

    #[test]
    fn byte_level_pieces_are_bytes() {
        let tokens = owned(&["Ġthe", "Ã", "<|end|>", "日"]);
        let kinds = [TokenKind::Normal, TokenKind::Normal, TokenKind::Control, TokenKind::Normal];
        let pieces = Pieces::byte_level(&tokens, &kinds).unwrap();
        assert_eq!(pieces.get(0), b" the");
        assert_eq!(pieces.get(1), [0xC3]);
        assert_eq!(pieces.get(2), b"<|end|>");
        assert_eq!(pieces.get(3), "日".as_bytes());
        assert_eq!(pieces.get(4), b"");
        assert_eq!(pieces.get(u32::MAX), b"");
    }

    #[test]
    fn sentence_pieces_have_spaces_and_bytes() {
        let tokens = owned(&["▁a▁", "<0xE2>", "▁", "<0xE2>", "<0xZZ>"]);
        let kinds = [
            TokenKind::Normal,
            TokenKind::Byte,
            TokenKind::UserDefined,
            TokenKind::Normal,
            TokenKind::Byte,
        ];
        let pieces = Pieces::sentence_piece(&tokens, &kinds).unwrap();
        assert_eq!(pieces.get(0), b" a ");
        assert_eq!(pieces.get(1), [0xE2]);
        assert_eq!(pieces.get(2), "▁".as_bytes());
        assert_eq!(pieces.get(3), b"<0xE2>");
        assert_eq!(pieces.get(4), b"<0xZZ>");
    }
}
