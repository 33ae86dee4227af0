"""What Hugging Face transformers computes for a checkpoint, in f32 with eager attention."""

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

TEXT = (
    "The other side of the river isn't 42 tokens away;\n"
    "  it's naïve, and the page is the same as before."
)
GREEDY_TOKENS = 16
# Rows whose logits are kept: the first, the two around a page of 32 tokens, the last.
ROWS = [0, 31, 32, -1]


def reference(model: PreTrainedModel, tokenizer: Tokenizer) -> dict:
    """Ids of a text, logits after some of them, and a greedy continuation."""
    ids = tokenizer.encode(TEXT).ids
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
        rows = [row % len(ids) for row in ROWS]
        kept = [[round(value, 6) for value in logits[row].tolist()] for row in rows]
        greedy_ids, margins = [], []
        for _ in range(GREEDY_TOKENS):
            best = model(torch.tensor([ids + greedy_ids])).logits[0, -1].topk(2)
            margins.append(round((best.values[0] - best.values[1]).item(), 5))
            greedy_ids.append(best.indices[0].item())
    return {
        "text": TEXT,
        "ids": ids,
        "logit_rows": rows,
        "logits": kept,
        "greedy_ids": greedy_ids,
        "greedy_margin": margins,
    }
