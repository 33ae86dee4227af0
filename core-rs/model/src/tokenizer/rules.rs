//! The rules by which texts are cut, and their names in GGUF.
//!
//! A name stands for the `normalizer` and `pre_tokenizer` of a model's `tokenizer.json`, given with
//! each rule. Where that file is not public, the rule is that of llama.cpp, which gave the names
//! (`src/llama-vocab.cpp`).

use super::PreTokenizer;

/// What a rule does, in order.
pub(super) struct Rule {
    /// Whether characters are composed first (NFC).
    pub composes: bool,
    /// Cuts; one of them turns the text into the byte-level alphabet.
    pub steps: &'static [Step],
}

/// One cut; each further one cuts what the ones before left.
pub(super) enum Step {
    /// At both ends of every match.
    Split(&'static str),
    /// Around numbers, or around each digit.
    Digits {
        /// Whether each stands alone.
        alone: bool,
    },
    /// Around runs of punctuation.
    Punctuation,
    /// GPT-2's split, then the byte-level alphabet.
    Gpt2,
    /// The byte-level alphabet only.
    Bytes,
}

/// GPT-4's split with up to three digits together: Llama 3, cl100k.
const BY_THREE: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// The same with single digits: Qwen 2.
const BY_ONE: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// Qwen 3.5.
const WITH_MARKS: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|",
    r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// Seed-Coder.
const LINE_ENDS_APART: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
    r" ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// Mistral Nemo.
const TEKKEN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|",
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// GPT-4o, Llama 4.
const GPT4O: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// Bloom.
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";
/// Letters of the European scripts, `DeepSeek` LLM.
const DEEPSEEK_LETTERS: &str = "\\s?[A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\
     \u{295}-\u{2AF}\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\
     \u{38C}\u{38E}-\u{3A1}\u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}\
     \u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}\
     \u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\
     \u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\
     \u{1F7D}\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\
     \u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\
     \u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\u{2126}\u{2128}\
     \u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\
     \u{2183}\u{2184}\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\
     \u{A640}-\u{A66D}\u{A680}-\u{A69B}\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}\
     \u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\
     \u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\
     \u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}]+";
/// Punctuation, `DeepSeek` LLM.
const DEEPSEEK_PUNCTUATION: &str =
    "\\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]+";
/// East Asian scripts, `DeepSeek` LLM and Coder.
const DEEPSEEK_ASIAN: &str = "[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+";
/// Chinese and Japanese, `DeepSeek` V3.
const DEEPSEEK_V3_ASIAN: &str = "[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+";
/// Words and symbols, `DeepSeek` V3.
const DEEPSEEK_V3_WORDS: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// What a rule does.
pub(super) fn rule(pre: PreTokenizer) -> Rule {
    let composes =
        matches!(pre, PreTokenizer::GptNeoX | PreTokenizer::CommandR | PreTokenizer::Qwen2);
    Rule { composes, steps: steps(pre) }
}

fn steps(pre: PreTokenizer) -> &'static [Step] {
    match pre {
        PreTokenizer::Default => &[
            Step::Split(r"[\p{P}\$\+<=>\^~\|]+"),
            Step::Split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"),
            Step::Split(r"\p{N}+"),
            Step::Split("[0-9][0-9][0-9]"),
            Step::Bytes,
        ],
        PreTokenizer::Gpt2 | PreTokenizer::GptNeoX => &[Step::Gpt2],
        PreTokenizer::SmolLm | PreTokenizer::CommandR => {
            &[Step::Digits { alone: true }, Step::Gpt2]
        }
        PreTokenizer::Llama3 | PreTokenizer::Gpt4 => &[Step::Split(BY_THREE), Step::Bytes],
        PreTokenizer::Qwen2 | PreTokenizer::StableLm2 => &[Step::Split(BY_ONE), Step::Bytes],
        PreTokenizer::Qwen35 => &[Step::Split(WITH_MARKS), Step::Bytes],
        PreTokenizer::SeedCoder => &[Step::Split(LINE_ENDS_APART), Step::Bytes],
        PreTokenizer::Tekken => &[Step::Split(TEKKEN), Step::Bytes],
        PreTokenizer::Gpt4o => &[Step::Split(GPT4O), Step::Bytes],
        // The digits are parted in the byte-level alphabet, as the model's own file has it.
        PreTokenizer::Falcon => &[
            Step::Punctuation,
            Step::Gpt2,
            Step::Digits { alone: false },
            Step::Split("[0-9][0-9][0-9]"),
        ],
        PreTokenizer::Bloom => &[Step::Split(BLOOM), Step::Bytes],
        PreTokenizer::Viking => &[Step::Split(BLOOM), Step::Digits { alone: true }, Step::Bytes],
        PreTokenizer::DeepSeekLlm => &[
            Step::Split("[\r\n]"),
            Step::Split(DEEPSEEK_LETTERS),
            Step::Split(DEEPSEEK_PUNCTUATION),
            Step::Split(r"\s+$"),
            Step::Split(DEEPSEEK_ASIAN),
            Step::Digits { alone: true },
            Step::Bytes,
        ],
        PreTokenizer::DeepSeekCoder => &[
            Step::Split("[\r\n]"),
            Step::Split(r"\s?\p{L}+"),
            Step::Split(r"\s?\p{P}+"),
            Step::Split(DEEPSEEK_ASIAN),
            Step::Digits { alone: true },
            Step::Bytes,
        ],
        PreTokenizer::DeepSeekV3 => &[
            Step::Split(r"\p{N}{1,3}"),
            Step::Split(DEEPSEEK_V3_ASIAN),
            Step::Split(DEEPSEEK_V3_WORDS),
            Step::Bytes,
        ],
    }
}

