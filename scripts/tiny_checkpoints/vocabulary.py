"""Tiny vocabularies: trained on a few lines, so that every merge is real."""

from dataclasses import dataclass, field

from gguf import TokenType
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

SIZE = 320
SPACE = "\u2581"
CORPUS = [
    "The capital of France is Paris, and the river that runs through the town is the Seine.",
    "A page holds thirty-two tokens; the tokens of one sequence may lie in any of the pages.",
    "There are other things in the water, and the other side of the river is not far away.",
    "Every request is answered in the order in which its tokens are computed on the machine.",
]
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass
class Vocabulary:
    """What GGUF stores of a tokenizer, and the Hugging Face tokenizer that says the same."""

    model: str
    pre: str
    tokens: list[str]
    types: list[TokenType]
    bos: int | None
    eos: int
    tokenizer: Tokenizer
    merges: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    unknown: int | None = None


def trained(trainer: trainers.BpeTrainer, cut, lines: list[str]) -> list[str]:
    """The tokens of a BPE vocabulary, in the order in which they were merged."""
    tokenizer = Tokenizer(models.BPE())
    if cut is not None:
        tokenizer.pre_tokenizer = cut
    tokenizer.train_from_iterator(lines, trainer)
    return [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])]


def merges_of(tokens: list[str], atoms: set[str]) -> list[tuple[str, str]]:
    """One merge for each token that is not an atom: its two halves by the merges before it."""
    merges: list[tuple[str, str]] = []
    for token in tokens:
        if token in atoms:
            continue
        parts = list(token)
        for left, right in merges:
            index = 0
            while index + 1 < len(parts):
                if (parts[index], parts[index + 1]) == (left, right):
                    parts[index : index + 2] = [left + right]
                index += 1
        if len(parts) != 2:
            raise ValueError(f"{token!r} is no pair: {parts}")
        merges.append((parts[0], parts[1]))
    return merges


def byte_level(pre: str, bos: str | None, eos: str) -> Vocabulary:
    """A byte-level vocabulary with GPT-2's split (`gpt-2`) or Qwen 2's (`qwen2`)."""
    special = [bos, eos] if bos else [eos]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if pre == "qwen2":
        split = pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated")
        bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        cut = pre_tokenizers.Sequence([split, bytes_only])
    else:
        cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - len(special), initial_alphabet=alphabet, show_progress=False
    )
    tokens = trained(trainer, cut, CORPUS) + special
    merges = merges_of(tokens[: SIZE - len(special)], set(alphabet))
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = cut
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return Vocabulary(
        model="gpt2",
        pre=pre,
        tokens=tokens,
        types=[TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens],
        bos=_with_bos(tokenizer, bos),
        eos=tokens.index(eos),
        tokenizer=tokenizer,
        merges=[" ".join(merge) for merge in merges],
    )


def sentence_piece() -> Vocabulary:
    """A SentencePiece vocabulary with byte fallback, as Gemma's: spaces are U+2581."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    lines = [word for line in CORPUS for word in line.replace(" ", f" {SPACE}").split(" ")]
    room = SIZE - len(special) - len(fallback)
    trainer = trainers.BpeTrainer(vocab_size=room, show_progress=False)
    pieces = trained(trainer, pre_tokenizers.WhitespaceSplit(), lines)
    merges = merges_of(pieces, {piece for piece in pieces if len(piece) == 1})
    tokens = special + fallback + pieces
    types = [TokenType.CONTROL] * 3 + [TokenType.UNKNOWN]
    types += [TokenType.BYTE] * len(fallback) + [TokenType.NORMAL] * len(pieces)
    model = models.BPE(
        {token: id for id, token in enumerate(tokens)},
        merges,
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.add_special_tokens(special)
    return Vocabulary(
        model="llama",
        pre="default",
        tokens=tokens,
        types=types,
        bos=_with_bos(tokenizer, "<bos>"),
        eos=tokens.index("<eos>"),
        tokenizer=tokenizer,
        scores=[-float(id) for id in range(len(tokens))],
        unknown=tokens.index("<unk>"),
    )


def _with_bos(tokenizer: Tokenizer, bos: str | None) -> int | None:
    if bos is None:
        return None
    id = tokenizer.token_to_id(bos)
    tokenizer.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, id)])
    return id
