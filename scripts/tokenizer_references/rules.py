"""How Hugging Face cuts a text for the models whose rule GGUF knows by a name.

Each rule is the `normalizer` and `pre_tokenizer` of a model's `tokenizer.json`. All of them are
run on one vocabulary, whose merges cross words so that every cut shows.
"""

import json

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

NFC = {"type": "NFC"}
DIGITS = {"type": "Digits", "individual_digits": True}


def split(regex: str) -> dict:
    return {
        "type": "Split",
        "pattern": {"Regex": regex},
        "behavior": "Isolated",
        "invert": False,
    }


def byte_level(use_regex: bool) -> dict:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def sequence(*parts: dict) -> dict:
    return {"type": "Sequence", "pretokenizers": list(parts)}


CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#: From the tokenizer.json of Llama 3, `{digits}` for how many of them go together.
GPT4 = (
    CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
#: From the tokenizer.json of Mistral Nemo and, with contractions, of GPT-4o.
CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+@|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*@"
    r"|\p{N}#| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK_LETTERS = (
    "[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-"
    "\u02AF\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1"
    "\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-"
    "\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15"
    "\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D"
    "\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB"
    "\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D"
    "\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183"
    "\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B"
    "\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-"
    "\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB"
    "\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943]"
)
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"

#: By the name in GGUF: normalizer and pre-tokenizer.
RULES: dict[str, tuple[dict | None, dict]] = {
    "gpt-2": (None, byte_level(True)),
    "mpt": (NFC, byte_level(True)),
    "smollm": (None, sequence(DIGITS, byte_level(True))),
    "command-r": (NFC, sequence(DIGITS, byte_level(True))),
    "llama-bpe": (None, sequence(split(GPT4.replace("{digits}", "{1,3}")), byte_level(False))),
    "dbrx": (None, sequence(split(GPT4.replace("{digits}", "{1,3}")), byte_level(False))),
    "qwen2": (NFC, sequence(split(GPT4.replace("{digits}", "")), byte_level(False))),
    "tekken": (
        None,
        sequence(split(CASED.replace("@", "").replace("#", "")), byte_level(False)),
    ),
    "gpt-4o": (
        None,
        sequence(
            split(CASED.replace("@", CONTRACTIONS + "?").replace("#", "{1,3}")), byte_level(False)
        ),
    ),
    "falcon": (
        None,
        sequence(
            {"type": "Punctuation", "behavior": "Contiguous"},
            byte_level(True),
            {"type": "Digits", "individual_digits": False},
            split("[0-9][0-9][0-9]"),
        ),
    ),
    "bloom": (None, sequence(split(BLOOM), byte_level(False))),
    "deepseek-llm": (
        None,
        sequence(
            split("[\r\n]"),
            split(rf"\s?{DEEPSEEK_LETTERS}+"),
            split("\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+"),
            split(r"\s+$"),
            split("[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+"),
            DIGITS,
            byte_level(False),
        ),
    ),
    "deepseek-coder": (
        None,
        sequence(
            split("[\r\n]"),
            split(r"\s?\p{L}+"),
            split(r"\s?\p{P}+"),
            split("[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+"),
            DIGITS,
            byte_level(False),
        ),
    ),
    "deepseek-v3": (
        None,
        sequence(
            split(r"\p{N}{1,3}"),
            split("[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+"),
            split(
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
                "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
                "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
            ),
            byte_level(False),
        ),
    ),
}


def vocabulary(corpus: list[str]) -> Tokenizer:
    """Byte-level BPE whose merges know no words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1_500,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def ruled(vocabulary: Tokenizer, rule: str) -> Tokenizer:
    """The vocabulary under a rule; where GGUF's name implies it, whole tokens come before merges."""
    data = json.loads(vocabulary.to_str())
    data["normalizer"], data["pre_tokenizer"] = RULES[rule]
    data["model"]["ignore_merges"] = rule in ("llama-bpe", "tekken")
    return Tokenizer.from_str(json.dumps(data))
