use std::sync::Arc;

use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use tgi_model::Tokenizer;

/// Longest piece that the trie can hold, bytes. Longer tokens are left out: no grammar allows them.
const LONGEST_PIECE: usize = 1000;

/// The model's vocabulary as `llguidance` sees it.
struct Vocabulary {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

/// Builds the trie of all tokens; `None` when the model has no end-of-sequence token.
///
/// Control tokens stand under a byte that no text has, so that text is never spelled with them.
pub(super) fn token_environment(tokenizer: &Arc<Tokenizer>) -> Option<TokEnv> {
    let &end = tokenizer.eos().first()?;
    let words: Vec<Vec<u8>> = (0..tokenizer.vocab() as u32).map(|id| word(tokenizer, id)).collect();
    let info = TokRxInfo::new(words.len() as u32, end);
    let trie = TokTrie::from(&info, &words).with_eos_tokens(tokenizer.eos());
    Some(Arc::new(Vocabulary { tokenizer: Arc::clone(tokenizer), trie }))
}

fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    let piece = tokenizer.piece(id);
    let control = tokenizer.is_special(id) || tokenizer.is_eos(id);
    let marked = piece.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER);
    if piece.len() > LONGEST_PIECE || (marked && !control) {
        return Vec::new();
    }
    let marker: &[u8] = if control { &[TokTrie::SPECIAL_TOKEN_MARKER] } else { &[] };
    [marker, piece].concat()
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    /// The ids of exactly these bytes, as the tokenizer cuts them where it can.
    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| {
            match self.tokenizer.encode_inside(text) {
                Ok(ids) if self.tokenizer.decode(&ids) == text.as_bytes() => ids,
                _ => self.trie.greedy_tokenize(text.as_bytes()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> TokEnv {
        token_environment(&Arc::new(tgi_backend_scripted::tokenizer())).unwrap()
    }

    #[test]
    fn text_is_cut_as_the_tokenizer_cuts_it() {
        let environment = environment();
        let tokenizer = tgi_backend_scripted::tokenizer();
        let text = "the people of the water";
        assert_eq!(
            environment.tokenize_bytes(text.as_bytes()),
            tokenizer.encode(text, false).unwrap()
        );
    }

    #[test]
    fn the_name_of_a_control_token_is_spelled_out() {
        let environment = environment();
        let ids = environment.tokenize_bytes(b"a<eos>b");
        assert!(ids.iter().all(|&id| !environment.tok_trie().is_special_token(id)), "{ids:?}");
        assert_eq!(environment.tok_trie().decode(&ids), b"a<eos>b");
    }

    #[test]
    fn bytes_that_are_no_text_come_back() {
        let environment = environment();
        for bytes in [b"\xE6\x97".as_slice(), b"a\x80b", b"\xF0\x9F\x99"] {
            let ids = environment.tokenize_bytes(bytes);
            assert_eq!(environment.tok_trie().decode(&ids), bytes);
        }
    }
}
