//! Metadata to specification, by tiny files of each architecture.

mod support;

use support::gguf::{F32, File, IQ4_NL, Q8_0, Value};
use support::tiny::{self, HIDDEN, INTERMEDIATE, LAYERS, VOCAB};
use tgi_model::spec::{
    Activation, Block, NormKind, Norms, Position, QkNorm, Rope, RopeLayout, RopeScaling,
};
use tgi_model::{Model, ModelSpec, Role, StorageType};

fn open(file: &File) -> Model {
    Model::from_bytes("tiny.gguf", &file.bytes()).unwrap()
}

fn refusal(file: &File) -> String {
    Model::from_bytes("tiny.gguf", &file.bytes()).err().unwrap().to_string()
}

fn ropes(spec: &ModelSpec) -> (RopeLayout, usize, Vec<Rope>) {
    let Position::Rope { layout, dimensions, layers } = &spec.position else { panic!("no rope") };
    (*layout, *dimensions, layers.iter().flatten().cloned().collect())
}

#[test]
fn a_model_is_shared_by_threads() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Model>();
}

#[test]
fn every_architecture_shares_the_sizes() {
    for file in [tiny::llama(), tiny::qwen2(), tiny::gemma3(LAYERS)] {
        let model = open(&file);
        let spec = &model.spec;
        assert_eq!((spec.vocab, spec.hidden, spec.layers), (VOCAB, HIDDEN, LAYERS));
        assert_eq!((spec.context, spec.mlp.intermediate), (128, INTERMEDIATE));
        let attention = &spec.attention;
        assert_eq!((attention.heads, attention.kv_heads, attention.head_size), (2, 1, 16));
        assert!((attention.scale - 0.25).abs() < f32::EPSILON);
        assert_eq!(attention.windows.len(), LAYERS);
        let (_, dimensions, layers) = ropes(spec);
        assert_eq!((dimensions, layers.len()), (16, LAYERS));
        assert_eq!((spec.norm.kind, spec.norm.bias), (NormKind::Rms, false));
        assert!((spec.norm.epsilon - 1e-5).abs() < f32::EPSILON);
        assert_eq!(model.tokenizer.vocab(), VOCAB);
        let stored: usize = file.tensors.iter().map(|tensor| tensor.bytes).sum();
        assert_eq!(model.tensor_bytes(), stored as u64);
    }
}

#[test]
fn a_type_that_candle_lacks_is_read_like_any_other() {
    let mut file = tiny::llama();
    let name = "blk.2.ffn_up.weight";
    file.remove(name).add(name, &[INTERMEDIATE, HIDDEN], IQ4_NL);
    let model = open(&file);
    let up = model.tensor(Role::Up, Some(2)).unwrap();
    assert_eq!((up.name, up.dtype), (name, StorageType::Iq4Nl));
    assert_eq!((up.shape.as_slice(), up.bytes.len()), (&[INTERMEDIATE, HIDDEN][..], 64 * 18));
    assert_eq!(up.dequantize().unwrap(), vec![0.0; INTERMEDIATE * HIDDEN]);
    assert_eq!(model.tensor(Role::Down, Some(2)).unwrap().dtype.to_string(), "Q8_0");
}

#[test]
fn llama_turns_neighbours_and_ties_its_head() {
    let model = open(&tiny::llama());
    let (layout, _, layers) = ropes(&model.spec);
    assert_eq!(layout, RopeLayout::Interleaved);
    assert_eq!(layers[0], Rope { base: 10_000.0, scaling: RopeScaling::None });
    assert!(model.spec.embedding.tied && !model.has(Role::Output, None));
    assert_eq!(model.spec.mlp.activation, Activation::Silu);
    assert!(model.chat_template.is_some());
}

