//! The numbers every architecture has, read and bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::quantized::GgmlDType;

use crate::error::Defect;
use crate::gguf::mapped::ModelFile;
use crate::gguf::metadata::Metadata;
use crate::plain::Shape;
use crate::source::{Content, Tensor};
use crate::spec::{Experts, ModelSpec};

/// Largest width, vocabulary or context. Products of three such numbers fit in 64 bits.
pub(super) const MAX_DIMENSION: u64 = 1 << 20;
/// Largest number of layers; the deepest open models have under 200.
pub(super) const MAX_LAYERS: usize = 1024;

impl Shape {
    /// Checks that the heads fit together.
    pub(super) fn checked(self) -> Result<Self, Defect> {
        let Self { heads, kv_heads, head_size, .. } = self;
        if !heads.is_multiple_of(kv_heads) {
            return Err(Defect::malformed(format!(
                "{heads} query heads cannot share {kv_heads} key heads evenly"
            )));
        }
        if head_size == 0 || !head_size.is_multiple_of(2) {
            return Err(Defect::unsupported(format!(
                "its heads are {head_size} wide, expected an even width"
            )));
        }
        Ok(self)
    }
}

/// What every decoder has, from either kind of file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    /// The architecture's name in GGUF.
    pub architecture: &'a str,
    /// Sizes.
    pub shape: Shape,
    /// Added under the root of norms.
    pub epsilon: f32,
    /// Elements of a head that rotate.
    pub rope_dimensions: usize,
    /// The head is the embedding itself.
    pub tied: bool,
}

/// A file's metadata under one architecture's prefix.
pub(super) struct Keys<'a> {
    /// The architecture: the prefix of its keys.
    pub architecture: &'a str,
    metadata: &'a Metadata,
    tensors: &'a BTreeMap<String, Tensor>,
    files: &'a [ModelFile],
}

impl<'a> Keys<'a> {
    /// Looks into a header.
    pub fn new(
        architecture: &'a str,
        metadata: &'a Metadata,
        tensors: &'a BTreeMap<String, Tensor>,
        files: &'a [ModelFile],
    ) -> Self {
        Self { architecture, metadata, tensors, files }
    }

