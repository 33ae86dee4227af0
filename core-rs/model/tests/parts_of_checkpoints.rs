//! Checkpoints that are more than a decoder, or whose tensors are not as roles want them; their
//! logits are compared in `backend-cpu/tests/architectures.rs`.

mod support;

use std::path::Path;

use serde_json::json;
use support::folder::{Folder, Stored};
use tgi_model::{Model, Role};

/// A copy of a tiny checkpoint.
fn checkpoint(name: &str) -> Folder {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/architectures");
    Folder::copy_of(&goldens.join(name))
}

/// Gives each tensor the name that `rename` makes, or takes it away.
fn rename(folder: &Folder, rename: impl Fn(&str) -> Option<String>) {
    let renamed = |(name, stored): (String, Stored)| Some((rename(&name)?, stored));
    let tensors = folder.tensors().into_iter().filter_map(renamed).collect();
    folder.store("model.safetensors", &tensors);
}

fn query(model: &Model) -> Vec<u8> {
    model.tensor(Role::Query, Some(1)).unwrap().bytes.into_owned()
}

#[test]
fn the_text_part_of_gemma_3_has_the_same_weights_under_older_and_newer_names() {
    let (older, newer) = (checkpoint("gemma3-vision"), checkpoint("gemma3-vision"));
    rename(&newer, |name| {
        Some(match name.strip_prefix("language_model.model.") {
            Some(rest) => format!("model.language_model.{rest}"),
            None => name.replace("language_model.lm_head", "lm_head"),
        })
    });
    let (older, newer) = (older.open(), newer.open());
    assert_eq!(older.spec, newer.spec);
    assert_eq!(query(&older), query(&newer));
}

#[test]
fn what_the_text_part_leaves_out_is_as_transformers_has_it() {
    let attention = checkpoint("gemma3-vision").open().spec.attention;
    assert_eq!((attention.heads, attention.kv_heads), (8, 4));
    assert!((attention.scale - 1.0 / 16.0).abs() < 1e-9);
    let folder = checkpoint("gemma3-vision");
    folder.set("text_config", json!({}));
    assert!(folder.refusal().contains("calls for [262208, 2304]"), "{}", folder.refusal());
    folder.set("text_config", json!(7));
    assert!(folder.refusal().contains("text_config is 7, expected an object"));
}

#[test]
fn a_narrow_embedding_and_its_projections_are_one_table() {
    let model = checkpoint("opt-350m").open();
    for role in [Role::TokenEmbedding, Role::Output] {
        let view = model.tensor(role, None).unwrap();
        assert_eq!((view.shape.as_slice(), view.bytes.len()), (&[288, 32][..], 288 * 32 * 4));
    }
    let folder = checkpoint("opt-350m");
    rename(&folder, |name| (!name.contains("project_out")).then(|| name.to_owned()));
    assert!(folder.refusal().contains("project_out.weight is missing"), "{}", folder.refusal());
    let folder = checkpoint("opt-350m");
    rename(&folder, |name| {
        let (from, to) = if name.contains("_in.") { ("_in", "_out") } else { ("_out", "_in") };
        Some(if name.contains("project") { name.replace(from, to) } else { name.to_owned() })
    });
    let refusal = folder.refusal();
    assert!(refusal.contains("project_in.weight is none of shape [288, 32]"), "{refusal}");
}

#[test]
fn norms_of_heads_lie_one_behind_the_other() {
    let model = checkpoint("stablelm-12b").open();
    let view = model.tensor(Role::QueryNorm, Some(0)).unwrap();
    assert_eq!((view.shape.as_slice(), view.bytes.len()), (&[4, 8][..], 4 * 8 * 4));
    assert!(view.name.ends_with("q_layernorm.norms.0.weight"), "{}", view.name);
    let folder = checkpoint("stablelm-12b");
    rename(&folder, |name| (!name.contains("k_layernorm.norms.1")).then(|| name.to_owned()));
    assert!(folder.refusal().contains("k_layernorm.norms.1.weight is missing"));
}
