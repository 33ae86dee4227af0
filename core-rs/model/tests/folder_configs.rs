//! `config.json` of each architecture, as transformers writes it, beside the GGUF file of the same
//! model: both give the same specification, and the same weights.

mod support;

use std::collections::BTreeMap;

use safetensors::Dtype;
use serde_json::{Value, json};
use support::folder::{Folder, Stored, fixture};
use tgi_model::spec::{Activation, Position, RopeScaling};
use tgi_model::{Model, Role, tensor_shapes};

/// What transformers calls a role's tensor.
fn name(role: Role, layer: Option<usize>, is_gemma: bool) -> String {
    let end = match role {
        Role::TokenEmbedding => return "model.embed_tokens.weight".to_owned(),
        Role::OutputNorm => return "model.norm.weight".to_owned(),
        Role::AttentionNorm => "input_layernorm.weight",
        Role::MlpNorm if is_gemma => "pre_feedforward_layernorm.weight",
        Role::MlpNorm | Role::PostAttentionNorm => "post_attention_layernorm.weight",
        Role::PostMlpNorm => "post_feedforward_layernorm.weight",
        Role::Query => "self_attn.q_proj.weight",
        Role::QueryBias => "self_attn.q_proj.bias",
        Role::QueryNorm => "self_attn.q_norm.weight",
        Role::Key => "self_attn.k_proj.weight",
        Role::KeyBias => "self_attn.k_proj.bias",
        Role::KeyNorm => "self_attn.k_norm.weight",
        Role::Value => "self_attn.v_proj.weight",
        Role::ValueBias => "self_attn.v_proj.bias",
        Role::AttentionOutput => "self_attn.o_proj.weight",
        Role::Gate => "mlp.gate_proj.weight",
        Role::Up => "mlp.up_proj.weight",
        Role::Down => "mlp.down_proj.weight",
        other => panic!("{other:?}"),
    };
    format!("model.layers.{}.{end}", layer.unwrap())
}

/// A GGUF fixture's weights in f32, and a folder of them with this configuration.
fn both(gguf: &str, config: &Value) -> (Model, Folder) {
    let model = Model::open(&fixture(gguf)).unwrap();
    let is_gemma = gguf.contains("gemma");
    let folder = Folder::copy("tiny-llama");
    let mut tensors: BTreeMap<String, Stored> = BTreeMap::new();
    for (role, layer, shape) in tensor_shapes(&model.spec) {
        let mut numbers = model.tensor(role, layer).unwrap().dequantize().unwrap();
        let name = name(role, layer, is_gemma);
        if is_gemma && name.contains("norm.weight") {
            // GGUF stores the sum that Gemma's own norms make.
            for number in &mut numbers {
                *number -= 1.0;
            }
        }
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        tensors.insert(name, (Dtype::F32, shape, bytes));
    }
    folder.store("model.safetensors", &tensors);
    folder.write("config.json", config.to_string());
    (model, folder)
}

fn qwen2() -> Value {
    json!({
        "model_type": "qwen2", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96,
        "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0,
        "hidden_act": "silu", "tie_word_embeddings": true, "use_sliding_window": false,
        "sliding_window": null, "max_window_layers": 28, "rope_scaling": null,
    })
}

fn gemma3() -> Value {
    json!({
        "model_type": "gemma3_text", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 6,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
        "query_pre_attn_scalar": 32, "intermediate_size": 96, "sliding_window": 8,
        "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10_000.0, "hidden_activation": "gelu_pytorch_tanh",
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
    })
}

#[test]
fn qwen2_has_one_specification_in_both() {
    let (file, folder) = both("tiny-qwen2.gguf", &qwen2());
    let model = folder.open();
    assert_eq!(model.spec, file.spec);
    let bias = |model: &Model| model.tensor(Role::KeyBias, Some(1)).unwrap().dequantize().unwrap();
    assert_eq!(bias(&model), bias(&file));
}

#[test]
fn windows_of_qwen2_begin_at_their_first_layer() {
    let (_, folder) = both("tiny-qwen2.gguf", &qwen2());
    folder.set("use_sliding_window", json!(true));
    folder.set("sliding_window", json!(100));
    folder.set("max_window_layers", json!(1));
    assert_eq!(folder.open().spec.attention.windows, [None, Some(100)]);
}

#[test]
fn gemma3_has_one_specification_in_both_but_for_its_norms() {
    let (file, folder) = both("tiny-gemma3.gguf", &gemma3());
    let mut spec = folder.open().spec;
    assert!((spec.norm.weight_offset - 1.0).abs() < f32::EPSILON);
    spec.norm.weight_offset = 0.0;
    assert_eq!(spec, file.spec);
    assert_eq!(spec.mlp.activation, Activation::GeluTanh);
}

#[test]
fn layer_types_of_gemma3_say_which_layers_see_all() {
    let (_, folder) = both("tiny-gemma3.gguf", &gemma3());
    let types = ["full", "sliding", "full", "sliding", "sliding", "sliding"];
    folder.set("layer_types", types.map(|kind| json!(format!("{kind}_attention"))).into());
    let windows = [None, Some(8), None, Some(8), Some(8), Some(8)];
    assert_eq!(folder.open().spec.attention.windows, windows);
    folder.set("layer_types", json!(["full_attention"]));
    assert!(folder.refusal().contains("layer_types has 1 layers of 6"));
}

#[test]
fn mistral_is_a_llama_whose_layers_may_have_a_window() {
    let folder = Folder::copy("tiny-llama");
    folder.set("model_type", json!("mistral"));
    folder.set("sliding_window", json!(128));
    let spec = folder.open().spec;
    assert_eq!((spec.architecture.as_str(), spec.attention.windows), ("llama", vec![Some(128); 2]));
    folder.set("sliding_window", json!(4096));
    assert_eq!(folder.open().spec.attention.windows, [None, None]);
}

#[test]
fn rope_is_read_in_all_its_spellings() {
    for (given, expected) in [
        (json!({"rope_scaling": {"type": "linear", "factor": 4.0}}), (10_000.0, Some(4.0))),
        (json!({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}), (5e5, None)),
        (json!({"rope_theta": 2e4, "rope_scaling": {"rope_type": "default"}}), (2e4, None)),
    ] {
        let folder = Folder::copy("tiny-llama");
        for (key, value) in given.as_object().unwrap() {
            folder.set(key, value.clone());
        }
        let spec = folder.open().spec;
        let Position::Rope { layers, .. } = &spec.position else { panic!("no rope") };
        let rope = layers[0].as_ref().unwrap();
        let factor = match rope.scaling {
            RopeScaling::Linear { factor } => Some(factor),
            _ => None,
        };
        assert_eq!((rope.base, factor), expected, "{given}");
    }
}
