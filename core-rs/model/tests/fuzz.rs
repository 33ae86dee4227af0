//! 100,000 broken files through the function that opens files.

mod support;

use support::gguf::File;
use support::tiny;
use tgi_model::{Model, Role};

const INPUTS: u64 = 100_000;

/// `SplitMix64` (Steele et al. 2014): every run tries the same files.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One layer is enough, and quick.
fn shortened(mut file: File) -> Vec<u8> {
    file.tensors.retain(|tensor| !tensor.name.starts_with("blk.") || tensor.name.contains(".0."));
    for (key, value) in &mut file.entries {
        if key.ends_with(".block_count") {
            *value = support::gguf::Value::U32(1);
        }
    }
    file.bytes()
}

/// Numbers at which arithmetic goes wrong.
fn number(random: &mut Random, size: usize) -> u64 {
    let edges = [
        0,
        1,
        2,
        7,
        31,
        33,
        255,
        1 << 24,
        1 << 31,
        u64::from(u32::MAX),
        1 << 32,
        1 << 40,
        1 << 62,
        1 << 63,
        u64::MAX - 31,
        u64::MAX,
        size as u64,
        size as u64 - 1,
    ];
    edges[random.below(edges.len())]
}

fn mutate(bytes: &mut Vec<u8>, header: usize, random: &mut Random) {
    let end = bytes.len().min(header).max(1);
    let position = random.below(end);
    let length = 1 + random.below(16).min(bytes.len().saturating_sub(position + 1));
    match random.below(8) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => bytes[position] ^= 1 << random.below(8),
        2 => bytes[position] = random.next() as u8,
        3 | 4 => {
            let number = number(random, bytes.len()).to_le_bytes();
            let width = if random.below(2) == 0 { 4 } else { 8 };
            let width = width.min(bytes.len() - position);
            bytes[position..position + width].copy_from_slice(&number[..width]);
        }
        5 => drop(bytes.drain(position..position + length)),
        6 => {
            let copied = bytes[position..position + length].to_vec();
            let target = random.below(end);
            bytes.splice(target..target, copied);
        }
        _ => {
            let source = random.below(end - length.min(end));
            bytes
                .copy_within(source..source + length.min(end), position.min(end - length.min(end)));
        }
    }
    if bytes.is_empty() {
        bytes.push(0);
    }
}

/// Uses all of a model that opened.
fn exercise(model: &Model) {
    for role in [Role::TokenEmbedding, Role::OutputNorm] {
        let tensor = model.tensor(role, None).unwrap();
        assert_eq!(tensor.dequantize().unwrap().len(), tensor.shape.iter().product::<usize>());
    }
    let ids = model.tokenizer.encode("ab <s>abcd\n\né 12", true).unwrap();
    for &id in &ids {
        assert!((id as usize) < model.spec.vocab);
        model.tokenizer.piece(id);
    }
    if let Some(template) = &model.chat_template {
        // A spoilt template may refuse; it may not crash.
        drop(template.render(&serde_json::json!([{ "content": "a" }]), None, true));
    }
}

#[test]
fn no_file_makes_it_crash() {
    let seeds = [tiny::llama(), tiny::qwen2(), tiny::gemma3(tiny::LAYERS)].map(shortened);
    let mut random = Random(1);
    let (mut opened, mut refused) = (0_u64, 0_u64);
    for input in 0..INPUTS {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        // Weights may be anything; the header is most of what can go wrong.
        let header = bytes.len() / 4;
        for _ in 0..=random.below(3) {
            mutate(&mut bytes, header, &mut random);
        }
        match Model::from_bytes("fuzzed.gguf", &bytes) {
            Ok(model) => {
                opened += 1;
                exercise(&model);
            }
            Err(error) => {
                refused += 1;
                let sentence = error.to_string();
                assert!(sentence.starts_with("Cannot open fuzzed.gguf: "), "{input}: {sentence}");
                assert!(!sentence.contains('\n'), "{input}: {sentence}");
            }
        }
    }
    assert!(opened > INPUTS / 100 && refused > INPUTS / 2, "{opened} opened, {refused} refused");
}