#[test]
fn qwen2_turns_halves_and_has_biases_and_a_head() {
    let model = open(&tiny::qwen2());
    let (layout, _, layers) = ropes(&model.spec);
    assert_eq!(layout, RopeLayout::Halves);
    assert!((layers[LAYERS - 1].base - 1e6).abs() < f32::EPSILON);
    assert!(model.spec.attention.qkv_bias && !model.spec.attention.output_bias);
    assert!(!model.spec.embedding.tied && model.has(Role::Output, None));
    let bias = model.tensor(Role::KeyBias, Some(LAYERS - 1)).unwrap();
    assert_eq!((bias.shape.as_slice(), bias.dequantize().unwrap()), (&[16][..], vec![0.0; 16]));
}

#[test]
fn gemma3_mixes_windows_and_bases() {
    let mut file = tiny::gemma3(LAYERS);
    file.set("gemma3.rope.scaling.type", Value::Text("linear".to_owned()));
    file.set("gemma3.rope.scaling.factor", Value::F32(8.0));
    let model = open(&file);
    let spec = &model.spec;
    let local = Rope { base: 10_000.0, scaling: RopeScaling::None };
    let global = Rope { base: 1e6, scaling: RopeScaling::Linear { factor: 8.0 } };
    let (_, _, layers) = ropes(spec);
    let (near, far) = (|| local.clone(), || global.clone());
    assert_eq!(layers, [near(), near(), near(), near(), near(), far(), near()]);
    let near = Some(8);
    assert_eq!(spec.attention.windows, [near, near, near, near, near, None, near]);
    assert_eq!(spec.attention.qk_norm, Some(QkNorm::Head));
    assert_eq!(spec.block, Block::Sequential(Norms::Around));
    assert_eq!(spec.mlp.activation, Activation::GeluTanh);
    assert!((spec.embedding.scale - (HIDDEN as f32).sqrt()).abs() < f32::EPSILON);
    assert!(spec.norm.weight_offset.abs() < f32::EPSILON);
}

#[test]
fn only_the_largest_gemma3_scales_by_its_share_of_the_width() {
    for (layers, scale) in [(61, 1.0 / 16.0_f32.sqrt()), (62, 1.0 / 8.0_f32.sqrt())] {
        let mut file = tiny::gemma3(layers);
        file.set("gemma3.attention.head_count", Value::U32(4));
        for layer in 0..layers {
            for (name, shape) in [("attn_q", [64, HIDDEN]), ("attn_output", [HIDDEN, 64])] {
                let name = format!("blk.{layer}.{name}.weight");
                file.remove(&name).add(&name, &shape, Q8_0);
            }
        }
        assert!((open(&file).spec.attention.scale - scale).abs() < f32::EPSILON);
    }
}

#[test]
fn linear_scaling_is_read_in_both_spellings() {
    let linear = RopeScaling::Linear { factor: 4.0 };
    let mut file = tiny::llama();
    file.set("llama.rope.scale_linear", Value::F32(4.0));
    assert_eq!(ropes(&open(&file).spec).2[0].scaling, linear);
    file.set("llama.rope.scaling.type", Value::Text("none".to_owned()));
    assert_eq!(ropes(&open(&file).spec).2[0].scaling, RopeScaling::None);
    file.set("llama.rope.scaling.type", Value::Text("linear".to_owned()));
    assert!(refusal(&file).contains("llama.rope.scaling.factor is missing"));
    file.set("llama.rope.scaling.factor", Value::F32(4.0));
    assert_eq!(ropes(&open(&file).spec).2[0].scaling, linear);
}

#[test]
fn other_scalings_are_refused_by_name() {
    let mut file = tiny::llama();
    file.set("llama.rope.scaling.type", Value::Text("yarn".to_owned()));
    assert!(refusal(&file).contains("llama.rope.scaling.type is \"yarn\""));
    let mut file = tiny::llama();
    file.add("rope_freqs.weight", &[8], F32);
    assert!(refusal(&file).contains("rope_freqs.weight"));
}

