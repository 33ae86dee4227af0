"""Writes a checkpoint as GGUF (the specification: ggml's docs/gguf.md)."""

from pathlib import Path

from gguf import GGUFWriter, MODEL_ARCH_NAMES, RopeScalingType
from transformers import PretrainedConfig

from checkpoints import Checkpoint, StoredTensor
from vocabulary import Vocabulary


def write(
    path: Path,
    checkpoint: Checkpoint,
    config: PretrainedConfig,
    vocabulary: Vocabulary,
    tensors: list[StoredTensor],
) -> None:
    """Writes metadata, vocabulary and tensors."""
    writer = GGUFWriter(path, MODEL_ARCH_NAMES[checkpoint.arch])
    writer.add_name(path.stem)
    add_sizes(writer, config)
    add_vocabulary(writer, vocabulary)
    for tensor in tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_sizes(writer: GGUFWriter, config: PretrainedConfig) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    head_size = getattr(config, "head_dim", None)
    if head_size:
        writer.add_key_length(head_size)
        writer.add_value_length(head_size)
    if config.rope_scaling:
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_scaling["factor"])
    # Qwen 2 has the field and does not use it.
    if config.model_type.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)


def add_vocabulary(writer: GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.scores:
        writer.add_token_scores(vocabulary.scores)
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)
    if vocabulary.bos is not None:
        writer.add_bos_token_id(vocabulary.bos)
    writer.add_eos_token_id(vocabulary.eos)
    if vocabulary.unknown is not None:
        writer.add_unk_token_id(vocabulary.unknown)
    writer.add_add_bos_token(vocabulary.bos is not None)
    writer.add_add_space_prefix(False)
