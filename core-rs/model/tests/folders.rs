//! Folders of Hugging Face, opened.

mod support;

use std::collections::BTreeMap;

use serde_json::json;
use support::folder::{Folder, Stored, fixture};
use tgi_model::spec::{Position, RopeLayout};
use tgi_model::{Model, ModelSpec, Role, WeightFormat};

/// The specification as GGUF would have it.
fn with_layout(mut spec: ModelSpec, to: RopeLayout) -> ModelSpec {
    if let Position::Rope { layout, .. } = &mut spec.position {
        *layout = to;
    }
    spec
}

#[test]
fn a_folder_and_a_gguf_file_give_the_same_specification() {
    let folder = Model::open(&fixture("tiny-llama")).unwrap();
    let file = Model::open(&fixture("tiny-llama.gguf")).unwrap();
    assert_eq!(with_layout(folder.spec.clone(), RopeLayout::Interleaved), file.spec);
    let Position::Rope { layout, .. } = folder.spec.position else { panic!("no rope") };
    assert_eq!(layout, RopeLayout::Halves);
}

#[test]
fn its_texts_are_there() {
    let model = Model::open(&fixture("tiny-llama")).unwrap();
    let file = Model::open(&fixture("tiny-llama.gguf")).unwrap();
    let text = "The river isn't naïve; 42.";
    let ids = model.tokenizer.encode(text, true).unwrap();
    assert_eq!(ids, file.tokenizer.encode(text, true).unwrap());
    assert_eq!(model.tokenizer.decode(&ids[1..]), text.as_bytes());
    assert_eq!((model.tokenizer.bos(), model.tokenizer.eos()), (Some(318), &[319][..]));
    let template = model.chat_template.unwrap();
    let messages = json!([{"role": "user", "content": "river"}]);
    assert_eq!(template.render(&messages, None, true).unwrap(), "<s><user>river\n<assistant>");
}

#[test]
fn a_template_of_its_own_file_counts_first() {
    let folder = Folder::copy("tiny-llama");
    folder.write("chat_template.jinja", "own {{ messages[0].content }}");
    let template = folder.open().chat_template.unwrap();
    assert_eq!(template.render(&json!([{"content": "x"}]), None, true).unwrap(), "own x");
}

