//! A model's file or folder, opened.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use candle_core::Device;
use candle_core::quantized::{QStorage, QTensor};

use crate::chat_template::ChatTemplate;
use crate::error::{Defect, ModelError};
use crate::gguf::mapped::ModelFile;
use crate::gguf::{self, FilePart, Header, split};
use crate::source::Source;
use crate::spec::{ModelSpec, Role};
use crate::storage::{StorageType, dequantize_iq4_nl};
use crate::tensors::{self, Key};
use crate::tokenizer::Tokenizer;
use crate::weight_format::{WeightFormat, convert};
use crate::{architectures, checkpoint, tokenizer};

/// A checked model: every number of `spec` is sound and every tensor that it implies is there, in
/// the shape that it implies.
pub struct Model {
    /// The architecture.
    pub spec: ModelSpec,
    /// Text to ids and back; has exactly `spec.vocab` tokens.
    pub tokenizer: Tokenizer,
    /// Messages to a prompt, when the file has a template.
    pub chat_template: Option<ChatTemplate>,
    tensors: HashMap<Key, Source>,
    files: Vec<ModelFile>,
    format: Option<WeightFormat>,
}

/// What a tensor is, without its numbers.
#[derive(Clone, Debug)]
pub struct TensorInfo<'a> {
    /// Name in the file; the first of several that make it.
    pub name: &'a str,
    /// How its numbers are stored.
    pub dtype: StorageType,
    /// Row-major, `[rows, columns]` or `[n]`.
    pub shape: &'a [usize],
}

/// One tensor, as its role wants it.
#[derive(Clone, Debug)]
pub struct TensorView<'a> {
    /// Name in the file; the first of several that make it.
    pub name: &'a str,
    /// How its numbers are stored.
    pub dtype: StorageType,
    /// Row-major, `[rows, columns]` or `[n]`.
    pub shape: Vec<usize>,
    /// Straight from the mapped file where they lie there so, else made of its rows; aligned to
    /// nothing.
    pub bytes: Cow<'a, [u8]>,
}

