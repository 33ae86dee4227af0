//! How a text is cut before byte-level merging.

use std::sync::LazyLock;

use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{NormalizedString, Normalizer, PreTokenizedString, SplitDelimiterBehavior};

/// GPT-4's split, with up to `{1,3}` digits together, as Llama 3 has it.
const LLAMA3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// The same with single digits, as Qwen 2 has it.
const QWEN2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

static SPLIT_LLAMA3: LazyLock<Option<Split>> = LazyLock::new(|| split(LLAMA3));
static SPLIT_QWEN2: LazyLock<Option<Split>> = LazyLock::new(|| split(QWEN2));

/// A rule by the name that GGUF gives it (`tokenizer.ggml.pre`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreTokenizer {
    /// `gpt-2`: GPT-2's split (Radford et al. 2019).
    Gpt2,
    /// `smollm`: each digit alone, then GPT-2's split.
    SmolLm,
    /// `llama-bpe`: Llama 3's split.
    Llama3,
    /// `qwen2`: NFC, then Qwen 2's split.
    Qwen2,
}

/// Every rule and its name.
const NAMES: [(&str, PreTokenizer); 4] = [
    ("gpt-2", PreTokenizer::Gpt2),
    ("llama-bpe", PreTokenizer::Llama3),
    ("qwen2", PreTokenizer::Qwen2),
    ("smollm", PreTokenizer::SmolLm),
];

impl PreTokenizer {
    /// Looks a rule up by its name in GGUF.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|&(_, rule)| rule)
    }

    /// The names of all rules, for messages.
    pub fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// Cuts a text into words in the byte-level alphabet.
    pub(super) fn cut(self, text: &str) -> tokenizers::Result<PreTokenizedString> {
        let mut text = NormalizedString::from(text);
        if self == Self::Qwen2 {
            NFC.normalize(&mut text)?;
        }
        let mut words = PreTokenizedString::from(text);
        match self {
            Self::Gpt2 => apply(&byte_level(true), &mut words)?,
            Self::SmolLm => {
                apply(&Digits::new(true), &mut words)?;
                apply(&byte_level(true), &mut words)?;
            }
            Self::Llama3 => cut_by(SPLIT_LLAMA3.as_ref(), &mut words)?,
            Self::Qwen2 => cut_by(SPLIT_QWEN2.as_ref(), &mut words)?,
        }
        Ok(words)
    }
}

fn apply(
    rule: &impl tokenizers::PreTokenizer,
    words: &mut PreTokenizedString,
) -> tokenizers::Result<()> {
    rule.pre_tokenize(words)
}

fn cut_by(rule: Option<&Split>, words: &mut PreTokenizedString) -> tokenizers::Result<()> {
    let rule = rule.ok_or("its regular expression is invalid")?;
    apply(rule, words)?;
    apply(&byte_level(false), words)
}

fn byte_level(use_regex: bool) -> ByteLevel {
    ByteLevel::new(false, false, use_regex)
}

fn split(pattern: &str) -> Option<Split> {
    let pattern = SplitPattern::Regex(pattern.to_owned());
    Split::new(pattern, SplitDelimiterBehavior::Isolated, false).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::{OffsetReferential, OffsetType};

    fn words(rule: PreTokenizer, text: &str) -> Vec<String> {
        let cut = rule.cut(text).unwrap();
        let splits = cut.get_splits(OffsetReferential::Normalized, OffsetType::None);
        splits.into_iter().map(|(word, ..)| word.to_owned()).collect()
    }

    #[test]
    fn every_name_leads_to_its_rule() {
        for (name, rule) in NAMES {
            assert_eq!(PreTokenizer::from_name(name), Some(rule));
            assert!(PreTokenizer::names().contains(name));
        }
        assert_eq!(PreTokenizer::from_name("default"), None);
    }

    #[test]
    fn gpt2_keeps_digits_together_and_smollm_parts_them() {
        assert_eq!(words(PreTokenizer::Gpt2, "in 2024"), ["in", "Ġ2024"]);
        assert_eq!(words(PreTokenizer::SmolLm, "in 2024"), ["in", "Ġ", "2", "0", "2", "4"]);
    }

    #[test]
    fn llama3_parts_digits_by_three_and_qwen2_by_one() {
        assert_eq!(words(PreTokenizer::Llama3, "a 2024!"), ["a", "Ġ", "202", "4", "!"]);
        assert_eq!(words(PreTokenizer::Qwen2, "a 20!"), ["a", "Ġ", "2", "0", "!"]);
    }

    #[test]
    fn qwen2_composes_characters() {
        assert_eq!(words(PreTokenizer::Qwen2, "e\u{301}"), ["Ã©"]);
        assert_ne!(words(PreTokenizer::Llama3, "e\u{301}"), ["Ã©"]);
    }
}
