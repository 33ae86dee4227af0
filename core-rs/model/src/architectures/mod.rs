//! One table for each architecture: a file's metadata to a [`ModelSpec`].
//!
//! A new architecture is a new file here, a line in [`ARCHITECTURES`] for GGUF, and one in
//! [`MODEL_TYPES`] for folders of Hugging Face.

mod bloom;
mod config;
mod config_rope;
mod falcon;
mod gemma;
mod gemma3;
mod gpt2;
mod gpt_neox;
mod granite;
mod keys;
mod keys_rope;
mod llama;
mod mixtral;
mod names;
mod olmo2;
mod opt;
mod phi3;
mod qwen2;
mod qwen3;
mod shared;
mod smollm3;
mod stablelm;
mod starcoder2;

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::checkpoint::Tensors;
use crate::error::Defect;
use crate::gguf::Header;
use crate::gguf::mapped::ModelFile;
use crate::source::Source;
use crate::spec::{Block, Experts, ModelSpec, Position, Rope, RopeLayout, RopeScaling};
use crate::tensors::Key;
use config::Config;
use keys::{Base, Keys};
use names::Names;
pub(crate) use names::Projection;

/// Reads the specification of one architecture.
type Table = fn(&Keys) -> Result<ModelSpec, Defect>;

/// Every architecture that can be served, by `general.architecture`.
const ARCHITECTURES: [(&str, Table); 18] = [
    ("bloom", bloom::spec),
    ("falcon", falcon::spec),
    ("gemma", gemma::spec),
    ("gemma2", gemma::second_spec),
    ("gemma3", gemma3::spec),
    ("gpt2", gpt2::spec),
    ("gptneox", gpt_neox::spec),
    ("granite", granite::spec),
    ("llama", llama::spec),
    ("olmo2", olmo2::spec),
    ("phi3", phi3::spec),
    ("qwen2", qwen2::spec),
    ("qwen3", qwen3::spec),
    ("qwen3moe", qwen3::spec_with_experts),
    ("smollm3", smollm3::spec),
    ("stablelm", stablelm::spec),
    ("starcoder", gpt2::spec),
    ("starcoder2", starcoder2::spec),
];

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
const MODEL_TYPES: [ModelType; 22] = [
    model_type("bloom", "bloom", bloom::from_config, bloom::NAMES),
    model_type("falcon", "falcon", falcon::from_config, falcon::NAMES),
    model_type("gemma", "gemma", gemma::from_config, llama::NAMES),
    model_type("gemma2", "gemma2", gemma::second_from_config, gemma::SECOND_NAMES),
    model_type("gemma3", "gemma3", gemma3::of_vision_config, gemma3::VISION_NAMES),
    model_type("gemma3_text", "gemma3", gemma3::from_config, gemma3::NAMES),
    model_type("gpt2", "gpt2", gpt2::from_config, gpt2::NAMES),
    model_type("gpt_bigcode", "starcoder", gpt2::bigcode_from_config, gpt2::BIGCODE_NAMES),
    model_type("gpt_neox", "gptneox", gpt_neox::from_config, gpt_neox::NAMES),
    model_type("granite", "granite", granite::from_config, llama::NAMES),
    model_type("llama", "llama", llama::from_config, llama::NAMES),
    model_type("mistral", "llama", llama::from_config, llama::NAMES),
    model_type("mixtral", "llama", mixtral::from_config, mixtral::NAMES),
    model_type("olmo2", "olmo2", olmo2::from_config, olmo2::NAMES),
    model_type("opt", "opt", opt::from_config, opt::NAMES),
    model_type("phi3", "phi3", phi3::from_config, phi3::NAMES),
    model_type("qwen2", "qwen2", qwen2::from_config, llama::NAMES),
    model_type("qwen3", "qwen3", qwen3::from_config, qwen3::NAMES),
    model_type("qwen3_moe", "qwen3moe", qwen3::with_experts_from_config, qwen3::NAMES_WITH_EXPERTS),
    model_type("smollm3", "smollm3", smollm3::from_config, llama::NAMES),
    model_type("stablelm", "stablelm", stablelm::from_config, stablelm::NAMES),
    model_type("starcoder2", "starcoder2", starcoder2::from_config, starcoder2::NAMES),
];

