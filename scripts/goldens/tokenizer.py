"""One tiny byte-level BPE tokenizer for all goldens, with GPT-2's split."""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from configurations import VOCABULARY

SPECIAL = ["<s>", "</s>"]
CORPUS = [
    "The capital of France is Paris, and the river that runs through the town is the Seine.",
    "A page holds thirty-two tokens; the tokens of one sequence may lie in any of the pages.",
    "There are other things in the water, and the other side of the river is not far away.",
]


def build() -> Tokenizer:
    """Trains it; the special tokens are the last two of the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(SPECIAL)
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"{tokenizer.get_vocab_size()} tokens, expected {VOCABULARY}")
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