    /// What every decoder has.
    pub fn base(&self) -> Result<Base<'a>, Defect> {
        let shape = self.shape()?;
        Ok(Base {
            architecture: self.architecture,
            epsilon: self.epsilon()?,
            rope_dimensions: self.rope_dimensions(shape.head_size)?,
            tied: !self.has_tensor("output.weight"),
            shape,
        })
    }

    /// Reads and checks the sizes.
    pub fn shape(&self) -> Result<Shape, Defect> {
        let hidden = self.dimension("embedding_length")?;
        let heads = self.dimension("attention.head_count")?;
        let kv_heads = self.optional_dimension("attention.head_count_kv")?.unwrap_or(heads);
        let layers = self.dimension("block_count")?;
        if layers > MAX_LAYERS {
            return Err(self.out_of_range("block_count", layers as u64, MAX_LAYERS as u64));
        }
        Shape {
            vocab: self.vocab()?,
            hidden,
            layers,
            context: self.dimension("context_length")?,
            heads,
            kv_heads,
            head_size: self.head_size(hidden, heads)?,
            intermediate: self.dimension("feed_forward_length")?,
        }
        .checked()
    }

    fn vocab(&self) -> Result<usize, Defect> {
        match self.tensors.get("token_embd.weight").map(|tensor| tensor.shape.as_slice()) {
            Some(&[rows, _]) if rows as u64 <= MAX_DIMENSION => Ok(rows),
            found => Err(Defect::malformed(format!(
                "tensor token_embd.weight has shape {:?}, expected [vocabulary, hidden]",
                found.unwrap_or_default()
            ))),
        }
    }

    fn head_size(&self, hidden: usize, heads: usize) -> Result<usize, Defect> {
        let size = match self.optional_dimension("attention.key_length")? {
            Some(size) => size,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(Defect::malformed(format!(
                    "{heads} heads do not divide a width of {hidden}"
                )));
            }
        };
        let value_size = self.optional_dimension("attention.value_length")?.unwrap_or(size);
        if value_size != size || !size.is_multiple_of(2) {
            return Err(Defect::unsupported(format!(
                "keys are {size} wide and values {value_size}, expected one even width"
            )));
        }
        Ok(size)
    }

    /// Whether the file has a tensor of this name.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A size that must be there, at least 1.
    pub fn dimension(&self, key: &str) -> Result<usize, Defect> {
        self.optional_dimension(key)?
            .ok_or_else(|| Defect::malformed(format!("{} is missing", self.full(key))))
    }

    /// A size, at least 1, if the file has it.
    pub fn optional_dimension(&self, key: &str) -> Result<Option<usize>, Defect> {
        match self.metadata.integer(&self.full(key))? {
            None => Ok(None),
            Some(size) if (1..=MAX_DIMENSION).contains(&size) => Ok(Some(size as usize)),
            Some(size) => Err(self.out_of_range(key, size, MAX_DIMENSION)),
        }
    }

    fn out_of_range(&self, key: &str, found: u64, limit: u64) -> Defect {
        Defect::malformed(format!("{} is {found}, expected 1 to {limit}", self.full(key)))
    }

    /// A number above 0, if the file has it.
    pub fn positive(&self, key: &str) -> Result<Option<f32>, Defect> {
        match self.metadata.float(&self.full(key))? {
            Some(number) if number <= 0.0 => Err(Defect::malformed(format!(
                "{} is {number}, expected a number above 0",
                self.full(key)
            ))),
            number => Ok(number),
        }
    }

    /// Epsilon of the norms, of either kind.
    pub fn epsilon(&self) -> Result<f32, Defect> {
        let key = "attention.layer_norm_rms_epsilon";
        let found = match self.positive(key)? {
            None => self.positive("attention.layer_norm_epsilon")?,
            found => found,
        };
        found.ok_or_else(|| Defect::malformed(format!("{} is missing", self.full(key))))
    }

    /// Elements of a head that rotate.
    pub fn rope_dimensions(&self, head_size: usize) -> Result<usize, Defect> {
        let dimensions = self.optional_dimension("rope.dimension_count")?.unwrap_or(head_size);
        if dimensions > head_size || !dimensions.is_multiple_of(2) {
            return Err(Defect::malformed(format!(
                "{} is {dimensions}, expected an even number up to {head_size}",
                self.full("rope.dimension_count")
            )));
        }
        Ok(dimensions)
    }

    /// A truth value, if the file has it.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, Defect> {
        self.metadata.bool(&self.full(key))
    }

    /// A text, if the file has it.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, Defect> {
        self.metadata.string(&self.full(key))
    }

    /// One window for all layers, when the file has one.
    pub fn window(&self, spec: &mut ModelSpec) -> Result<(), Defect> {
        let window = self.optional_dimension("attention.sliding_window")?;
        spec.attention.windows.fill(window.filter(|&window| window < spec.context));
        Ok(())
    }

    /// Biases where the first layer has them: no key says so.
    pub fn biases(&self, spec: &mut ModelSpec) {
        spec.attention.qkv_bias = self.has_tensor("blk.0.attn_q.bias");
        spec.attention.output_bias = self.has_tensor("blk.0.attn_output.bias");
        spec.mlp.bias = self.has_tensor("blk.0.ffn_down.bias");
    }

    /// Experts, when the file has some. No key says whether weights are normalized.
    pub fn experts(&self, normalized: bool) -> Result<Option<Experts>, Defect> {
        // Files of models without experts may have the key with a 0.
        match self.metadata.integer(&self.full("expert_count"))? {
            None | Some(0) => Ok(None),
            Some(_) => Ok(Some(Experts {
                count: self.dimension("expert_count")?,
                used: self.dimension("expert_used_count")?,
                normalized,
            })),
        }
    }

    /// The numbers of a vector of `f32`, all above 0, if the file has it.
    pub fn divisors(&self, name: &str) -> Result<Option<Arc<[f32]>>, Defect> {
        let Some(tensor) = self.tensors.get(name) else { return Ok(None) };
        if tensor.dtype != GgmlDType::F32.into() || tensor.shape.len() != 1 {
            return Err(Defect::malformed(format!(
                "tensor {name} is {} of shape {:?}, expected a vector of F32",
                tensor.dtype, tensor.shape
            )));
        }
        let Content::Stored { file, range } = &tensor.content else { return Ok(None) };
        let bytes = self.files[*file][range.clone()].as_chunks::<4>().0;
        let numbers: Arc<[f32]> = bytes.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        match numbers.iter().find(|number| !number.is_finite() || **number <= 0.0) {
            Some(number) => Err(Defect::malformed(format!(
                "tensor {name} has a {number}, expected numbers above 0"
            ))),
            None => Ok(Some(numbers)),
        }
    }

    /// A key with the architecture before it.
    pub fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }
}
