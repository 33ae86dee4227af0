//! How a text is cut before byte-level merging, by the name that GGUF gives the rule
//! (`tokenizer.ggml.pre`).

use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    NormalizedString, Normalizer, PreTokenizedString, PreTokenizer as _, PreTokenizerWrapper,
    SplitDelimiterBehavior,
};

use super::rules::{NAMES, Step, rule};
use crate::error::Defect;

/// A rule; several names of GGUF may stand for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreTokenizer {
    /// What files get whose converter knew no rule.
    Default,
    /// GPT-2's split (Radford et al. 2019).
    Gpt2,
    /// NFC, then GPT-2's split, as GPT-NeoX has it.
    GptNeoX,
    /// Each digit alone, then GPT-2's split.
    SmolLm,
    /// NFC, each digit alone, then GPT-2's split.
    CommandR,
    /// GPT-4's split with up to three digits together; whole tokens come before merges.
    Llama3,
    /// GPT-4's split with up to three digits together.
    Gpt4,
    /// NFC, then GPT-4's split with single digits.
    Qwen2,
    /// GPT-4's split with single digits.
    StableLm2,
    /// Qwen 2's split with marks among the letters.
    Qwen35,
    /// GPT-4's split with single digits, line ends apart from symbols.
    SeedCoder,
    /// Words cut before capitals, single digits; whole tokens come before merges.
    Tekken,
    /// Words cut before capitals, up to three digits together.
    Gpt4o,
    /// Punctuation, GPT-2's split, digits by three.
    Falcon,
    /// Words with one space in front, cut at punctuation.
    Bloom,
    /// The same with single digits.
    Viking,
    /// Lines, letters, punctuation, Chinese, digits.
    DeepSeekLlm,
    /// The same with all letters and all punctuation of Unicode.
    DeepSeekCoder,
    /// Digits by three, Chinese and Japanese, then words and symbols.
    DeepSeekV3,
}

impl PreTokenizer {
    /// Looks a rule up by its name in GGUF.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|&(_, rule)| rule)
    }

    /// The names of all rules, for messages.
    pub fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// Whether a word that is a token stays whole, whatever the merges would make of it
    /// (`ignore_merges` of `tokenizer.json`).
    pub(super) fn ignores_merges(self) -> bool {
        matches!(self, Self::Llama3 | Self::Tekken)
    }
}

/// A rule, ready to cut.
pub(super) struct Cutter {
    composes: bool,
    steps: Sequence,
}

impl Cutter {
    /// Compiles a rule.
    pub fn new(pre: PreTokenizer) -> Result<Self, Defect> {
        let rule = rule(pre);
        let steps = rule.steps.iter().map(step).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { composes: rule.composes, steps: Sequence::new(steps) })
    }

    /// Cuts a text into words in the byte-level alphabet.
    pub fn cut(&self, text: &str) -> tokenizers::Result<PreTokenizedString> {
        let mut text = NormalizedString::from(text);
        if self.composes {
            NFC.normalize(&mut text)?;
        }
        let mut words = PreTokenizedString::from(text);
        self.steps.pre_tokenize(&mut words)?;
        Ok(words)
    }
}

fn step(step: &Step) -> Result<PreTokenizerWrapper, Defect> {
    Ok(match step {
        Step::Split(pattern) => {
            let pattern = SplitPattern::Regex((*pattern).to_owned());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
            split
                .map_err(|error| Defect::unsupported(format!("its pre-tokenizer: {error}")))?
                .into()
        }
        Step::Digits { alone } => Digits::new(*alone).into(),
        Step::Punctuation => Punctuation::new(SplitDelimiterBehavior::Contiguous).into(),
        Step::Gpt2 => ByteLevel::new(false, false, true).into(),
        Step::Bytes => ByteLevel::new(false, false, false).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::{OffsetReferential, OffsetType};

    fn words(rule: PreTokenizer, text: &str) -> Vec<String> {
        let cut = Cutter::new(rule).unwrap().cut(text).unwrap();
        let splits = cut.get_splits(OffsetReferential::Normalized, OffsetType::None);
        splits.into_iter().map(|(word, ..)| word.to_owned()).collect()
    }

    #[test]
    fn every_name_leads_to_its_rule() {
        for (name, rule) in NAMES {
            assert_eq!(PreTokenizer::from_name(name), Some(rule));
            assert!(PreTokenizer::names().contains(name));
        }
        assert_eq!(PreTokenizer::from_name("kimi-k2"), None);
    }

    #[test]
    fn every_rule_compiles_and_loses_nothing() {
        let text = "I'm 12345 cafés: 日本語、かな;\r\n\t x_y  HelloWorld!!";
        let expected = words(PreTokenizer::Gpt2, text).concat();
        for (name, rule) in NAMES {
            assert_eq!(words(rule, text).concat(), expected, "{name}");
        }
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

    #[test]
    fn the_default_parts_symbols_and_digits_by_three() {
        let expected = ["a", "Ġb", "++", "123", "4"];
        assert_eq!(words(PreTokenizer::Default, "a b++1234"), expected);
    }
}
