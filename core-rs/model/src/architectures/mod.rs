//! One table for each architecture: a file's metadata to a [`ModelSpec`].
//!
//! A new architecture is a new file here, a line in [`ARCHITECTURES`] for GGUF, and one in
//! [`MODEL_TYPES`] for folders of Hugging Face.

mod config;
mod gemma3;
mod keys;
mod llama;
mod names;
mod qwen2;

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::checkpoint::Tensors;
use crate::error::Defect;
use crate::gguf::Header;
use crate::source::Source;
use crate::spec::{
    Activation, Attention, Block, Embedding, Mlp, ModelSpec, Norm, NormKind, Position, Rope,
    RopeLayout,
};
use crate::tensors::Key;
use config::Config;
use keys::{Base, Keys};
use names::Names;

/// Reads the specification of one architecture.
type Table = fn(&Keys) -> Result<ModelSpec, Defect>;

/// Every architecture that can be served, by `general.architecture`.
const ARCHITECTURES: [(&str, Table); 3] =
    [("gemma3", gemma3::spec), ("llama", llama::spec), ("qwen2", qwen2::spec)];

/// How one kind of checkpoint is read.
struct ModelType {
    /// `model_type` of config.json.
    name: &'static str,
    /// GGUF's name of the architecture.
    architecture: &'static str,
    /// Reads the specification.
    spec: fn(&Config) -> Result<ModelSpec, Defect>,
    /// Where the tensors are.
    names: Names,
}

/// Every architecture that can be served, by `model_type`.
const MODEL_TYPES: [ModelType; 4] = [
    ModelType {
        name: "gemma3_text",
        architecture: "gemma3",
        spec: gemma3::from_config,
        names: gemma3::NAMES,
    },
    ModelType {
        name: "llama",
        architecture: "llama",
        spec: llama::from_config,
        names: llama::NAMES,
    },
    ModelType {
        name: "mistral",
        architecture: "llama",
        spec: llama::from_config,
        names: llama::NAMES,
    },
    ModelType {
        name: "qwen2",
        architecture: "qwen2",
        spec: qwen2::from_config,
        names: qwen2::NAMES,
    },
];

/// Reads and checks a file's specification.
pub(crate) fn spec(header: &Header) -> Result<ModelSpec, Defect> {
    let Header { metadata, tensors } = header;
    let architecture = metadata
        .string("general.architecture")?
        .ok_or_else(|| Defect::malformed("general.architecture is missing"))?;
    let table = ARCHITECTURES.iter().find(|(known, _)| *known == architecture);
    let (_, table) = table.ok_or_else(|| {
        let known = ARCHITECTURES.map(|(known, _)| known).join(", ");
        Defect::unsupported(format!(
            "its architecture is {architecture:?}, this version serves {known}"
        ))
    })?;
    table(&Keys::new(architecture, metadata, tensors))
}

/// Reads and checks a checkpoint's specification, and finds its tensors.
pub(crate) fn of_checkpoint(
    config: &Map<String, Value>,
    tensors: &Tensors,
) -> Result<(ModelSpec, HashMap<Key, Source>), Defect> {
    let name = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let known = MODEL_TYPES.iter().find(|known| known.name == name);
    let ModelType { architecture, spec, names, .. } = known.ok_or_else(|| {
        let known = MODEL_TYPES.map(|known| known.name).join(", ");
        let code = match config.contains_key("auto_map") {
            true => " and needs code of its own, which is never run",
            false => "",
        };
        Defect::unsupported(format!(
            "its model_type is {name:?}{code}, this version serves {known}"
        ))
    })?;
    let spec = spec(&Config::new(architecture, config))?;
    let sources = names::assign(&spec, names, tensors)?;
    Ok((spec, sources))
}

/// What llama, qwen2 and gemma3 have in common: RMS norms before attention and MLP, rope, a gated
/// MLP without biases. Each table names what differs.
fn decoder(base: Base, layout: RopeLayout, rope: Rope) -> ModelSpec {
    let Base { architecture, shape, epsilon, rope_dimensions, tied } = base;
    let norm = Norm { kind: NormKind::Rms, epsilon, weight_offset: 0.0, bias: false };
    let attention = Attention {
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        head_size: shape.head_size,
        scale: 1.0 / (shape.head_size as f32).sqrt(),
        soft_cap: None,
        qk_norm: false,
        qkv_bias: false,
        output_bias: false,
        windows: vec![None; shape.layers],
    };
    ModelSpec {
        architecture: architecture.to_owned(),
        vocab: shape.vocab,
        hidden: shape.hidden,
        layers: shape.layers,
        context: shape.context,
        attention,
        position: Position::Rope {
            layout,
            dimensions: rope_dimensions,
            layers: vec![rope; shape.layers],
        },
        norm,
        block: Block::Sequential { post_norms: false },
        mlp: Mlp {
            intermediate: shape.intermediate,
            activation: Activation::Silu,
            gated: true,
            bias: false,
        },
        embedding: Embedding { tied, scale: 1.0, logit_scale: 1.0, logit_soft_cap: None },
    }
}
