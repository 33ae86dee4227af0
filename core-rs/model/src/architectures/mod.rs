//! One table for each architecture: a file's metadata to a [`ModelSpec`].
//!
//! A new architecture is a new file here and a line in [`ARCHITECTURES`].

mod gemma3;
mod keys;
mod llama;
mod qwen2;

use crate::error::Defect;
use crate::gguf::Header;
use crate::spec::{
    Activation, Attention, Block, Embedding, Mlp, ModelSpec, Norm, NormKind, Norms, Position, Rope,
    RopeLayout,
};
use keys::Keys;

/// Reads the specification of one architecture.
type Table = fn(&Keys) -> Result<ModelSpec, Defect>;

/// Every architecture that can be served, by `general.architecture`.
const ARCHITECTURES: [(&str, Table); 3] =
    [("gemma3", gemma3::spec), ("llama", llama::spec), ("qwen2", qwen2::spec)];

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

/// What llama, qwen2 and gemma3 have in common: RMS norms before attention and MLP, rope, a gated
/// MLP without biases. Each table names what differs.
fn decoder(keys: &Keys, layout: RopeLayout, rope: Rope) -> Result<ModelSpec, Defect> {
    let shape = keys.shape()?;
    let norm =
        Norm { kind: NormKind::Rms, epsilon: keys.epsilon()?, weight_offset: 0.0, bias: false };
    let attention = Attention {
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        head_size: shape.head_size,
        scale: 1.0 / (shape.head_size as f32).sqrt(),
        soft_cap: None,
        qk_norm: None,
        qkv_bias: false,
        output_bias: false,
        windows: vec![None; shape.layers],
    };
    Ok(ModelSpec {
        architecture: keys.architecture.to_owned(),
        vocab: shape.vocab,
        hidden: shape.hidden,
        layers: shape.layers,
        context: shape.context,
        attention,
        position: Position::Rope {
            layout,
            dimensions: keys.rope_dimensions(shape.head_size)?,
            layers: vec![Some(rope); shape.layers],
        },
        norm,
        block: Block::Sequential(Norms::Before),
        residual_scale: 1.0,
        mlp: Mlp {
            intermediate: shape.intermediate,
            activation: Activation::Silu,
            gated: true,
            bias: false,
            experts: None,
        },
        embedding: Embedding {
            tied: !keys.has_tensor("output.weight"),
            scale: 1.0,
            norm: false,
            logit_scale: 1.0,
            logit_soft_cap: None,
        },
    })
}
