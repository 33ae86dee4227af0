//! The two real models: specification, tensors, tokenizer and template.

mod support;

use candle_core::quantized::GgmlDType;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::real::{GEMMA3, SMOLLM2, goldens, ids, path};
use tgi_model::spec::{Activation, Block, Position, RopeLayout};
use tgi_model::{Model, Role};

fn open(name: &str) -> Model {
    Model::open(&path(name)).unwrap()
}

fn assert_ids_are_those_of_the_reference(name: &str) {
    let tokenizer = open(name).tokenizer;
    let goldens = goldens(name);
    let cases = goldens["cases"].as_array().unwrap();
    assert!(cases.len() >= 6);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text, true).unwrap(), ids(&case["ids"]), "{text:?}");
    }
    let perplexity = &goldens["perplexity"];
    let text = std::fs::read_to_string(perplexity["text_file"].as_str().unwrap()).unwrap();
    let expected = ids(&perplexity["ids"]);
    let mut found = tokenizer.encode(&text, true).unwrap();
    found.truncate(expected.len());
    assert_eq!(found, expected);
}

#[test]
fn smollm2_ids_are_those_of_the_reference() {
    assert_ids_are_those_of_the_reference(SMOLLM2);
}

#[test]
fn gemma3_ids_are_those_of_the_reference() {
    assert_ids_are_those_of_the_reference(GEMMA3);
}

#[test]
fn smollm2_is_a_plain_llama() {
    let model = open(SMOLLM2);
    let spec = &model.spec;
    assert_eq!(spec.architecture, "llama");
    assert_eq!((spec.vocab, spec.hidden, spec.layers, spec.context), (49_152, 576, 30, 8192));
    let attention = &spec.attention;
    assert_eq!((attention.heads, attention.kv_heads, attention.head_size), (9, 3, 64));
    assert_eq!(attention.windows, vec![None; 30]);
    assert!(!attention.qk_norm && !attention.qkv_bias);
    let Position::Rope { layout, dimensions, layers } = &spec.position else { panic!("rope") };
    assert_eq!((*layout, *dimensions, layers.len()), (RopeLayout::Interleaved, 64, 30));
    assert!((layers[0].base - 100_000.0).abs() < f32::EPSILON);
    assert_eq!((spec.mlp.intermediate, spec.mlp.activation), (1536, Activation::Silu));
    assert!(spec.embedding.tied);
    assert_eq!(model.tokenizer.eos(), [2]);
}

#[test]
fn gemma3_has_windows_on_five_layers_of_six() {
    let model = open(GEMMA3);
    let spec = &model.spec;
    assert_eq!(spec.architecture, "gemma3");
    assert_eq!((spec.vocab, spec.hidden, spec.layers, spec.context), (262_144, 640, 18, 32_768));
    let attention = &spec.attention;
    assert_eq!((attention.heads, attention.kv_heads, attention.head_size), (4, 1, 256));
    assert!((attention.scale - 1.0 / 16.0).abs() < f32::EPSILON);
    assert!(attention.qk_norm);
    let Position::Rope { layout, layers, .. } = &spec.position else { panic!("rope") };
    assert_eq!(*layout, RopeLayout::Halves);
    for (layer, (rope, window)) in layers.iter().zip(&attention.windows).enumerate() {
        let (base, expected) = if layer % 6 == 5 { (1e6, None) } else { (1e4, Some(512)) };
        assert!((rope.base - base).abs() < f32::EPSILON, "layer {layer}");
        assert_eq!(*window, expected, "layer {layer}");
    }
    assert_eq!(spec.block, Block::Sequential(Norms::Around));
    assert_eq!(spec.mlp.activation, Activation::GeluTanh);
    assert!((spec.embedding.scale - 640.0_f32.sqrt()).abs() < f32::EPSILON);
    assert!(model.has(Role::PostMlpNorm, Some(17)) && !model.has(Role::Output, None));
    assert_eq!((model.tokenizer.bos(), model.tokenizer.eos()), (Some(2), &[1][..]));
    assert!(model.chat_template.is_none());
}

#[test]
fn tensors_come_straight_from_the_file() {
    let model = open(SMOLLM2);
    let query = model.tensor(Role::Query, Some(3)).unwrap();
    assert_eq!((query.name, query.dtype), ("blk.3.attn_q.weight", GgmlDType::Q4_1.into()));
    assert_eq!((query.shape.as_slice(), query.bytes.len()), (&[576, 576][..], 576 * 576 / 32 * 20));
    let norm = model.tensor(Role::OutputNorm, None).unwrap();
    let stored: Vec<f32> = norm
        .bytes
        .chunks_exact(4)
        .map(|number| f32::from_le_bytes([number[0], number[1], number[2], number[3]]))
        .collect();
    assert_eq!(norm.dequantize().unwrap(), stored);
    let file = std::fs::metadata(path(SMOLLM2)).unwrap().len();
    assert!(model.tensor_bytes() < file && model.tensor_bytes() > file - 4_000_000);
    let error = model.tensor(Role::QueryBias, Some(0)).unwrap_err().to_string();
    assert!(error.contains("blk.0.attn_q.bias"), "{error}");
}

#[test]
fn every_tensor_of_both_models_dequantizes_to_finite_numbers() {
    let roles = [Role::Query, Role::Key, Role::Value, Role::AttentionOutput, Role::Down, Role::Up];
    for name in [SMOLLM2, GEMMA3] {
        let model = open(name);
        for layer in 0..model.spec.layers {
            for role in roles {
                let tensor = model.tensor(role, Some(layer)).unwrap();
                let numbers = tensor.dequantize().unwrap();
                assert_eq!(numbers.len(), tensor.shape.iter().product::<usize>());
                assert!(numbers.iter().all(|number| number.is_finite()), "{}", tensor.name);
            }
        }
    }
}

#[test]
fn smollm2_wraps_a_question_as_its_authors_do() {
    let model = open(SMOLLM2);
    let template = model.chat_template.as_ref().unwrap();
    let messages = serde_json::json!([{ "role": "user", "content": "What is Deno?" }]);
    let prompt = template.render(&messages, None, true).unwrap();
    let expected = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by \
                    Hugging Face<|im_end|>\n<|im_start|>user\nWhat is Deno?<|im_end|>\n\
                    <|im_start|>assistant\n";
    assert_eq!(prompt, expected);
    let ids = model.tokenizer.encode(&prompt, true).unwrap();
    assert_eq!(ids.iter().filter(|&&id| model.tokenizer.is_special(id)).count(), 5);
    assert_eq!(model.tokenizer.decode(&ids), prompt.as_bytes());
}

#[test]
fn any_text_comes_back_from_either_vocabulary() {
    let (smollm2, gemma3) = (open(SMOLLM2).tokenizer, open(GEMMA3).tokenizer);
    let mut runner = TestRunner::new(Config::with_cases(2000));
    let text =
        prop_oneof![any::<String>(), "[a-z0-9 \n\u{1F300}-\u{1FAFF}\u{4E00}-\u{9FFF}]{0,40}"];
    let test = |text: String| {
        let ids = smollm2.encode(&text, false).unwrap();
        prop_assert_eq!(smollm2.decode(&ids), text.as_bytes());
        // SentencePiece writes a space as U+2581 and cannot tell the two apart.
        let text = text.replace('\u{2581}', " ");
        let ids = gemma3.encode(&text, false).unwrap();
        prop_assert_eq!(gemma3.decode(&ids), text.as_bytes());
        Ok(())
    };
    runner.run(&text, test).unwrap();
}