#[test]
fn an_unknown_architecture_is_told_the_known_ones() {
    let mut file = tiny::llama();
    file.set("general.architecture", Value::Text("mamba".to_owned()));
    let expected = "Cannot open tiny.gguf: its architecture is \"mamba\", this version serves \
                    gemma3, llama, qwen2; choose another model or another quantization";
    assert_eq!(refusal(&file), expected);
    file.unset("general.architecture");
    assert!(refusal(&file).contains("general.architecture is missing"));
}

#[test]
fn numbers_that_cannot_be_are_refused_by_key() {
    let cases = [
        ("block_count", Value::U32(0), "llama.block_count is 0, expected 1 to"),
        ("block_count", Value::U32(u32::MAX), "llama.block_count is 4294967295"),
        ("block_count", Value::U32(5000), "llama.block_count is 5000, expected 1 to 1024"),
        ("block_count", Value::U32(8), "tensor blk.7.attn_norm.weight is missing"),
        ("block_count", Value::U32(6), "tensor blk.6.attn_k.weight has no use"),
        ("context_length", Value::U32(0), "llama.context_length is 0"),
        ("embedding_length", Value::U32(31), "2 heads do not divide a width of 31"),
        ("embedding_length", Value::U32(64), "has shape [16, 32], its metadata calls for [16, 64]"),
        ("attention.head_count", Value::U32(0), "llama.attention.head_count is 0"),
        ("attention.head_count", Value::Ints(vec![2; 7]), "is an array, expected a non-negative"),
        ("attention.head_count", Value::Raw(5, vec![255; 4]), "is I32(-1), expected a non-neg"),
        ("attention.head_count_kv", Value::U32(3), "2 query heads cannot share 3 key heads"),
        ("attention.key_length", Value::U32(15), "keys are 15 wide and values 15"),
        ("attention.value_length", Value::U32(8), "keys are 16 wide and values 8"),
        ("feed_forward_length", Value::Text(String::new()), "is a string, expected"),
        ("attention.layer_norm_rms_epsilon", Value::F32(0.0), "is 0, expected a number above 0"),
        ("rope.freq_base", Value::F32(f32::NAN), "expected a finite number"),
        ("rope.freq_base", Value::F32(-1.0), "is -1, expected a number above 0"),
        ("rope.dimension_count", Value::U32(18), "is 18, expected an even number up to 16"),
        ("rope.dimension_count", Value::U32(7), "is 7, expected an even number up to 16"),
    ];
    for (key, value, expected) in cases {
        let mut file = tiny::llama();
        file.set(&format!("llama.{key}"), value);
        let refusal = refusal(&file);
        assert!(refusal.contains(expected), "{key}: {refusal}");
    }
}

#[test]
fn numbers_that_must_be_there_are_named() {
    let keys = [
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
        "attention.layer_norm_rms_epsilon",
    ];
    for key in keys {
        let key = format!("llama.{key}");
        let mut file = tiny::llama();
        file.unset(&key);
        assert!(refusal(&file).contains(&format!("{key} is missing")));
    }
    let mut file = tiny::gemma3(LAYERS);
    file.unset("gemma3.attention.sliding_window");
    assert!(refusal(&file).contains("gemma3.attention.sliding_window is missing"));
}

#[test]
fn tensors_must_be_those_of_the_architecture() {
    let mut file = tiny::llama();
    file.remove("blk.3.ffn_up.weight");
    let expected = "tensor blk.3.ffn_up.weight is missing, expected one of shape [64, 32]";
    assert!(refusal(&file).contains(expected));
    let mut file = tiny::llama();
    file.remove("token_embd.weight");
    assert!(refusal(&file).contains("token_embd.weight has shape []"));
    let mut file = tiny::llama();
    file.add("blk.0.attn_q.bias", &[32], F32);
    assert!(
        refusal(&file).contains("tensor blk.0.attn_q.bias has no use in the architecture llama")
    );
}