/// Every name and its rule.
pub(super) const NAMES: [(&str, PreTokenizer); 47] = [
    ("bloom", PreTokenizer::Bloom),
    ("chatglm-bpe", PreTokenizer::Gpt4),
    ("codeshell", PreTokenizer::SmolLm),
    ("command-r", PreTokenizer::CommandR),
    ("dbrx", PreTokenizer::Gpt4),
    ("deepseek-coder", PreTokenizer::DeepSeekCoder),
    ("deepseek-llm", PreTokenizer::DeepSeekLlm),
    ("deepseek-r1-qwen", PreTokenizer::StableLm2),
    ("deepseek-v3", PreTokenizer::DeepSeekV3),
    ("default", PreTokenizer::Default),
    ("exaone", PreTokenizer::SmolLm),
    ("exaone4", PreTokenizer::Gpt2),
    ("falcon", PreTokenizer::Falcon),
    ("falcon3", PreTokenizer::Llama3),
    ("gigachat", PreTokenizer::Gpt2),
    ("glm4", PreTokenizer::Gpt4),
    ("gpt-2", PreTokenizer::Gpt2),
    ("gpt-4o", PreTokenizer::Gpt4o),
    ("gpt3-finnish", PreTokenizer::Bloom),
    ("grok-2", PreTokenizer::StableLm2),
    ("hunyuan", PreTokenizer::StableLm2),
    ("hunyuan-dense", PreTokenizer::DeepSeekV3),
    ("jais", PreTokenizer::Gpt2),
    ("lfm2", PreTokenizer::Llama3),
    ("llama-bpe", PreTokenizer::Llama3),
    ("llama-v3", PreTokenizer::Llama3),
    ("llama3", PreTokenizer::Llama3),
    ("llama4", PreTokenizer::Gpt4o),
    ("megrez", PreTokenizer::Qwen2),
    ("mellum", PreTokenizer::Gpt2),
    ("minerva-7b", PreTokenizer::SmolLm),
    ("minimax-m2", PreTokenizer::Gpt4o),
    ("mpt", PreTokenizer::GptNeoX),
    ("olmo", PreTokenizer::GptNeoX),
    ("phi-2", PreTokenizer::Gpt2),
    ("poro-chat", PreTokenizer::Bloom),
    ("qwen2", PreTokenizer::Qwen2),
    ("qwen35", PreTokenizer::Qwen35),
    ("refact", PreTokenizer::SmolLm),
    ("seed-coder", PreTokenizer::SeedCoder),
    ("smaug-bpe", PreTokenizer::Gpt4),
    ("smollm", PreTokenizer::SmolLm),
    ("stablelm2", PreTokenizer::StableLm2),
    ("starcoder", PreTokenizer::SmolLm),
    ("tekken", PreTokenizer::Tekken),
    ("trillion", PreTokenizer::Gpt2),
    ("viking", PreTokenizer::Viking),
];
