"""The tiny model of each architecture: a Hugging Face configuration and its model class.

Names are those of the folders under tests/goldens/architectures. Windows, original contexts and
layers without rope are so small that the prompt of 40 tokens meets them all.
"""

from dataclasses import dataclass, field
from typing import Any

VOCABULARY = 288
HIDDEN = 32
HEADS = 4
INTERMEDIATE = 48
SPECIAL = {"bos_token_id": 286, "eos_token_id": 287, "pad_token_id": None}


@dataclass
class Tiny:
    """How one tiny model is built."""

    config: str
    model: str
    values: dict[str, Any]
    # The greedy ids and all logits come from decoding token by token with a cache: a rope whose
    # frequencies depend on the length gives other numbers when a prompt is computed at once.
    one_by_one: bool = False
    # Of transformers' implementations of attention, the one to trust.
    attention: str = "eager"
    # GGUF's name of the architecture, where a twin in that format is written.
    gguf: str | None = None
    # What the configuration's class rejects or fills in, and real files have.
    extra: dict[str, Any] = field(default_factory=dict)
    # What transformers writes and real files leave out, of the configuration of the text.
    left_out: tuple[str, ...] = ()


def decoder(layers: int = 2, **values: Any) -> dict[str, Any]:
    """Names that most configurations share."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 2,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": 128,
        **SPECIAL,
        "tie_word_embeddings": False,
        **values,
    }


def llama(**values: Any) -> dict[str, Any]:
    return decoder(**{"rms_norm_eps": 1e-5, "head_dim": 16, **values})


def gpt(**values: Any) -> dict[str, Any]:
    """Names of GPT-2 and of what came from it."""
    return {
        "vocab_size": VOCABULARY,
        "n_positions": 128,
        "n_embd": HIDDEN,
        "n_layer": 2,
        "n_head": HEADS,
        **SPECIAL,
        "bos_token_id": 287,
        **values,
    }


def opt(**values: Any) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "ffn_dim": INTERMEDIATE,
        "max_position_embeddings": 128,
        **SPECIAL,
        **values,
    }


def bloom(hidden: int, heads: int) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": hidden,
        "n_layer": 2,
        "n_head": heads,
        **SPECIAL,
    }


LONGROPE = {
    "type": "longrope",
    "short_factor": [1.0, 1.02, 1.1, 1.3],
    "long_factor": [1.1, 1.5, 2.5, 4.0],
}

TINY: dict[str, Tiny] = {
    "llama": Tiny("LlamaConfig", "LlamaForCausalLM", llama(), gguf="llama"),
    "llama-biases": Tiny(
        "LlamaConfig",
        "LlamaForCausalLM",
        llama(attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
        gguf="llama",
    ),
    "llama-3": Tiny(
        "LlamaConfig",
        "LlamaForCausalLM",
        llama(
            rope_theta=500_000.0,
            rope_scaling={
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        ),
        gguf="llama",
    ),
    "llama-linear": Tiny(
        "LlamaConfig",
        "LlamaForCausalLM",
        llama(rope_scaling={"rope_type": "linear", "factor": 4.0}),
        gguf="llama",
    ),
    "llama-dynamic": Tiny(
        "LlamaConfig",
        "LlamaForCausalLM",
        llama(
            max_position_embeddings=16, rope_scaling={"rope_type": "dynamic", "factor": 8.0}
        ),
        one_by_one=True,
    ),
    "llama-yarn": Tiny(
        "LlamaConfig",
        "LlamaForCausalLM",
        llama(
            rope_scaling={
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 32,
            },
        ),
        gguf="llama",
    ),
    "mistral": Tiny("MistralConfig", "MistralForCausalLM", llama(sliding_window=8)),
    "smollm3": Tiny(
        "SmolLM3Config", "SmolLM3ForCausalLM", decoder(layers=3, no_rope_layers=[1, 0, 1])
    ),
    # As the models of that kind are, and as GGUF has them.
    "smollm3-interval": Tiny(
        "SmolLM3Config",
        "SmolLM3ForCausalLM",
        decoder(layers=4, no_rope_layer_interval=4, tie_word_embeddings=True),
        gguf="smollm3",
    ),
    "qwen2": Tiny(
        "Qwen2Config",
        "Qwen2ForCausalLM",
        decoder(layers=3, use_sliding_window=True, sliding_window=8, max_window_layers=1),
    ),
    "qwen2-plain": Tiny(
        "Qwen2Config", "Qwen2ForCausalLM", decoder(tie_word_embeddings=True), gguf="qwen2"
    ),
    "qwen3": Tiny(
        "Qwen3Config", "Qwen3ForCausalLM", llama(tie_word_embeddings=True), gguf="qwen3"
    ),
    "gemma": Tiny(
        "GemmaConfig",
        "GemmaForCausalLM",
        llama(
            num_key_value_heads=1,
            tie_word_embeddings=True,
            hidden_act="gelu_pytorch_tanh",
            hidden_activation="gelu_pytorch_tanh",
        ),
        gguf="gemma",
    ),
    "gemma2": Tiny(
        "Gemma2Config",
        "Gemma2ForCausalLM",
        llama(
            tie_word_embeddings=True,
            query_pre_attn_scalar=16,
            sliding_window=8,
            attn_logit_softcapping=2.0,
            final_logit_softcapping=5.0,
        ),
        gguf="gemma2",
    ),
    "gemma3": Tiny(
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        llama(
            layers=3,
            tie_word_embeddings=True,
            query_pre_attn_scalar=12,
            sliding_window=8,
            rope_theta=1_000_000.0,
            rope_scaling={"rope_type": "linear", "factor": 8.0},
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
    ),
    # With the pattern of layers that GGUF takes for granted.
    "gemma3-pattern": Tiny(
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        llama(
            layers=6,
            head_dim=8,
            tie_word_embeddings=True,
            query_pre_attn_scalar=8,
            sliding_window=8,
            rope_theta=1_000_000.0,
            rope_scaling={"rope_type": "linear", "factor": 8.0},
        ),
        gguf="gemma3",
    ),
    # The text part counts; what transformers fills in is left out of it as in the hub's files.
    "gemma3-vision": Tiny(
        "Gemma3Config",
        "Gemma3ForConditionalGeneration",
        {
            "text_config": llama(
                num_attention_heads=8,
                num_key_value_heads=4,
                head_dim=8,
                tie_word_embeddings=True,
                query_pre_attn_scalar=256,
                sliding_window=8,
                rms_norm_eps=1e-6,
                max_position_embeddings=131_072,
                rope_scaling={"rope_type": "linear", "factor": 8.0},
            ),
            "vision_config": {
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "image_size": 28,
                "patch_size": 14,
            },
            "mm_tokens_per_image": 4,
        },
        left_out=(
            "num_attention_heads",
            "num_key_value_heads",
            "query_pre_attn_scalar",
            "rms_norm_eps",
            "max_position_embeddings",
            "layer_types",
        ),
    ),
    "phi3": Tiny(
        "Phi3Config", "Phi3ForCausalLM", decoder(rms_norm_eps=1e-5, sliding_window=24), gguf="phi3"
    ),
    "phi3-longrope": Tiny(
        "Phi3Config",
        "Phi3ForCausalLM",
        decoder(
            rms_norm_eps=1e-5,
            original_max_position_embeddings=16,
            rope_scaling=LONGROPE,
        ),
        one_by_one=True,
        gguf="phi3",
    ),
    "phi4-mini": Tiny(
        "Phi3Config",
        "Phi3ForCausalLM",
        decoder(rms_norm_eps=1e-5, partial_rotary_factor=0.75, tie_word_embeddings=True),
        gguf="phi3",
    ),
    "starcoder2": Tiny(
        "Starcoder2Config",
        "Starcoder2ForCausalLM",
        decoder(sliding_window=8, tie_word_embeddings=True),
        gguf="starcoder2",
    ),
    "granite": Tiny(
        "GraniteConfig",
        "GraniteForCausalLM",
        decoder(
            rms_norm_eps=1e-5,
            embedding_multiplier=6.0,
            residual_multiplier=0.6,
            attention_multiplier=0.2,
            logits_scaling=4.0,
        ),
        gguf="granite",
    ),
    "olmo2": Tiny("Olmo2Config", "Olmo2ForCausalLM", decoder(rms_norm_eps=1e-6), gguf="olmo2"),
    "gpt2": Tiny("GPT2Config", "GPT2LMHeadModel", gpt(), gguf="gpt2"),
    "gpt_bigcode": Tiny("GPTBigCodeConfig", "GPTBigCodeForCausalLM", gpt(multi_query=True), gguf="starcoder"),
    "gpt_bigcode-heads": Tiny("GPTBigCodeConfig", "GPTBigCodeForCausalLM", gpt(multi_query=False)),
    "gpt_neox": Tiny(
        "GPTNeoXConfig",
        "GPTNeoXForCausalLM",
        decoder(rotary_pct=0.5, use_parallel_residual=True),
        gguf="gptneox",
    ),
    "gpt_neox-sequential": Tiny(
        "GPTNeoXConfig",
        "GPTNeoXForCausalLM",
        decoder(rotary_pct=0.25, use_parallel_residual=False),
        gguf="gptneox",
    ),
    "bloom": Tiny(
        "BloomConfig",
        "BloomForCausalLM",
        bloom(HIDDEN, HEADS),
        gguf="bloom",
        extra={"seq_length": 128},
    ),
    "bloom-6-heads": Tiny(
        "BloomConfig",
        "BloomForCausalLM",
        bloom(48, 6),
        gguf="bloom",
        extra={"seq_length": 128},
    ),
    "falcon": Tiny(
        "FalconConfig",
        "FalconForCausalLM",
        decoder(multi_query=True, parallel_attn=True, bias=False, tie_word_embeddings=True),
        gguf="falcon",
    ),
    "falcon-40b": Tiny(
        "FalconConfig",
        "FalconForCausalLM",
        decoder(new_decoder_architecture=True, num_kv_heads=2, bias=False),
    ),
    "falcon-alibi": Tiny(
        "FalconConfig",
        "FalconForCausalLM",
        decoder(
            alibi=True, multi_query=False, parallel_attn=False, bias=True, tie_word_embeddings=True
        ),
        # The eager one of 4.57.6 adds the biases twice: to the scores and to the mask.
        attention="sdpa",
    ),
    "opt": Tiny("OPTConfig", "OPTForCausalLM", opt(word_embed_proj_dim=HIDDEN)),
    # OPT 350M: sums are normed, and the embedding has a width of its own.
    "opt-350m": Tiny(
        "OPTConfig",
        "OPTForCausalLM",
        opt(word_embed_proj_dim=20, do_layer_norm_before=False),
    ),
    "stablelm": Tiny(
        "StableLmConfig",
        "StableLmForCausalLM",
        decoder(partial_rotary_factor=0.5, use_qkv_bias=True),
        gguf="stablelm",
    ),
    "stablelm-parallel": Tiny(
        "StableLmConfig",
        "StableLmForCausalLM",
        decoder(partial_rotary_factor=0.25, use_parallel_residual=True),
        gguf="stablelm",
    ),
    # StableLM 2 12B.
    "stablelm-12b": Tiny(
        "StableLmConfig",
        "StableLmForCausalLM",
        decoder(partial_rotary_factor=0.25, use_parallel_residual=True, qk_layernorm=True),
        gguf="stablelm",
    ),
    "mixtral": Tiny(
        "MixtralConfig",
        "MixtralForCausalLM",
        decoder(num_local_experts=4, num_experts_per_tok=2, intermediate_size=24),
        gguf="llama",
    ),
    "qwen3_moe": Tiny(
        "Qwen3MoeConfig",
        "Qwen3MoeForCausalLM",
        llama(
            num_experts=6,
            num_experts_per_tok=3,
            moe_intermediate_size=16,
            norm_topk_prob=True,
        ),
        gguf="qwen3moe",
    ),
}
