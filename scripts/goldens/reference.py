"""What Hugging Face transformers computes for a tiny model, in f32 with eager attention."""

import torch
from tokenizers import Tokenizer
from transformers import DynamicCache, PreTrainedModel

TEXT = (
    "The other side of the river isn't 42 tokens away;\n"
    "  it's the same page, as before."
)
GREEDY_TOKENS = 12
# Rows whose logits are kept: the first, one past every window, those around a page, the last.
ROWS = [0, 19, 31, 32, -1]


def reference(model: PreTrainedModel, tokenizer: Tokenizer, one_by_one: bool) -> dict:
    """Ids of a text, logits after some of them, and a greedy continuation."""
    ids = tokenizer.encode(TEXT).ids
    logits_of = stepwise if one_by_one else at_once
    rows = [row % len(ids) for row in ROWS]
    logits = logits_of(model, ids)
    kept = [[round(value, 6) for value in logits[row].tolist()] for row in rows]
    greedy_ids, margins = [], []
    for _ in range(GREEDY_TOKENS):
        best = logits_of(model, ids + greedy_ids)[-1].topk(2)
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


def at_once(model: PreTrainedModel, ids: list[int]) -> torch.Tensor:
    """Logits after each token, `[tokens, vocabulary]`, of one pass over all."""
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def stepwise(model: PreTrainedModel, ids: list[int]) -> torch.Tensor:
    """The same, by decoding token by token."""
    cache = DynamicCache()
    rows = []
    with torch.no_grad():
        for position, id in enumerate(ids):
            place = torch.tensor([position])
            step = model(
                torch.tensor([[id]]),
                position_ids=place[None],
                cache_position=place,
                past_key_values=cache,
                use_cache=True,
            )
            rows.append(step.logits[0, -1])
    return torch.stack(rows)
