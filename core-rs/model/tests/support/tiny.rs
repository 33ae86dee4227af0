//! Tiny models, complete but for sense: 7 layers, width 32, two heads of 16, 16 tokens.

use super::gguf::{F32, File, Q8_0, Value};

pub const LAYERS: usize = 7;
pub const HIDDEN: usize = 32;
pub const INTERMEDIATE: usize = 64;
pub const VOCAB: usize = 16;

fn sizes(file: &mut File, architecture: &str, layers: usize) {
    let numbers = [
        ("block_count", layers),
        ("context_length", 128),
        ("embedding_length", HIDDEN),
        ("feed_forward_length", INTERMEDIATE),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
    ];
    file.set("general.architecture", Value::Text(architecture.to_owned()));
    for (key, number) in numbers {
        file.set(&format!("{architecture}.{key}"), Value::U32(number as u32));
    }
    let epsilon = format!("{architecture}.attention.layer_norm_rms_epsilon");
    file.set(&epsilon, Value::F32(1e-5));
}

fn tensors(file: &mut File, layers: usize) {
    file.add("token_embd.weight", &[VOCAB, HIDDEN], Q8_0);
    file.add("output_norm.weight", &[HIDDEN], F32);
    for layer in 0..layers {
        let mut add = |name: &str, shape: &[usize], code| {
            file.add(&format!("blk.{layer}.{name}.weight"), shape, code);
        };
        add("attn_norm", &[HIDDEN], F32);
        add("attn_q", &[32, HIDDEN], Q8_0);
        add("attn_k", &[16, HIDDEN], Q8_0);
        add("attn_v", &[16, HIDDEN], Q8_0);
        add("attn_output", &[HIDDEN, 32], Q8_0);
        add("ffn_norm", &[HIDDEN], F32);
        add("ffn_gate", &[INTERMEDIATE, HIDDEN], Q8_0);
        add("ffn_up", &[INTERMEDIATE, HIDDEN], Q8_0);
        add("ffn_down", &[HIDDEN, INTERMEDIATE], Q8_0);
    }
}

fn texts(texts: &[&str]) -> Value {
    Value::Texts(texts.iter().map(|&text| text.to_owned()).collect())
}

/// Byte-level BPE of `a` to `d`.
fn byte_level(file: &mut File, pre: &str) {
    let tokens = [
        "<s>", "</s>", "a", "b", "c", "d", "Ġ", "ab", "cd", "abcd", "Ġab", "Ċ", "1", "2", "é", "!",
    ];
    let mut kinds = vec![1; VOCAB];
    kinds[..2].fill(3);
    file.set("tokenizer.ggml.model", Value::Text("gpt2".to_owned()));
    file.set("tokenizer.ggml.pre", Value::Text(pre.to_owned()));
    file.set("tokenizer.ggml.tokens", texts(&tokens));
    file.set("tokenizer.ggml.token_type", Value::Ints(kinds));
    file.set("tokenizer.ggml.merges", texts(&["a b", "c d", "ab cd", "Ġ ab"]));
    file.set("tokenizer.ggml.bos_token_id", Value::U32(0));
    file.set("tokenizer.ggml.eos_token_id", Value::U32(1));
}

/// `SentencePiece` BPE of `a` and `b`, with few bytes.
fn sentence_piece(file: &mut File) {
    let tokens = [
        "<pad>", "<eos>", "<bos>", "<unk>", "▁", "a", "b", "ab", "▁ab", "<0xC3>", "<0xA9>",
        "<0x0A>", "\n\n", "ba", "aa", "bb",
    ];
    let mut kinds = vec![1; VOCAB];
    kinds[..4].copy_from_slice(&[3, 3, 3, 2]);
    kinds[9..12].fill(6);
    kinds[12] = 4;
    file.set("tokenizer.ggml.model", Value::Text("llama".to_owned()));
    file.set("tokenizer.ggml.tokens", texts(&tokens));
    file.set("tokenizer.ggml.token_type", Value::Ints(kinds));
    let scores = (0..VOCAB).map(|id| -(id as f32)).collect();
    file.set("tokenizer.ggml.scores", Value::Floats(scores));
    file.set("tokenizer.ggml.bos_token_id", Value::U32(2));
    file.set("tokenizer.ggml.eos_token_id", Value::U32(1));
    file.set("tokenizer.ggml.unknown_token_id", Value::U32(3));
    file.set("tokenizer.ggml.add_space_prefix", Value::Bool(false));
}

/// A llama with tied embeddings and a chat template.
pub fn llama() -> File {
    let mut file = File::default();
    sizes(&mut file, "llama", LAYERS);
    byte_level(&mut file, "smollm");
    let template = "{% for message in messages %}{{ message.content }}{% endfor %}";
    file.set("tokenizer.chat_template", Value::Text(template.to_owned()));
    tensors(&mut file, LAYERS);
    file
}

/// A qwen2 with a head of its own.
pub fn qwen2() -> File {
    let mut file = File::default();
    sizes(&mut file, "qwen2", LAYERS);
    byte_level(&mut file, "qwen2");
    file.set("qwen2.rope.freq_base", Value::F32(1e6));
    tensors(&mut file, LAYERS);
    file.add("output.weight", &[VOCAB, HIDDEN], Q8_0);
    for layer in 0..LAYERS {
        for (name, size) in [("attn_q", 32), ("attn_k", 16), ("attn_v", 16)] {
            file.add(&format!("blk.{layer}.{name}.bias"), &[size], F32);
        }
    }
    file
}

/// A gemma3 with a window of 8.
pub fn gemma3(layers: usize) -> File {
    let mut file = File::default();
    sizes(&mut file, "gemma3", layers);
    sentence_piece(&mut file);
    file.set("gemma3.attention.key_length", Value::U32(16));
    file.set("gemma3.attention.value_length", Value::U32(16));
    file.set("gemma3.attention.sliding_window", Value::U32(8));
    file.set("gemma3.rope.freq_base", Value::F32(1e6));
    tensors(&mut file, layers);
    for layer in 0..layers {
        for name in ["attn_q_norm", "attn_k_norm"] {
            file.add(&format!("blk.{layer}.{name}.weight"), &[16], F32);
        }
        for name in ["post_attention_norm", "post_ffw_norm"] {
            file.add(&format!("blk.{layer}.{name}.weight"), &[HIDDEN], F32);
        }
    }
    file
}
