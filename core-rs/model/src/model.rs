//! A model file, opened.

use std::collections::HashMap;
use std::path::Path;

use candle_core::Device;
use candle_core::quantized::{QStorage, QTensor};
use memmap2::Mmap;

use crate::chat_template::ChatTemplate;
use crate::error::{Defect, ModelError};
use crate::gguf::{self, Tensor, mapped};
use crate::spec::{ModelSpec, Role};
use crate::storage::{StorageType, dequantize_iq4_nl};
use crate::tensors::{self, Key};
use crate::tokenizer::Tokenizer;
use crate::{architectures, tokenizer};

/// A checked model: every number of `spec` is sound and every tensor that it implies is there, in
/// the shape that it implies.
pub struct Model {
    /// The architecture.
    pub spec: ModelSpec,
    /// Text to ids and back; has exactly `spec.vocab` tokens.
    pub tokenizer: Tokenizer,
    /// Messages to a prompt, when the file has a template.
    pub chat_template: Option<ChatTemplate>,
    tensors: HashMap<Key, Tensor>,
    bytes: Mmap,
}

/// One tensor, as it lies in the file.
#[derive(Clone, Debug)]
pub struct TensorView<'a> {
    /// Name in the file.
    pub name: &'a str,
    /// How its numbers are stored.
    pub dtype: StorageType,
    /// Row-major, `[rows, columns]` or `[n]`.
    pub shape: Vec<usize>,
    /// Straight from the mapped file; aligned to at least 8 bytes.
    pub bytes: &'a [u8],
}

impl Model {
    /// Maps and checks a GGUF file. Whatever the file holds, the answer is a model or an error of
    /// one sentence.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = path.display().to_string();
        match mapped::map(path) {
            Ok(bytes) => Self::read(bytes).map_err(|defect| defect.of(&file)),
            Err(source) => Err(ModelError::Unreadable { file, source }),
        }
    }

    /// Like [`Model::open`], for bytes at hand; `name` stands for the file in errors.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        match mapped::copy(bytes) {
            Ok(bytes) => Self::read(bytes).map_err(|defect| defect.of(name)),
            Err(source) => Err(ModelError::Unreadable { file: name.to_owned(), source }),
        }
    }

    fn read(bytes: Mmap) -> Result<Self, Defect> {
        let mut header = gguf::read(&bytes)?;
        let spec = architectures::spec(&header)?;
        let tensors = tensors::assign(&spec, header.tensors)?;
        let tokenizer = tokenizer::from_metadata(&mut header.metadata)?;
        if tokenizer.vocab() != spec.vocab {
            return Err(Defect::malformed(format!(
                "the tokenizer has {} tokens, the embedding {} rows",
                tokenizer.vocab(),
                spec.vocab
            )));
        }
        let chat_template = header
            .metadata
            .string("tokenizer.chat_template")?
            .map(|source| ChatTemplate::new(source, &tokenizer));
        Ok(Self { spec, tokenizer, chat_template, tensors, bytes })
    }

    /// The tensor of a role; roles of a block need the layer.
    pub fn tensor(&self, role: Role, layer: Option<usize>) -> Result<TensorView<'_>, ModelError> {
        let tensor = self
            .tensors
            .get(&(role, layer))
            .ok_or_else(|| ModelError::NoTensor { role: tensors::name(role, layer) })?;
        Ok(self.view(tensor))
    }

    /// All tensors with their roles, in no order.
    pub fn tensors(&self) -> impl Iterator<Item = (Role, TensorView<'_>)> {
        self.tensors.iter().map(|((role, _), tensor)| (*role, self.view(tensor)))
    }

    fn view<'a>(&'a self, tensor: &'a Tensor) -> TensorView<'a> {
        TensorView {
            name: &tensor.name,
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            bytes: &self.bytes[tensor.range.clone()],
        }
    }

    /// Whether [`Model::tensor`] has an answer.
    pub fn has(&self, role: Role, layer: Option<usize>) -> bool {
        self.tensors.contains_key(&(role, layer))
    }

    /// All weights as stored, bytes.
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.range.len() as u64).sum()
    }
}

impl TensorView<'_> {
    /// The numbers as f32, row-major, through candle where it knows the type.
    pub fn dequantize(&self) -> Result<Vec<f32>, ModelError> {
        let dtype = match self.dtype {
            StorageType::Ggml(dtype) => dtype,
            StorageType::Iq4Nl => return Ok(dequantize_iq4_nl(self.bytes)),
        };
        let numbers = || {
            let storage = QStorage::from_data(self.bytes.into(), &Device::Cpu, dtype)?;
            let tensor = QTensor::new(storage, self.shape.as_slice())?;
            tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()
        };
        numbers().map_err(|error: candle_core::Error| ModelError::Dequantize {
            name: self.name.to_owned(),
            reason: error.to_string(),
        })
    }
}
