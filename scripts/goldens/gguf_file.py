"""Writes a tiny checkpoint as GGUF too, in f32, as llama.cpp's `convert_hf_to_gguf.py` would."""

import json
import math
from pathlib import Path

import numpy
from gguf import GGUFWriter, MODEL_ARCH, MODEL_ARCH_NAMES, RopeScalingType, TokenType
from gguf import get_tensor_name_map
from transformers import PretrainedConfig, PreTrainedModel


# Architectures whose q and k GGUF stores with the rows of a head interleaved.
PERMUTED = ("granite", "llama", "mixtral", "smollm3")
# Parts of an expert, of Mixtral and of Qwen 3.
EXPERTS = {
    "w1": "gate",
    "w2": "down",
    "w3": "up",
    "gate_proj": "gate",
    "down_proj": "down",
    "up_proj": "up",
}


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
    inner = first("ffn_hidden_size", "intermediate_size", "n_inner") or 4 * hidden
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_heads(config))
    if (epsilon := first("rms_norm_eps")) is not None:
        writer.add_layer_norm_rms_eps(epsilon)
    else:
        writer.add_layer_norm_eps(first("layer_norm_epsilon", "layer_norm_eps", "norm_epsilon"))
    head_size = first("head_dim") or hidden // heads
    if (base := first("rope_theta")) is not None:
        writer.add_rope_freq_base(base)
        share = first("partial_rotary_factor", "rotary_pct") or 1.0
        writer.add_rope_dimension_count(int(head_size * share))
    if head_size * heads != hidden:
        writer.add_key_length(head_size)
        writer.add_value_length(head_size)
    if (base := first("rope_local_base_freq")) is not None:
        writer.add_rope_freq_base_swa(base)
    if (window := first("sliding_window")) is not None:
        writer.add_sliding_window(window)
    if (cap := first("attn_logit_softcapping")) is not None:
        writer.add_attn_logit_softcapping(cap)
    if (cap := first("final_logit_softcapping")) is not None:
        writer.add_final_logit_softcapping(cap)
    if (experts := first("num_local_experts", "num_experts")) is not None:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if (inner := first("moe_intermediate_size")) is not None:
        writer.add_expert_feed_forward_length(inner)
    if (is_parallel := first("use_parallel_residual")) is not None:
        writer.add_parallel_residual(is_parallel)
    if config.model_type == "granite":
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if (scaling := first("rope_scaling")) is not None:
        add_rope_scaling(writer, config, scaling)


def add_rope_scaling(writer: GGUFWriter, config: PretrainedConfig, scaling: dict) -> None:
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(RopeScalingType[kind.upper()])
        writer.add_rope_scaling_factor(scaling["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
    if kind == "longrope":
        # As `Phi3MiniModel` of llama.cpp's converter.
        original = config.original_max_position_embeddings
        stretch = config.max_position_embeddings / original
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(
            math.sqrt(1 + math.log(stretch) / math.log(original)) if stretch > 1 else 1.0
        )


def key_heads(config: PretrainedConfig) -> int:
    """Key and value heads; some configurations have a field that their model does not read."""
    if getattr(config, "multi_query", False):
        return 1
    if config.model_type in ("gpt_neox", "gpt2", "bloom"):
        return config.num_attention_heads
    return config.num_key_value_heads


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
    stacks: dict[str, list[numpy.ndarray]] = {}
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy()
        if ".experts." in name:
            layer, part = name.split(".")[2], name.split(".")[-2]
            stacks.setdefault(f"blk.{layer}.ffn_{EXPERTS[part]}_exps.weight", []).append(values)
            continue
        if (part := name.rpartition("_layernorm.norms.")[0]) != "":
            layer, kind = name.split(".")[2], part[-1]
            stacks.setdefault(f"blk.{layer}.attn_{kind}_norm.weight", []).append(values)
            continue
        # BLOOM's are listed without the prefix of its task.
        known = (names.get_name(it, try_suffixes=(".weight", ".bias")) for it in spellings(name))
        stored = next((found for found in known if found), None)
        if stored is None:
            raise ValueError(f"GGUF has no name for {name}")
        found[stored] = converted(config, name, values)
    found.update({name: numpy.stack(parts) for name, parts in stacks.items()})
    scaling = getattr(config, "rope_scaling", None)
    if scaling and scaling.get("rope_type") == "llama3":
        found["rope_freqs.weight"] = llama3_divisors(config)
    for length in ("short", "long"):
        if scaling and (factors := scaling.get(f"{length}_factor")):
            found[f"rope_factors_{length}.weight"] = numpy.array(factors)
    return found


def spellings(name: str) -> list[str]:
    return [name, name.removeprefix("transformer.")]


def converted(config: PretrainedConfig, name: str, values: numpy.ndarray) -> numpy.ndarray:
    """The form that GGUF has of a parameter."""
    kind, heads = config.model_type, config.num_attention_heads
    if kind in PERMUTED and "q_proj" in name:
        return interleaved(values, heads)
    if kind in PERMUTED and "k_proj" in name:
        return interleaved(values, config.num_key_value_heads)
    if kind.startswith("gemma") and "norm" in name:
        return values + 1
    if kind == "gpt2" and values.ndim == 2 and (".c_" in name):
        return values.T
    if kind in ("bloom", "gpt_neox") and "query_key_value" in name:
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