impl Model {
    /// Maps and checks a GGUF file, with those beside it that it is in pieces with, or a folder of
    /// Hugging Face's transformers. Whatever it holds, the answer is a model or an error of one
    /// sentence.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        if path.is_dir() {
            return Self::open_folder(path);
        }
        let (header, files) = split::open(path)?;
        Self::read(header, files).map_err(|defect| defect.of(&path.display().to_string()))
    }

    /// Like [`Model::open`], for a GGUF file that has other content around the model.
    pub fn open_part(path: &Path, part: FilePart) -> Result<Self, ModelError> {
        Self::alone(&path.display().to_string(), ModelFile::map(path, Some(part)))
    }

    /// Like [`Model::open`], for the bytes of a GGUF file; `name` stands for it in errors.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        Self::alone(name, ModelFile::copy(bytes))
    }

    /// A model in one file.
    fn alone(name: &str, bytes: io::Result<ModelFile>) -> Result<Self, ModelError> {
        let bytes =
            bytes.map_err(|source| ModelError::Unreadable { file: name.to_owned(), source })?;
        let read = || {
            let header = gguf::read(&bytes)?;
            split::check_alone(&header.metadata)?;
            Ok(header)
        };
        let header = read().map_err(|defect: Defect| defect.of(name))?;
        Self::read(header, vec![bytes]).map_err(|defect| defect.of(name))
    }

    fn read(mut header: Header, files: Vec<ModelFile>) -> Result<Self, Defect> {
        let spec = architectures::spec(&header, &files)?;
        let tensors = tensors::assign(&spec, &header.tensors)?;
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
        Ok(Self { spec, tokenizer, chat_template, tensors, files, format: None })
    }

    fn open_folder(folder: &Path) -> Result<Self, ModelError> {
        let checkpoint = checkpoint::open(folder)?;
        let read = || {
            let (spec, tensors) =
                architectures::of_checkpoint(&checkpoint.config, &checkpoint.tensors)?;
            let tokenizer = Tokenizer::hub(&checkpoint.texts.vocabulary, Some(spec.vocab))?;
            Ok((spec, tensors, tokenizer))
        };
        let (spec, tensors, tokenizer) =
            read().map_err(|defect: Defect| defect.of(&folder.display().to_string()))?;
        let template = checkpoint.texts.chat_template.as_deref();
        let chat_template = template.map(|source| ChatTemplate::new(source, &tokenizer));
        let files = checkpoint.tensors.files;
        Ok(Self { spec, tokenizer, chat_template, tensors, files, format: None })
    }

    /// The tensor of a role; roles of a block need the layer.
    pub fn tensor(&self, role: Role, layer: Option<usize>) -> Result<TensorView<'_>, ModelError> {
        let source = self
            .tensors
            .get(&(role, layer))
            .ok_or_else(|| ModelError::NoTensor { role: tensors::name(role, layer) })?;
        self.files.iter().try_for_each(ModelFile::check_whole)?;
        let view = TensorView {
            name: source.name(),
            dtype: source.dtype(),
            shape: source.shape.clone(),
            bytes: source.bytes(&self.files),
        };
        convert(view, self.held_as(role, source))
    }

    /// All tensors with their roles, in no order.
    pub fn tensors(&self) -> impl Iterator<Item = (Role, TensorInfo<'_>)> {
        self.tensors.iter().map(|((role, _), source)| {
            let (name, shape) = (source.name(), source.shape.as_slice());
            (*role, TensorInfo { name, dtype: self.held_as(*role, source), shape })
        })
    }

    /// The model with its matrices in another format, where the files have them as floats. They
    /// are converted when they are asked for.
    ///
    /// # Errors
    /// [`ModelError::AlreadyQuantized`] when there is nothing to quantize.
    pub fn with_format(self, format: WeightFormat) -> Result<Self, ModelError> {
        let model = Self { format: Some(format), ..self };
        let changes =
            |((role, _), source): (&Key, &Source)| model.held_as(*role, source) != source.dtype();
        if format.is_quantized() && !model.tensors.iter().any(changes) {
            return Err(ModelError::AlreadyQuantized { format: format.name() });
        }
        Ok(model)
    }

    fn held_as(&self, role: Role, source: &Source) -> StorageType {
        let stored = source.dtype();
        self.format.map_or(stored, |format| format.of(role, stored, &source.shape))
    }

    /// Whether [`Model::tensor`] has an answer.
    pub fn has(&self, role: Role, layer: Option<usize>) -> bool {
        self.tensors.contains_key(&(role, layer))
    }

    /// All weights as stored, bytes.
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors.values().map(Source::stored_bytes).sum()
    }
}

impl TensorView<'_> {
    /// The numbers as f32, row-major, through candle where it knows the type.
    pub fn dequantize(&self) -> Result<Vec<f32>, ModelError> {
        let dtype = match self.dtype {
            StorageType::Ggml(dtype) => dtype,
            StorageType::Iq4Nl => return Ok(dequantize_iq4_nl(&self.bytes)),
        };
        let numbers = || {
            let mut copy = Vec::new();
            let bytes = aligned(&self.bytes, &mut copy);
            let storage = QStorage::from_data(bytes.into(), &Device::Cpu, dtype)?;
            let tensor = QTensor::new(storage, self.shape.as_slice())?;
            tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()
        };
        numbers().map_err(|error: candle_core::Error| ModelError::Dequantize {
            name: self.name.to_owned(),
            reason: error.to_string(),
        })
    }
}

/// Where candle wants a tensor's bytes to start: it panics at any others.
const ALIGNMENT: usize = 8;

/// The bytes themselves when they are aligned, else a copy.
fn aligned<'a>(bytes: &'a [u8], copy: &'a mut Vec<u8>) -> &'a [u8] {
    if bytes.as_ptr().align_offset(ALIGNMENT) == 0 {
        return bytes;
    }
    copy.resize(bytes.len() + ALIGNMENT, 0);
    let start = copy.as_ptr().align_offset(ALIGNMENT);
    let out = &mut copy[start..start + bytes.len()];
    out.copy_from_slice(bytes);
    out
}
