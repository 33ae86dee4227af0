"""Tiny random checkpoints: a Hugging Face model and the same weights as GGUF tensors.

Matrices are quantized first and the Hugging Face model gets what comes back, so that both hold
the same numbers.
"""

from dataclasses import dataclass
from typing import Callable

import numpy
import torch
from gguf import GGMLQuantizationType as Type
from gguf import MODEL_ARCH, get_tensor_name_map
from gguf.quants import dequantize, quantize
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

import vocabulary
from vocabulary import Vocabulary

SHARED = {
    "vocab_size": vocabulary.SIZE,
    "hidden_size": 64,
    "intermediate_size": 96,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6,
    "attn_implementation": "eager",
    "pad_token_id": None,
}
TWO_LAYERS = {
    **SHARED,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@dataclass
class Checkpoint:
    """How one architecture is built and stored."""

    arch: MODEL_ARCH
    make: Callable[[], PreTrainedModel]
    vocabulary: Callable[[], Vocabulary]
    # Type of the matrices of the layers; embedding and head are Q8_0, vectors F32.
    layer_type: Type
    # GGUF stores q and k of llama with the rows of a head interleaved.
    interleaved: bool = False
    # GGUF stores the norm weights of Gemma as `1 + w`.
    norm_offset: float = 0.0


def llama() -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            **TWO_LAYERS,
            rope_theta=10_000.0,
            tie_word_embeddings=False,
        )
    )


def qwen2() -> PreTrainedModel:
    return Qwen2ForCausalLM(
        Qwen2Config(
            **TWO_LAYERS,
            rope_theta=1_000_000.0,
            tie_word_embeddings=True,
        )
    )


def gemma3() -> PreTrainedModel:
    """Six layers: the first five have a window, the last one sees all and scales its rope."""
    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            **SHARED,
            num_hidden_layers=6,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=32,
            query_pre_attn_scalar=32,
            sliding_window=8,
            rope_theta=1_000_000.0,
            rope_local_base_freq=10_000.0,
            rope_scaling={"rope_type": "linear", "factor": 8.0},
        )
    )


CHECKPOINTS = {
    "llama": Checkpoint(
        MODEL_ARCH.LLAMA,
        llama,
        lambda: vocabulary.byte_level("gpt-2", "<s>", "</s>"),
        Type.Q4_1,
        interleaved=True,
    ),
    "qwen2": Checkpoint(
        MODEL_ARCH.QWEN2,
        qwen2,
        lambda: vocabulary.byte_level("qwen2", None, "<|endoftext|>"),
        Type.Q8_0,
    ),
    "gemma3": Checkpoint(
        MODEL_ARCH.GEMMA3, gemma3, vocabulary.sentence_piece, Type.Q5_0, norm_offset=1.0
    ),
}


@dataclass
class StoredTensor:
    """One tensor of the GGUF file."""

    name: str
    data: numpy.ndarray
    type: Type


def build(checkpoint: Checkpoint, seed: int) -> tuple[PreTrainedModel, list[StoredTensor]]:
    """Fills a model with random weights; returns it and what its file holds."""
    model = checkpoint.make().eval()
    random = numpy.random.default_rng(seed)
    names = get_tensor_name_map(checkpoint.arch, model.config.num_hidden_layers)
    stored = []
    with torch.no_grad():
        # `named_parameters` gives a tied head once, as the embedding.
        for name, parameter in model.named_parameters():
            values = draw(random, name, tuple(parameter.shape))
            tensor = store(checkpoint, model.config, names, name, values)
            if values.ndim == 2:
                values = restored(checkpoint, model.config, name, tensor)
            parameter.copy_(torch.from_numpy(values))
            stored.append(tensor)
    return model, stored


def draw(random: numpy.random.Generator, name: str, shape: tuple[int, ...]) -> numpy.ndarray:
    """Weights large enough that logits differ widely and attention is far from uniform."""
    normal = random.standard_normal(shape).astype(numpy.float32)
    if name.endswith("bias"):
        return 0.3 * normal
    if len(shape) == 1:
        # Hugging Face's Gemma adds 1 to its norm weights; any weights near 0.6 do for all.
        return 0.6 + 0.1 * normal
    gain = 0.8 if is_table(name) else 2.0
    return normal * numpy.float32(gain / shape[1] ** 0.5)


def is_table(name: str) -> bool:
    """Whether a matrix has a row for each token."""
    return "embed_tokens" in name or "lm_head" in name


def store(checkpoint, config, names, name: str, values: numpy.ndarray) -> StoredTensor:
    """The GGUF form of a parameter."""
    stored_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
    if stored_name is None:
        raise ValueError(f"GGUF has no name for {name}")
    if values.ndim == 1:
        offset = checkpoint.norm_offset if name.endswith("weight") else 0.0
        return StoredTensor(stored_name, values + numpy.float32(offset), Type.F32)
    type = Type.Q8_0 if is_table(name) else checkpoint.layer_type
    heads = rotating_heads(checkpoint, config, name)
    if heads:
        values = interleave(values, heads)
    return StoredTensor(stored_name, quantize(values, type), type)


def restored(checkpoint, config, name: str, tensor: StoredTensor) -> numpy.ndarray:
    """What a reader gets back from a stored matrix, in Hugging Face's order of rows."""
    values = dequantize(tensor.data, tensor.type)
    heads = rotating_heads(checkpoint, config, name)
    return part(values, heads) if heads else values


def rotating_heads(checkpoint, config, name: str) -> int | None:
    """The heads of a matrix whose rows GGUF interleaves."""
    if not checkpoint.interleaved:
        return None
    by_name = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    return next((heads for part, heads in by_name.items() if part in name), None)


def interleave(rows: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows (0, n/2, 1, n/2 + 1, ..) of each head."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, 2, size // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def part(rows: numpy.ndarray, heads: int) -> numpy.ndarray:
    """The inverse of `interleave`."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, size // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)
