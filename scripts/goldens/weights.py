"""Random weights that make attention uneven and logits wide."""

import numpy
import torch
from transformers import PreTrainedModel

TABLES = ("embed", "wte", "lm_head", "wpe")
# Hugging Face's GPT-2 stores its matrices as [inputs, outputs].
TRANSPOSED = ("c_attn", "c_proj", "c_fc")


def fill(model: PreTrainedModel, seed: int) -> None:
    """Gives every parameter of `model` numbers of its own; the same seed gives the same ones."""
    random = numpy.random.default_rng(seed)
    is_gemma = model.config.model_type.startswith("gemma")
    is_transposed = model.config.model_type == "gpt2"
    with torch.no_grad():
        # `named_parameters` gives a tied head once, as the embedding.
        for name, parameter in model.named_parameters():
            inputs = 0 if is_transposed and any(part in name for part in TRANSPOSED) else -1
            values = draw(random, name, tuple(parameter.shape), inputs, is_gemma)
            parameter.copy_(torch.from_numpy(values))


def draw(
    random: numpy.random.Generator, name: str, shape: tuple[int, ...], inputs: int, is_gemma: bool
) -> numpy.ndarray:
    normal = random.standard_normal(shape).astype(numpy.float32)
    if name.endswith("bias"):
        return 0.2 * normal
    if len(shape) == 1:
        # Hugging Face's Gemma adds 1 to the weights of its norms.
        return 0.1 * normal - (0.2 if is_gemma else -0.8)
    gain = 0.8 if any(table in name for table in TABLES) else 1.6
    return normal * numpy.float32(gain / shape[inputs] ** 0.5)
