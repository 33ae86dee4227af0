//! Files that are no models: each is refused in one sentence.

mod support;

use std::path::Path;

use support::gguf::{F32, File, Value};
use support::tiny;
use tgi_model::Model;

fn refusal_of(bytes: &[u8]) -> String {
    let refusal = Model::from_bytes("tiny.gguf", bytes).err().unwrap().to_string();
    assert!(refusal.starts_with("Cannot open tiny.gguf: "), "{refusal}");
    assert!(refusal.contains("; ") && !refusal.contains('\n'), "{refusal}");
    refusal
}

fn assert_refused(file: &File, expected: &str) {
    let refusal = refusal_of(&file.bytes());
    assert!(refusal.contains(expected), "expected {expected:?}, found {refusal:?}");
}

/// A tiny llama, spoilt.
fn spoilt(spoil: impl FnOnce(&mut File)) -> File {
    let mut file = tiny::llama();
    spoil(&mut file);
    file
}

fn nested_arrays(depth: usize) -> Value {
    let mut bytes = Vec::new();
    for _ in 0..depth {
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    Value::Raw(9, bytes)
}

#[test]
fn another_kind_of_file_is_told_by_its_first_bytes() {
    let expected = "Cannot open tiny.gguf: it begins with PK\\x03\\x04, expected GGUF; \
                    give the path of a GGUF file";
    assert_eq!(refusal_of(b"PK\x03\x04 and so on"), expected);
    assert!(refusal_of(b"").contains("the file has 0 bytes left"));
}

#[test]
fn versions_other_than_2_and_3_are_refused() {
    let mut bytes = tiny::llama().bytes();
    bytes[4] = 2;
    assert!(Model::from_bytes("tiny.gguf", &bytes).is_ok());
    for version in [0, 1, 4] {
        bytes[4] = version;
        let expected = format!("GGUF version {version}, expected 2 or 3");
        assert!(refusal_of(&bytes).contains(&expected));
    }
}

#[test]
fn counts_are_bounded_by_the_file() {
    for (position, what) in [(8, "tensors"), (16, "metadata entries")] {
        for count in [100_000, 1 << 32, 1 << 61, u64::MAX] {
            let mut bytes = tiny::llama().bytes();
            bytes[position..position + 8].copy_from_slice(&count.to_le_bytes());
            let refusal = refusal_of(&bytes);
            assert!(refusal.contains(&format!("it declares {count} {what}")), "{refusal}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = tiny::gemma3(tiny::LAYERS).bytes();
    for length in (0..bytes.len()).step_by(11) {
        refusal_of(&bytes[..length]);
    }
}

#[test]
fn lengths_of_strings_and_arrays_are_bounded_by_the_file() {
    let long = |kind: u32, length: u64| Value::Raw(kind, length.to_le_bytes().to_vec());
    for length in [1 << 20, 1 << 40, u64::MAX] {
        let file = spoilt(|file| _ = file.set("general.name", long(8, length)));
        assert_refused(&file, &format!("takes {length} bytes"));
    }
    let array = |kind: u32, length: u64| {
        Value::Raw(9, [&kind.to_le_bytes()[..], &length.to_le_bytes()].concat())
    };
    let file = spoilt(|file| _ = file.set("general.tags", array(12, 1 << 23)));
    assert_refused(&file, "general.tags at byte");
    let file = spoilt(|file| _ = file.set("general.tags", array(0, (1 << 24) + 1)));
    assert_refused(&file, "general.tags has 16777217 elements");
    let file = spoilt(|file| _ = file.set("general.tags", array(8, u64::MAX)));
    assert_refused(&file, "general.tags has 18446744073709551615 elements");
}

#[test]
fn values_must_have_a_known_type_and_nest_little() {
    let file = spoilt(|file| _ = file.set("general.x", Value::Raw(13, vec![0; 8])));
    assert_refused(&file, "general.x has value type 13, expected 0 to 12");
    let file = spoilt(|file| _ = file.set("general.x", Value::Raw(7, vec![2])));
    assert_refused(&file, "general.x has bool 2, expected 0 or 1");
    let nested = |depth| spoilt(|file| _ = file.set("general.x", nested_arrays(depth)));
    assert!(Model::from_bytes("tiny.gguf", &nested(3).bytes()).is_ok());
    assert_refused(&nested(4), "general.x nests arrays deeper than 4");
    assert_refused(&nested(10_000), "general.x nests arrays deeper than 4");
}

#[test]
fn the_alignment_is_a_power_of_two() {
    let mut file = tiny::llama();
    file.set("general.alignment", Value::U32(32));
    assert!(Model::from_bytes("tiny.gguf", &file.bytes()).is_ok());
    for alignment in [0, 1, 4, 24, u32::MAX] {
        file.set("general.alignment", Value::U32(alignment));
        assert_refused(&file, &format!("general.alignment is {alignment}, expected a power"));
    }
    file.set("general.alignment", Value::U32(1 << 31));
    assert_refused(&file, "from byte 2147483648 + 0, the file has");
    file.set("general.alignment", Value::Bool(true));
    assert_refused(&file, "general.alignment has value type 7, expected 4 (uint32)");
}

#[test]
fn names_are_unique_and_printable() {
    let twice = Value::U32(1);
    let file = spoilt(|file| file.entries.push(("llama.block_count".to_owned(), twice)));
    assert_refused(&file, "metadata key \"llama.block_count\" is there twice");
    let file = spoilt(|file| _ = file.add("blk.0.attn_q.weight", &[32, 32], F32));
    assert_refused(&file, "tensor \"blk.0.attn_q.weight\" is there twice");
    let file = spoilt(|file| _ = file.add("blk.0.attn_q.weight\0", &[32, 32], F32));
    assert_refused(&file, "is \"blk.0.attn_q.weight\\0\", expected printable UTF-8");
    let file = spoilt(|file| _ = file.add(&"x".repeat(64), &[32, 32], F32));
    assert_refused(&file, "has 64 bytes, expected 1 to 63");
}

#[test]
fn shapes_are_checked_before_they_are_multiplied() {
    let shaped = |dims: &[u64]| {
        let dims = dims.to_vec();
        spoilt(|file| file.tensor("blk.1.ffn_up.weight").dims = dims)
    };
    assert_refused(&shaped(&[32, 2, 2, 2, 2]), "has 5 dimensions, expected 1 to 4");
    assert_refused(&shaped(&[]), "has 0 dimensions, expected 1 to 4");
    assert_refused(&shaped(&[32, 0]), "has a dimension of 0");
    assert_refused(&shaped(&[0, u64::MAX]), "has a dimension of 0");
    assert_refused(&shaped(&[33, 64]), "has rows of 33 numbers, Q8_0 needs a multiple of 32");
    assert_refused(&shaped(&[1 << 32, 1 << 32]), "multiply to more than 2^64 bytes");
    assert_refused(&shaped(&[1 << 59, 31]), "multiply to more than 2^64 bytes");
    assert_refused(&shaped(&[32, 1 << 40]), "takes 37383395344384 bytes from byte");
    assert_refused(&shaped(&[64, 32]), "has shape [32, 64], its metadata calls for [64, 32]");
}

#[test]
fn storage_types_without_a_reader_are_refused() {
    let file = spoilt(|file| file.tensor("blk.0.attn_v.weight").code = 19);
    assert_refused(&file, "tensor blk.0.attn_v.weight has storage type 19, this version reads F32");
}

#[test]
fn tensors_lie_apart_and_inside_the_file() {
    let placed = |offset| spoilt(|file| file.tensor("output_norm.weight").offset = Some(offset));
    assert_refused(&placed(0), "inside");
    assert_refused(&placed(33), "has offset 33, expected a multiple of 32");
    assert_refused(&placed(1 << 40), "tensor output_norm.weight takes 128 bytes from byte");
    assert_refused(&placed(u64::MAX - 31), "tensor output_norm.weight takes 128 bytes from byte");
}

#[test]
fn a_vocabulary_must_fit_itself_and_the_embedding() {
    let cases = [
        ("model", Value::Text("bert".to_owned()), "its tokenizer is \"bert\""),
        ("pre", Value::Text("deepseek".to_owned()), "knows gpt-2, llama-bpe, qwen2, smollm"),
        ("tokens", Value::Ints(vec![1]), "tokens has another type, expected an array of strings"),
        ("tokens", Value::Texts(vec!["a".to_owned()]), "1 tokens have 16 token types"),
        ("token_type", Value::Ints(vec![7; 16]), "token_type has 7, expected 1 to 6"),
        ("merges", Value::Texts(vec!["a z".to_owned()]), "merge \"a z\" does not join two tokens"),
        ("bos_token_id", Value::U32(16), "special token 16 is outside the vocabulary of 16"),
        ("eos_token_id", Value::U32(u32::MAX), "special token 4294967295 is outside"),
        ("add_bos_token", Value::U32(1), "add_bos_token is U32(1), expected a bool"),
    ];
    for (key, value, expected) in cases {
        assert_refused(
            &spoilt(|file| _ = file.set(&format!("tokenizer.ggml.{key}"), value)),
            expected,
        );
    }
    for key in ["model", "pre", "tokens", "merges"] {
        let key = format!("tokenizer.ggml.{key}");
        assert_refused(&spoilt(|file| _ = file.unset(&key)), &format!("{key} is missing"));
    }
    let file = spoilt(|file| {
        file.set("tokenizer.ggml.tokens", Value::Texts(vec!["a".to_owned()]));
        file.set("tokenizer.ggml.merges", Value::Texts(Vec::new()));
        file.unset("tokenizer.ggml.token_type").unset("tokenizer.ggml.eos_token_id");
    });
    assert_refused(&file, "the tokenizer has 1 tokens, the embedding 16 rows");
    let mut file = tiny::gemma3(tiny::LAYERS);
    file.set("tokenizer.ggml.unknown_token_id", Value::U32(16));
    assert_refused(&file, "special token 16 is outside");
    file.set("tokenizer.ggml.unknown_token_id", Value::U32(3));
    file.set("tokenizer.ggml.scores", Value::Floats(vec![0.0; 3]));
    assert_refused(&file, "16 tokens have 3 scores");
    file.set("tokenizer.ggml.scores", Value::Floats(vec![f32::NAN; 16]));
    assert_refused(&file, "expected an array of finite f32");
}

#[test]
fn what_is_no_regular_file_is_not_waited_for() {
    let folder = std::env::temp_dir();
    let refusal = Model::open(Path::new("/dev/null")).err().unwrap().to_string();
    assert!(refusal.contains("it is not a regular file; check the path"), "{refusal}");
    let refusal = Model::open(&folder.join("no such model.gguf")).err().unwrap().to_string();
    assert!(refusal.contains("no such model.gguf: No such file"), "{refusal}");
}