const fn model_type(
    name: &'static str,
    architecture: &'static str,
    spec: fn(&Config) -> Result<ModelSpec, Defect>,
    names: Names,
) -> ModelType {
    ModelType { name, architecture, spec, names }
}

/// Reads and checks the specification of a model in these files.
pub(crate) fn spec(header: &Header, files: &[ModelFile]) -> Result<ModelSpec, Defect> {
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
    checked(table(&Keys::new(architecture, metadata, tensors, files))?)
}

/// Reads and checks a checkpoint's specification, and finds its tensors.
pub(crate) fn of_checkpoint(
    config: &Map<String, Value>,
    tensors: &Tensors,
) -> Result<(ModelSpec, HashMap<Key, Source>), Defect> {
    let name = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let known = MODEL_TYPES.iter().find(|known| known.name == name);
    let ModelType { name, architecture, spec, names } = known.ok_or_else(|| {
        let known = MODEL_TYPES.map(|known| known.name).join(", ");
        let needs_code = config.contains_key("auto_map");
        let code = if needs_code { " and needs code of its own, which is never run" } else { "" };
        Defect::unsupported(format!(
            "its model_type is {name:?}{code}, this version serves {known}"
        ))
    })?;
    let spec = checked(spec(&Config::new(architecture, config))?)?;
    let names = match spec.block {
        Block::Parallel { mlp_norm: true } if *name == "falcon" => &falcon::TWO_NORMS_NAMES,
        _ if *name == "opt" => opt::names(&Config::new(architecture, config), &spec)?,
        _ => names,
    };
    let sources = names::assign(&spec, names, tensors)?;
    Ok((spec, sources))
}

/// What a module of this name in transformers, such as `model.layers.0.self_attn.q_proj`, multiplies
/// with: nothing where the name is of something else or of an expert, several roles where it is of
/// a fused matrix.
pub(crate) fn projections(spec: &ModelSpec, module: &str) -> Result<Vec<Projection>, Defect> {
    let types = MODEL_TYPES.iter().filter(|known| known.architecture == spec.architecture);
    for known in types {
        let found = known.names.projections(spec, module)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Most experts of a layer; the largest open models have 512.
const MAX_EXPERTS: usize = 1024;

/// Checks what tables read without a look at the rest.
fn checked(spec: ModelSpec) -> Result<ModelSpec, Defect> {
    if let Some(Experts { count, used, .. }) = spec.mlp.experts
        && (count > MAX_EXPERTS || used > count)
    {
        return Err(Defect::malformed(format!(
            "a token uses {used} of {count} experts, expected no more than there are and at most \
             {MAX_EXPERTS}"
        )));
    }
    let Position::Rope { dimensions, layers, .. } = &spec.position else { return Ok(spec) };
    let lists = layers.iter().flatten().flat_map(|rope| match &rope.scaling {
        RopeScaling::LongRope { short, long, .. } => vec![short.len(), long.len()],
        RopeScaling::Divided(by) => vec![by.len()],
        _ => Vec::new(),
    });
    match lists.into_iter().find(|&length| length != dimensions / 2) {
        Some(length) => Err(Defect::malformed(format!(
            "rope is scaled by a list of {length} numbers, expected {}",
            dimensions / 2
        ))),
        None => Ok(spec),
    }
}

/// What llama, qwen2 and gemma3 have in common. Each table names what differs.
fn decoder(base: Base, layout: RopeLayout, rope: Rope) -> ModelSpec {
    let mut spec = ModelSpec::plain(base.architecture, &base.shape, layout, rope);
    if let Position::Rope { dimensions, .. } = &mut spec.position {
        *dimensions = base.rope_dimensions;
    }
    spec.norm.epsilon = base.epsilon;
    spec.embedding.tied = base.tied;
    spec
}