#[test]
fn further_ends_of_a_text_come_from_the_generation_config() {
    let folder = Folder::copy("tiny-llama");
    folder.write("generation_config.json", r#"{"eos_token_id": [317, 319, 5]}"#);
    assert_eq!(folder.open().tokenizer.eos(), [319, 317, 5]);
}

/// Parts a fixture's tensors by the first letter of their layers' numbers.
fn sharded(name: &str) -> Folder {
    let folder = Folder::copy(name);
    let shard = |name: &str| if name.contains("layers.0") { "a" } else { "b" };
    let mut shards: BTreeMap<&str, BTreeMap<String, Stored>> = BTreeMap::new();
    let mut index = serde_json::Map::new();
    for (name, stored) in folder.tensors() {
        let file = format!("{}.safetensors", shard(&name));
        index.insert(name.clone(), file.into());
        shards.entry(shard(&name)).or_default().insert(name, stored);
    }
    for (shard, tensors) in shards {
        folder.store(&format!("{shard}.safetensors"), &tensors);
    }
    let index = json!({"metadata": {}, "weight_map": index});
    folder.write("model.safetensors.index.json", index.to_string());
    folder.remove("model.safetensors");
    folder
}

#[test]
fn shards_are_one_model() {
    let whole = Model::open(&fixture("tiny-llama")).unwrap();
    let shards = sharded("tiny-llama");
    let parts = shards.open();
    assert_eq!(parts.spec, whole.spec);
    for layer in [Some(0), Some(1)] {
        for role in [Role::Query, Role::Down, Role::MlpNorm] {
            let (part, whole) = (parts.tensor(role, layer).unwrap(), whole.tensor(role, layer));
            assert_eq!(part.bytes, whole.unwrap().bytes, "{role:?} {layer:?}");
        }
    }
    assert_eq!(parts.tensor_bytes(), whole.tensor_bytes());
}

#[test]
fn an_index_that_does_not_hold_is_refused() {
    let folder = sharded("tiny-llama");
    folder.remove("a.safetensors");
    assert!(folder.refusal().contains("a.safetensors: No such file"), "{}", folder.refusal());
    for (index, expected) in [
        (r#"{"weight_map": {"x": "../tiny.safetensors"}}"#, "expected a plain name"),
        (r#"{"weight_map": {"x": "/etc/passwd"}}"#, "expected a plain name"),
        (r#"{"weight_map": {"x": "b.safetensors"}}"#, "it has no tensor \"x\""),
        (r#"{"weight_map": {}}"#, "it names 0 files, expected 1 to 1024"),
        (r#"{"weight_map": [1]}"#, "it is no index of tensors"),
    ] {
        folder.write("model.safetensors.index.json", index);
        let refusal = folder.refusal();
        assert!(refusal.contains(expected), "{index}: {refusal}");
    }
}

#[test]
fn the_only_file_of_weights_may_have_any_name() {
    let folder = Folder::copy("tiny-llama");
    std::fs::rename(folder.path.join("model.safetensors"), folder.path.join("m.safetensors"))
        .unwrap();
    assert_eq!(folder.open().spec.layers, 2);
}

#[test]
fn pickles_are_refused() {
    let folder = Folder::copy("tiny-llama");
    folder.remove("model.safetensors");
    assert!(folder.refusal().contains("it has no *.safetensors"));
    for name in ["pytorch_model.bin", "consolidated.00.pth", "model.pt"] {
        folder.write(name, "");
        let refusal = folder.refusal();
        let expected = format!("its weights are the pickle {name}, which can run code when read");
        assert!(refusal.contains(&expected), "{refusal}");
        folder.remove(name);
    }
}

#[test]
fn code_of_a_model_is_never_run() {
    let folder = Folder::copy("tiny-llama");
    folder.set("auto_map", json!({"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}));
    assert_eq!(folder.open().spec.architecture, "llama");
    folder.set("model_type", json!("own"));
    let refusal = folder.refusal();
    let expected = "its model_type is \"own\" and needs code of its own, which is never run";
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn a_folder_without_its_parts_is_refused() {
    for (name, expected) in
        [("config.json", "without config.json"), ("tokenizer.json", "without tokenizer.json")]
    {
        let folder = Folder::copy("tiny-llama");
        folder.remove(name);
        assert!(folder.refusal().contains(expected), "{}", folder.refusal());
    }
}

#[test]
fn numbers_of_the_configuration_are_bounded() {
    for (key, value, expected) in [
        ("hidden_size", json!(0), "hidden_size is 0, expected 1 to 1048576"),
        ("hidden_size", json!(-64), "hidden_size is -64"),
        ("vocab_size", json!(1u64 << 60), "vocab_size is 1152921504606846976"),
        ("num_hidden_layers", json!(100_000), "num_hidden_layers is 100000, expected 1 to 1024"),
        ("num_hidden_layers", json!("2"), "num_hidden_layers is \"2\""),
        ("num_attention_heads", json!(3), "3 query heads cannot share 2 key heads evenly"),
        ("head_dim", json!(15), "its heads are 15 wide, expected an even width"),
        ("rms_norm_eps", json!(null), "rms_norm_eps is missing"),
        ("rms_norm_eps", json!(0.0), "rms_norm_eps is 0, expected a number above 0"),
        ("rope_theta", json!(1e300), "rope_theta is 1e+300, expected a number"),
        ("rope_scaling", json!({"rope_type": "own"}), "its rope scaling is \"own\""),
        ("hidden_act", json!("mish"), "hidden_act is \"mish\", this version knows silu"),
        ("tie_word_embeddings", json!(1), "tie_word_embeddings is 1, expected true or false"),
        ("intermediate_size", json!(97), "calls for [97, 64]"),
        ("num_hidden_layers", json!(1), "has no use in the architecture llama with 1 layers"),
        ("num_hidden_layers", json!(3), "tensor model.layers.2."),
        ("vocab_size", json!(319), "its config.json calls for [319, 64]"),
        ("eos_token_id", json!(320), "special token 320 is outside the vocabulary"),
    ] {
        let folder = Folder::copy("tiny-llama");
        folder.remove("generation_config.json");
        folder.set(key, value);
        let refusal = folder.refusal();
        assert!(refusal.contains(expected), "{key}: {refusal}");
    }
}

#[test]
fn a_tied_head_is_the_embedding_even_where_the_file_has_one() {
    let folder = Folder::copy("tiny-llama");
    folder.set("tie_word_embeddings", json!(true));
    let model = folder.open();
    assert!(model.spec.embedding.tied && !model.has(Role::Output, None));
}

#[test]
fn a_base_model_has_no_prefix() {
    let folder = Folder::copy("tiny-llama");
    let bare = |name: String| name.strip_prefix("model.").map_or(name.clone(), str::to_owned);
    let tensors = folder.tensors().into_iter().map(|(name, stored)| (bare(name), stored));
    folder.store("model.safetensors", &tensors.collect());
    assert_eq!(folder.open().spec.layers, 2);
}

#[test]
fn matrices_are_converted_at_load_and_vectors_are_not() {
    let open = || Model::open(&fixture("tiny-llama")).unwrap();
    let stored = open().tensor(Role::Up, Some(1)).unwrap().dequantize().unwrap();
    for (name, tolerance) in [("q8_0", 0.01), ("q5_1", 0.05), ("q4_0", 0.15), ("q4_k", 0.05)] {
        let model = open().with_format(WeightFormat::quantized(name).unwrap()).unwrap();
        let up = model.tensor(Role::Up, Some(1)).unwrap();
        assert_eq!(up.shape, [96, 64]);
        let size = stored.iter().fold(0.0f32, |size, number| size.max(number.abs()));
        for (found, number) in up.dequantize().unwrap().iter().zip(&stored) {
            assert!((found - number).abs() <= tolerance * size, "{name}: {found} {number}");
        }
        let kinds: BTreeMap<String, usize> =
            model.tensors().fold(BTreeMap::new(), |mut kinds, (_, tensor)| {
                *kinds.entry(tensor.dtype.to_string()).or_default() += 1;
                kinds
            });
        // Two norms for each layer and the last.
        assert_eq!(kinds["BF16"], 5, "{name}: {kinds:?}");
        assert_eq!(model.tensor(Role::Output, None).unwrap().dtype.to_string(), "Q8_0");
    }
    let rounded = open().with_format(WeightFormat::rounded("float32").unwrap()).unwrap();
    let up = rounded.tensor(Role::Up, Some(1)).unwrap();
    assert_eq!((up.dtype.to_string(), up.dequantize().unwrap()), ("F32".to_owned(), stored));
}

#[test]
fn what_is_quantized_already_cannot_be_quantized() {
    let file = Model::open(&fixture("tiny-llama.gguf")).unwrap();
    let refusal = file.with_format(WeightFormat::quantized("q8_0").unwrap()).err().unwrap();
    let expected = "Cannot quantize the model to q8_0: its weights are quantized already";
    assert!(refusal.to_string().starts_with(expected), "{refusal}");
}
