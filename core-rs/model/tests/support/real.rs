//! The two real models and what is known about them.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A model's file name, without its ending; its goldens have the same.
pub const SMOLLM2: &str = "smollm2-135m-instruct-q4_1";
/// The other one.
pub const GEMMA3: &str = "gemma-3-270m-q4_k_m";

/// The path of a model's file.
pub fn path(name: &str) -> PathBuf {
    let folder = std::env::var_os("TGI_TEST_MODELS").unwrap_or_default();
    let path = Path::new(&folder).join(format!("{name}.gguf"));
    assert!(
        path.is_file(),
        "Cannot find {name}.gguf in the folder TGI_TEST_MODELS={}: run `deno task models` and set \
         TGI_TEST_MODELS to the folder that it names",
        folder.display()
    );
    path
}

/// What the reference implementation computes with a model.
pub fn goldens(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A JSON array of token ids.
pub fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}
