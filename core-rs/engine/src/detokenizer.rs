//! From tokens to text, one at a time, without ever cutting a character.

/// Turns the bytes of successive tokens into text.
///
/// A character whose bytes come in several tokens appears whole, with the token that completes it;
/// the tokens before add nothing. Bytes that cannot become a character any more appear as U+FFFD at
/// once, one for each maximal part, so that all text together equals
/// [`String::from_utf8_lossy`] of all bytes together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detokenizer {
    /// The start of a character; three bytes at most, with room for the next.
    pending: [u8; 4],
    length: usize,
}

impl Detokenizer {
    /// Nothing pending.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends to `text` what the token with these bytes completes.
    pub fn push(&mut self, mut bytes: &[u8], text: &mut String) {
        while self.length > 0
            && let Some((&next, rest)) = bytes.split_first()
        {
            self.pending[self.length] = next;
            let joined = self.pending;
            self.keep(decode(&joined[..=self.length], text));
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.keep(decode(bytes, text));
        }
    }

    /// Ends the text: an incomplete character appears as U+FFFD.
    pub fn flush(&mut self, text: &mut String) {
        if self.length > 0 {
            text.push(char::REPLACEMENT_CHARACTER);
            self.length = 0;
        }
    }

    fn keep(&mut self, incomplete: &[u8]) {
        self.length = incomplete.len();
        self.pending[..self.length].copy_from_slice(incomplete);
    }
}

/// Appends all characters of `bytes` to `text`, and returns the incomplete one at the end.
fn decode<'a>(mut bytes: &'a [u8], text: &mut String) -> &'a [u8] {
    loop {
        let error = match str::from_utf8(bytes) {
            Ok(valid) => {
                text.push_str(valid);
                return &[];
            }
            Err(error) => error,
        };
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        text.extend(valid.utf8_chunks().map(|chunk| chunk.valid()));
        let Some(invalid) = error.error_len() else {
            return rest;
        };
        text.push(char::REPLACEMENT_CHARACTER);
        bytes = &rest[invalid..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text that each of the tokens adds.
    fn texts<'a>(tokens: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut detokenizer = Detokenizer::new();
        let mut texts: Vec<String> = tokens
            .into_iter()
            .map(|token| {
                let mut text = String::new();
                detokenizer.push(token, &mut text);
                text
            })
            .collect();
        let mut rest = String::new();
        detokenizer.flush(&mut rest);
        texts.push(rest);
        texts
    }

    #[test]
    fn a_character_arrives_whole_with_the_token_that_completes_it() {
        let smile = "🙂".as_bytes();
        assert_eq!(
            texts([b"a".as_slice(), &smile[..1], &smile[1..3], &smile[3..], b"b"]),
            ["a", "", "", "🙂", "b", ""]
        );
        let kanji = "日本".as_bytes();
        assert_eq!(texts([&kanji[..4], &kanji[4..]]), ["日", "本", ""]);
    }

    #[test]
    fn the_parts_of_a_joined_emoji_stay_in_order() {
        let family = "👩‍👩‍👧";
        let all = texts(family.as_bytes().chunks(3)).concat();
        assert_eq!(all, family);
    }

    #[test]
    fn bytes_that_cannot_be_completed_are_replaced_at_once() {
        assert_eq!(texts([b"\xE6\x97".as_slice(), b"x"]), ["", "\u{FFFD}x", ""]);
        assert_eq!(texts([b"\xFF".as_slice(), b"\x80"]), ["\u{FFFD}", "\u{FFFD}", ""]);
        assert_eq!(texts([b"\xF0\x9F".as_slice()]), ["", "\u{FFFD}"]);
    }

    #[test]
    fn a_flushed_detokenizer_starts_anew() {
        let (mut detokenizer, mut text) = (Detokenizer::new(), String::new());
        detokenizer.push(b"\xE6", &mut text);
        detokenizer.flush(&mut text);
        detokenizer.push(b"ok", &mut text);
        assert_eq!(text, "\u{FFFD}ok");
    }

    /// Bytes that often begin, continue or break characters.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            any::<u8>(),
            0x80..=0xBFu8,
            prop::sample::select(b"a\xC3\xE0\xE6\xED\xF0\xF4\xFF".as_slice()),
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_cut_give_the_lossy_text(
            tokens in prop::collection::vec(prop::collection::vec(byte(), 0..6), 0..40),
        ) {
            let all = texts(tokens.iter().map(Vec::as_slice)).concat();
            let bytes = tokens.concat();
            prop_assert_eq!(all, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn any_text_in_any_cut_comes_back(text in "\\PC{0,40}", size in 1usize..5) {
            let all = texts(text.as_bytes().chunks(size)).concat();
            prop_assert_eq!(all, text);
        }
    }
}
