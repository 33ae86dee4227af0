//! A byte-level vocabulary of 512 tokens: 5 control tokens, the 256 bytes, and merges that spell
//! common words and a few characters of several bytes.

use std::collections::HashSet;

use tgi_model::{BpeVocabulary, PreTokenizer, TokenKind, Tokenizer};

/// Tokens in the vocabulary.
pub const VOCAB: usize = 512;
/// Begins a sequence.
pub const BOS: u32 = 0;
/// Ends a text.
pub const EOS: u32 = 1;
/// The step that computes it fails.
pub const FAIL: u32 = 2;
/// The step that computes it panics.
pub const PANIC: u32 = 3;
/// The step that computes it takes 50 ms longer.
pub const SLOW: u32 = 4;

/// The control tokens by id.
pub(crate) const CONTROL: [&str; 5] = ["<bos>", "<eos>", "<fail>", "<panic>", "<slow>"];

/// What the merges spell, most important first. Each word adds one token a byte at most, so that
/// those of several bytes also leave tokens that end inside a character.
const WORDS: &str = " the| of| and| to| in| is| that| it| for| was| on| are| as| with| his| they\
|é|è|ü|ö|ñ|日|本|語|🙂|the|ing|er|es|ed| at| be| this| have| from| or| had| by| word| but| what| some\
| we| can| out| other| were| all| there| when| up| use| your| how| said| an| each| she| which| do\
| their| time| if| will| way| about| many| then| them| write| would| like| so| these| her| long\
| make| thing| see| him| two| has| look| more| day| could| go| come| did| number| sound| no| most\
| people| my| over| know| water| than| call| first| who| may| down| side| been| now| find\
| any| new| work| part| take| get| place| made| live| where| after";

/// Tokens and merges in the form of a GPT-2 `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Token by id, in the byte-level alphabet; the control tokens by their names. `[VOCAB]`.
    pub tokens: Vec<String>,
    /// Merges, best first, as `left right`.
    pub merges: Vec<String>,
}

/// The id of the token that is the single byte `byte`.
pub(crate) const fn byte_id(byte: u8) -> u32 {
    CONTROL.len() as u32 + byte as u32
}

/// GPT-2's printable stand-in for a byte: itself where it prints, else the next of U+0100 on.
fn byte_char(byte: u8) -> char {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if prints(byte) {
        return byte as char;
    }
    let nth = (0..byte).filter(|&below| !prints(below)).count() as u32;
    char::from_u32(0x100 + nth).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The vocabulary's data.
pub fn vocabulary() -> Vocabulary {
    let mut tokens: Vec<String> = CONTROL.iter().map(ToString::to_string).collect();
    tokens.extend((0..=255).map(|byte| byte_char(byte).to_string()));
    let mut known: HashSet<String> = tokens.iter().cloned().collect();
    let mut merges = Vec::new();
    for word in WORDS.split('|') {
        let mut left = String::new();
        for right in word.bytes().map(byte_char) {
            let joined = format!("{left}{right}");
            if tokens.len() < VOCAB && !left.is_empty() && known.insert(joined.clone()) {
                merges.push(format!("{left} {right}"));
                tokens.push(joined.clone());
            }
            left = joined;
        }
    }
    Vocabulary { tokens, merges }
}

/// The vocabulary as a tokenizer that puts `<bos>` in front and ends at `<eos>`.
///
/// # Panics
/// Never: the vocabulary is part of the program.
pub fn tokenizer() -> Tokenizer {
    let Vocabulary { tokens, merges } = vocabulary();
    let mut kinds = vec![TokenKind::Normal; tokens.len()];
    kinds[..CONTROL.len()].fill(TokenKind::Control);
    Tokenizer::from_bpe(BpeVocabulary {
        tokens,
        merges,
        kinds,
        pre: PreTokenizer::Gpt2,
        bos: Some(BOS),
        eos: vec![EOS],
        add_bos: true,
    })
    .expect("the scripted vocabulary is valid")
}

/// The bytes that a token of [`Vocabulary::tokens`] stands for.
pub(crate) fn token_bytes(token: &str) -> Vec<u8> {
    token.chars().filter_map(|char| (0..=255).find(|&byte| byte_char(byte) == char)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_distinct_and_fill_the_vocabulary() {
        let Vocabulary { tokens, merges } = vocabulary();
        assert_eq!(tokens.len(), VOCAB);
        assert_eq!(merges.len(), VOCAB - CONTROL.len() - 256);
        assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), VOCAB);
    }

    #[test]
    fn each_merge_joins_two_tokens_into_a_third() {
        let Vocabulary { tokens, merges } = vocabulary();
        for merge in merges {
            let (left, right) = merge.split_once(' ').unwrap();
            for part in [left, right, &format!("{left}{right}")] {
                assert!(tokens.iter().any(|token| token == part), "{part}");
            }
        }
    }

    #[test]
    fn byte_tokens_stand_for_their_bytes() {
        let tokens = vocabulary().tokens;
        for byte in 0..=255 {
            assert_eq!(token_bytes(&tokens[byte_id(byte) as usize]), [byte]);
        }
        assert!(tokens.iter().any(|token| token_bytes(token) == " the".as_bytes()));
        assert!(tokens.iter().any(|token| token_bytes(token) == "日".as_bytes()));
    }

    #[test]
    fn texts_come_back_from_their_tokens() {
        let tokenizer = tokenizer();
        let text = "Say that, <fail> 日本語 of the naïve 🙂🦀\n<eos>";
        let ids = tokenizer.encode(text, true).unwrap();
        assert_eq!(ids[0], BOS);
        assert!(ids.contains(&FAIL) && tokenizer.is_eos(ids[ids.len() - 1]));
        assert!(ids.len() < text.len(), "merges apply: {ids:?}");
        let bytes: Vec<u8> = ids[1..].iter().flat_map(|&id| tokenizer.piece(id).to_vec()).collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }

    #[test]
    fn bytes_and_control_tokens_are_where_the_tokenizer_has_them() {
        let tokenizer = tokenizer();
        assert_eq!(tokenizer.vocab(), VOCAB);
        for (id, name) in (0..).zip(CONTROL) {
            assert!(tokenizer.is_special(id));
            assert_eq!(tokenizer.piece(id), name.as_bytes());
        }
        for byte in 0..=255 {
            assert_eq!(tokenizer.piece(byte_id(byte)), [byte]);
        }
    }
}
