//! The committed adapters are real; here are those that are not served.

use std::fs;
use std::path::PathBuf;

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::json;

use super::*;
use crate::Model;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn spec() -> ModelSpec {
    Model::open(&fixture("tiny-llama")).unwrap().spec
}

/// A folder with an adapter of these tensors, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, tensors: &[(&str, [usize; 2])], number: f32) -> Self {
        let path = std::env::temp_dir().join(format!("tgi-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let settings = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4});
        fs::write(path.join("adapter_config.json"), settings.to_string()).unwrap();
        let bytes = |[rows, columns]: [usize; 2]| number.to_le_bytes().repeat(rows * columns);
        let data: Vec<_> = tensors.iter().map(|(_, shape)| bytes(*shape)).collect();
        let views = tensors.iter().zip(&data).map(|((name, shape), data)| {
            let name = format!("base_model.model.{name}");
            (name, TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap())
        });
        fs::write(path.join(WEIGHTS), serialize(views, None).unwrap()).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refusal(name: &str, tensors: &[(&str, [usize; 2])]) -> String {
    let folder = Folder::new(name, tensors, 1.0);
    let refusal = Adapter::open(&folder.0, &spec()).unwrap_err().to_string();
    assert!(refusal.starts_with("Cannot open ") && !refusal.contains('\n'), "{refusal}");
    refusal
}

const QUERY: &str = "model.layers.1.self_attn.q_proj";

#[test]
fn an_adapter_has_updates_of_every_projection_of_every_layer() {
    let adapter = Adapter::open(&fixture("tiny-llama-adapters/every"), &spec()).unwrap();
    assert_eq!((adapter.updates().count(), adapter.rank()), (14, 4));
    let update = adapter.update(Role::Down, 1).unwrap();
    assert_eq!((update.rank, update.down.len(), update.up.len()), (4, 4 * 96, 4 * 64));
    assert!(adapter.update(Role::Down, 2).is_none());
}

#[test]
fn the_scale_is_part_of_the_second_matrix() {
    let (a, b) =
        (format!("{QUERY}.lora_A.default.weight"), format!("{QUERY}.lora_B.default.weight"));
    let folder = Folder::new("scale", &[(&a, [2, 64]), (&b, [64, 2])], 1.5);
    let adapter = Adapter::open(&folder.0, &spec()).unwrap();
    let update = adapter.update(Role::Query, 1).unwrap();
    assert_eq!((&update.down[..], &update.up[..]), (&[1.5; 128][..], &[3.0; 128][..]));
}

#[test]
fn rows_of_heads_follow_the_layout_of_the_file() {
    let open = |model: &str| {
        let spec = Model::open(&fixture(model)).unwrap().spec;
        Adapter::open(&fixture("tiny-llama-adapters/every"), &spec).unwrap()
    };
    let (halves, interleaved) = (open("tiny-llama"), open("tiny-llama.gguf"));
    let rows = |adapter: &Adapter, role| -> Vec<Vec<f32>> {
        adapter.update(role, 0).unwrap().up.chunks(4).map(<[f32]>::to_vec).collect()
    };
    for role in [Role::Query, Role::Key] {
        let (halves, interleaved) = (rows(&halves, role), rows(&interleaved, role));
        // The second head of 16.
        assert_eq!(interleaved[16..20], [16, 24, 17, 25].map(|row| halves[row].clone()));
    }
    assert_eq!(rows(&halves, Role::Value), rows(&interleaved, Role::Value));
}

#[test]
fn adapters_of_another_model_are_refused() {
    let (a, b) = (format!("{QUERY}.lora_A.weight"), format!("{QUERY}.lora_B.weight"));
    let wide = refusal("wide", &[(&a, [2, 80]), (&b, [64, 2])]);
    assert!(wide.contains("are [2, 80] and [64, 2], the model's projection is [64, 64]"), "{wide}");
    let deep = QUERY.replace('1', "7");
    let (a, b) = (format!("{deep}.lora_A.weight"), format!("{deep}.lora_B.weight"));
    let deep = refusal("deep", &[(&a, [2, 64]), (&b, [64, 2])]);
    assert!(deep.contains("changes model.layers.7.self_attn.q_proj, which is no"), "{deep}");
}

#[test]
fn what_is_no_update_of_a_projection_is_refused() {
    for name in [
        "model.embed_tokens.lora_embedding_A",
        "lm_head.weight",
        "model.layers.0.self_attn.q_proj.lora_magnitude_vector",
    ] {
        let refusal = refusal("other", &[(name, [2, 64])]);
        assert!(refusal.contains("this version reads lora_A and lora_B"), "{refusal}");
    }
    let norm = "model.layers.0.input_layernorm";
    let names = ["A", "B"].map(|side| format!("{norm}.lora_{side}.weight"));
    let norm = refusal("norm", &[(&names[0], [2, 64]), (&names[1], [64, 2])]);
    assert!(norm.contains("input_layernorm, which is no projection of attention"), "{norm}");
    let head = refusal("head", &[("lm_head.lora_A.weight", [2, 64])]);
    assert!(head.contains("it changes lm_head, which is no projection"), "{head}");
}

#[test]
fn half_an_update_and_a_wrong_rank_are_refused() {
    let (a, b) = (format!("{QUERY}.lora_A.weight"), format!("{QUERY}.lora_B.weight"));
    let half = refusal("half", &[(&a, [2, 64])]);
    assert!(half.contains("q_proj.lora_B.weight is missing"), "{half}");
    let rank = refusal("rank", &[(&a, [3, 64]), (&b, [64, 3])]);
    assert!(rank.contains("have rank 3, adapter_config.json says 2"), "{rank}");
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let (a, b) = (format!("{QUERY}.lora_A.weight"), format!("{QUERY}.lora_B.weight"));
    let folder = Folder::new("finite", &[(&a, [2, 64]), (&b, [64, 2])], f32::INFINITY);
    let refusal = Adapter::open(&folder.0, &spec()).unwrap_err().to_string();
    assert!(refusal.contains("has the number inf"), "{refusal}");
}

#[test]
fn a_folder_without_an_adapter_is_refused() {
    let refusal = Adapter::open(&fixture("tiny-llama"), &spec()).unwrap_err().to_string();
    assert!(refusal.contains("it is no folder with adapter_config.json"), "{refusal}");
}
