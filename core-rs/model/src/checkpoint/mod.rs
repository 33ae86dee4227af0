//! Folders as Hugging Face's transformers writes them: `config.json`, safetensors in one file or
//! many, `tokenizer.json` and what belongs to it.
//!
//! A folder is untrusted, like any model file: every file has a limit, headers are checked before
//! anything reads by them, and no code from a folder is ever run.

mod adapter;
mod adapter_settings;
mod files;
mod header;
mod json;
mod method;
mod packed;
mod packer;
mod product;
mod scaled;
mod tensors;
mod texts;

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Defect, ModelError};
pub use adapter::{Adapter, LowRank};
pub(crate) use packed::Packed;
pub(crate) use product::Product;
pub(crate) use scaled::Scaled;
pub(crate) use tensors::Tensors;
pub(crate) use texts::Texts;

/// Largest `config.json`; the largest known have some 100 kB, lists of labels.
const MAX_CONFIG: u64 = 4 << 20;

/// A folder, opened.
pub(crate) struct Checkpoint {
    /// `config.json`.
    pub config: Map<String, Value>,
    /// Tensors of all files.
    pub tensors: Tensors,
    /// Tokenizer and template.
    pub texts: Texts,
}

/// Opens a folder.
pub(crate) fn open(folder: &Path) -> Result<Checkpoint, ModelError> {
    let Some(config) = json::object(&folder.join("config.json"), MAX_CONFIG)? else {
        let defect = Defect {
            found: "it is a folder without config.json".to_owned(),
            fix: "give a folder with config.json and *.safetensors, or a .gguf file",
        };
        return Err(defect.of(&folder.display().to_string()));
    };
    let (files, stored) = files::open(folder)?;
    let quantization = quantization(folder, &config)?;
    let tensors = Tensors::new(stored, files, quantization.as_ref())
        .map_err(|defect| defect.of(&folder.display().to_string()))?;
    let texts = texts::read(folder, &config)?;
    Ok(Checkpoint { config, tensors, texts })
}

/// How weights are packed: `quantization_config`, or the files that `AutoGPTQ` and `AutoAWQ` wrote
/// before there was one.
fn quantization(
    folder: &Path,
    config: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, ModelError> {
    // compressed-tensors had a name of its own for it.
    for name in ["quantization_config", "compression_config"] {
        match config.get(name) {
            None | Some(Value::Null) => {}
            Some(settings) => return Ok(Some(settings.as_object().cloned().unwrap_or_default())),
        }
    }
    for (file, method) in [("quantize_config.json", "gptq"), ("quant_config.json", "awq")] {
        if let Some(mut settings) = json::object(&folder.join(file), MAX_CONFIG)? {
            settings.entry("quant_method").or_insert_with(|| method.into());
            return Ok(Some(settings));
        }
    }
    Ok(None)
}
