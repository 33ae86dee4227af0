//! Both kinds of tokenizer through the public functions.

use proptest::prelude::*;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::*;

/// All 256 bytes, three merges, two control tokens and a user-defined one.
fn bpe(pre: PreTokenizer) -> Tokenizer {
    let mut tokens: Vec<String> = ByteLevel::alphabet().into_iter().map(String::from).collect();
    tokens.sort_unstable();
    tokens.extend(["ab", "Ġab", "Ãī", "<s>", "</s>", "  "].map(str::to_owned));
    let mut kinds = vec![TokenKind::Normal; tokens.len()];
    kinds[259..261].fill(TokenKind::Control);
    kinds[261] = TokenKind::UserDefined;
    let merges = ["a b", "Ġ ab", "Ã ī"].map(str::to_owned).to_vec();
    let vocabulary =
        BpeVocabulary { tokens, merges, kinds, pre, bos: Some(259), eos: vec![260], add_bos: true };
    Tokenizer::from_bpe(vocabulary).unwrap()
}

/// All 256 bytes, some pieces, two control tokens and a user-defined one.
fn scored(add_space_prefix: bool) -> Tokenizer {
    let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>")).collect();
    let pieces = ["▁", "a", "b", "▁a", "ab", "▁ab", "é", "日", "日本"];
    tokens.extend(pieces.map(str::to_owned));
    tokens.extend(["<bos>", "<eos>", "\n\n"].map(str::to_owned));
    let mut kinds = vec![TokenKind::Normal; tokens.len()];
    kinds[..256].fill(TokenKind::Byte);
    kinds[265..267].fill(TokenKind::Control);
    kinds[267] = TokenKind::UserDefined;
    let scores = (0..tokens.len()).map(|id| -(id as f32)).collect();
    let vocabulary = ScoredVocabulary {
        tokens,
        scores,
        kinds,
        bos: Some(265),
        eos: vec![266],
        unknown: None,
        add_bos: true,
        add_space_prefix,
    };
    Tokenizer::sentence_piece(vocabulary).unwrap()
}

fn written(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let ids = tokenizer.encode(text, false).unwrap();
    ids.iter().map(|&id| String::from_utf8_lossy(tokenizer.piece(id)).into_owned()).collect()
}

#[test]
fn the_begin_token_comes_only_where_it_is_asked_for() {
    for (tokenizer, bos) in [(bpe(PreTokenizer::Gpt2), 259), (scored(false), 265)] {
        let with = tokenizer.encode("ab", true).unwrap();
        let without = tokenizer.encode("ab", false).unwrap();
        assert_eq!((with[0], &with[1..]), (bos, without.as_slice()));
        assert_eq!(tokenizer.encode("", true).unwrap(), [bos]);
        assert!(tokenizer.encode("", false).unwrap().is_empty());
    }
}

#[test]
fn a_tokenizer_knows_its_structure() {
    let tokenizer = bpe(PreTokenizer::Gpt2);
    assert_eq!((tokenizer.vocab(), tokenizer.bos(), tokenizer.eos()), (262, Some(259), &[260][..]));
    assert!(tokenizer.is_special(259) && tokenizer.is_special(260));
    assert!(!tokenizer.is_special(261) && !tokenizer.is_special(0) && !tokenizer.is_special(999));
    assert!(tokenizer.is_eos(260) && !tokenizer.is_eos(259));
    assert_eq!(tokenizer.piece(260), b"</s>");
    assert_eq!(tokenizer.piece(262), b"");
}

#[test]
fn merges_are_applied_best_first() {
    let tokenizer = bpe(PreTokenizer::SmolLm);
    assert_eq!(written(&tokenizer, "ab ab12É"), ["ab", " ab", "1", "2", "É"]);
}

#[test]
fn special_text_in_a_prompt_is_parsed() {
    let tokenizer = bpe(PreTokenizer::Gpt2);
    assert_eq!(written(&tokenizer, "a</s>  b"), ["a", "</s>", "  ", "b"]);
    assert_eq!(written(&scored(false), "<bos>a\n\n\n"), ["<bos>", "a", "\n\n", "\n"]);
}

#[test]
fn the_best_scored_pair_is_joined_first() {
    let tokenizer = scored(false);
    // "▁a" scores better than "ab", and then "▁ab" is a piece of its own.
    assert_eq!(written(&tokenizer, " ab"), [" ab"]);
    assert_eq!(written(&tokenizer, "bab"), ["b", "ab"]);
    assert_eq!(written(&tokenizer, "日本日é"), ["日本", "日", "é"]);
}

#[test]
fn a_character_without_a_piece_falls_back_to_bytes() {
    let ids = scored(false).encode("ü€", false).unwrap();
    assert_eq!(ids, [0xC3, 0xBC, 0xE2, 0x82, 0xAC]);
}

#[test]
fn a_space_prefix_stands_at_the_start_and_behind_special_tokens() {
    let tokenizer = scored(true);
    assert_eq!(written(&tokenizer, "ab"), [" ab"]);
    assert_eq!(written(&tokenizer, "ab<eos>ab"), [" ab", "<eos>", " ab"]);
    assert_eq!(written(&scored(false), "ab<eos>ab"), ["ab", "<eos>", "ab"]);
}

#[test]
fn a_vocabulary_that_contradicts_itself_is_refused() {
    let vocabulary = |kinds, eos| BpeVocabulary {
        tokens: vec!["a".to_owned()],
        merges: Vec::new(),
        kinds,
        pre: PreTokenizer::Gpt2,
        bos: None,
        eos,
        add_bos: false,
    };
    let refusal = |kinds, eos| Tokenizer::from_bpe(vocabulary(kinds, eos)).err().unwrap();
    let error = refusal(Vec::new(), Vec::new()).to_string();
    assert!(error.starts_with("Cannot build the tokenizer: 1 tokens have 0 token types"));
    let error = refusal(vec![TokenKind::Normal], vec![1]).to_string();
    assert!(error.contains("special token 1 is outside the vocabulary of 1 tokens"));
}

/// Text that is likely to hit merges, specials and boundaries.
fn text() -> impl Strategy<Value = String> {
    let words = ["ab", " ab", "  ", "<s>", "</s>", "<bos>", "\n", "\n\n", "日本", "é", "12", "'s"];
    let part = prop_oneof![prop::sample::select(words.to_vec()).prop_map(str::to_owned), ".{0,4}"];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn byte_level_text_comes_back(text in text()) {
        for pre in [PreTokenizer::Gpt2, PreTokenizer::SmolLm, PreTokenizer::Llama3] {
            let tokenizer = bpe(pre);
            let ids = tokenizer.encode(&text, false).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids), text.as_bytes());
        }
    }

    #[test]
    fn sentence_piece_text_comes_back(text in text()) {
        // SentencePiece writes a space as this character and cannot tell the two apart.
        let text = text.replace(pieces::SPACE, " ");
        let tokenizer = scored(false);
        let ids = tokenizer.encode(&text, false).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids), text.as_bytes());
    }
}
