"""Writes a tiny checkpoint as GGUF too, in f32, as llama.cpp's `convert_hf_to_gguf.py` would."""

import json
import math
from pathlib import Path

import numpy
from gguf import GGUFWriter, MODEL_ARCH, MODEL_ARCH_NAMES, RopeScalingType, TokenType
from gguf import get_tensor_name_map
from transformers import PretrainedConfig, PreTrainedModel


def write(path: Path, arch: str, model: PreTrainedModel, tokenizer: dict) -> None:
    """Writes metadata, vocabulary and tensors."""
    config = model.config
    writer = GGUFWriter(path, arch)
    add_sizes(writer, config)
    add_vocabulary(writer, config, tokenizer)
    for name, values in tensors(arch, model).items():
        writer.add_tensor(name, numpy.ascontiguousarray(values, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_sizes(writer: GGUFWriter, config: PretrainedConfig) -> None:
    def first(*names):
        values = (getattr(config, name, None) for name in names)
        return next((value for value in values if value is not None), None)

    hidden, heads = config.hidden_size, config.num_attention_heads
    writer.add_context_length(first("max_position_embeddings", "seq_length") or 128)
    writer.add_embedding_length(hidden)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(first("intermediate_size", "n_inner") or 4 * hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(first("num_key_value_heads") or heads)
    if (epsilon := first("rms_norm_eps")) is not None:
        writer.add_layer_norm_rms_eps(epsilon)
    else:
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    head_size = first("head_dim") or hidden // heads
    if (base := first("rope_theta")) is not None:
        writer.add_rope_freq_base(base)
        writer.add_rope_dimension_count(head_size)
    if head_size * heads != hidden:
        writer.add_key_length(head_size)
        writer.add_value_length(head_size)
    if (window := first("sliding_window")) is not None:
        writer.add_sliding_window(window)
    if (cap := first("attn_logit_softcapping")) is not None:
        writer.add_attn_logit_softcapping(cap)
    if (cap := first("final_logit_softcapping")) is not None:
        writer.add_final_logit_softcapping(cap)
    if (experts := first("num_local_experts")) is not None:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    scaling = first("rope_scaling")
    if scaling and scaling["rope_type"] == "yarn":
        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])


def add_vocabulary(writer: GGUFWriter, config: PretrainedConfig, tokenizer: dict) -> None:
    special = {token["id"] for token in tokenizer["added_tokens"]}
    ids = {**tokenizer["model"]["vocab"]}
    ids.update({token["content"]: token["id"] for token in tokenizer["added_tokens"]})
    tokens = sorted(ids, key=ids.get)
    types = [TokenType.CONTROL if ids[token] in special else TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_add_bos_token(False)


def tensors(arch: str, model: PreTrainedModel) -> dict[str, numpy.ndarray]:
    """GGUF's tensors by name."""
    config = model.config
    number = next(key for key, name in MODEL_ARCH_NAMES.items() if name == arch)
    names = get_tensor_name_map(MODEL_ARCH(number), config.num_hidden_layers)
    found: dict[str, numpy.ndarray] = {}
    experts: dict[str, list[numpy.ndarray]] = {}
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy()
        if ".experts." in name:
            layer, _, rest = name.partition(".block_sparse_moe.experts.")
            part = rest.split(".")[1]
            experts.setdefault(f"{layer}.block_sparse_moe.experts.{part}.weight", []).append(values)
            continue
        # BLOOM's are listed without the prefix of its task.
        known = (names.get_name(it, try_suffixes=(".weight", ".bias")) for it in spellings(name))
        stored = next((found for found in known if found), None)
        if stored is None:
            raise ValueError(f"GGUF has no name for {name}")
        found[stored] = converted(config, name, values)
    for name, parts in experts.items():
        layer = name.split(".")[2]
        role = {"w1": "gate", "w2": "down", "w3": "up"}[name.split(".")[-2]]
        found[f"blk.{layer}.ffn_{role}_exps.weight"] = numpy.stack(parts)
    scaling = getattr(config, "rope_scaling", None)
    if scaling and scaling["rope_type"] == "llama3":
        found["rope_freqs.weight"] = llama3_divisors(config)
    return found


def spellings(name: str) -> list[str]:
    return [name, name.removeprefix("transformer.")]


def converted(config: PretrainedConfig, name: str, values: numpy.ndarray) -> numpy.ndarray:
    """The form that GGUF has of a parameter."""
    kind, heads = config.model_type, config.num_attention_heads
    if kind in ("llama", "mixtral") and "q_proj" in name:
        return interleaved(values, heads)
    if kind in ("llama", "mixtral") and "k_proj" in name:
        return interleaved(values, config.num_key_value_heads)
    if kind == "gemma2" and "norm" in name:
        return values + 1
    if kind == "gpt2" and values.ndim == 2 and (".c_" in name):
        return values.T
    if kind == "bloom" and "query_key_value" in name:
        by_head = values.reshape(heads, 3, config.hidden_size // heads, *values.shape[1:])
        return numpy.concatenate([by_head[:, part] for part in range(3)]).reshape(values.shape)
    return values


def interleaved(rows: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows (0, n/2, 1, n/2 + 1, ..) of each head."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, 2, size // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def llama3_divisors(config: PretrainedConfig) -> numpy.ndarray:
    """What each frequency is divided by (`LlamaModel.generate_extra_tensors`)."""
    scaling = config.rope_scaling
    factor, original = scaling["factor"], scaling["original_max_position_embeddings"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    divisors = []
    for pair in range(config.head_dim // 2):
        wavelength = 2 * math.pi * config.rope_theta ** (2 * pair / config.head_dim)
        kept = (original / wavelength - low) / (high - low)
        kept = min(max(kept, 0.0), 1.0)
        divisors.append(1 / ((1 - kept) / factor + kept))
    return numpy.array(divisors, dtype=numpy.float32)


def read_tokenizer(folder: Path) -> dict:
    return json.loads((folder / "tokenizer.json").read_text())
