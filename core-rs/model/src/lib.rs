//! Model files, [`ModelSpec`], tokenizer and chat template.
//!
//! [`Model::open`] is the way in: it checks a file before anything trusts it, reads the
//! specification, and hands out tensors by [`Role`] straight from the mapped file.
//!
//! | module | job |
//! |---|---|
//! | [`model`] | [`Model`] and [`TensorView`]: a file or a folder, opened |
//! | `gguf` | checks of a GGUF file, its metadata and its tensors |
//! | `checkpoint` | folders of Hugging Face: safetensors, configuration, what belongs to text |
//! | `checkpoint::adapter` | [`Adapter`]: low-rank updates of projections, as PEFT saves them |
//! | `source` | where a role's tensor lies in the files |
//! | `plain` | the specification that most architectures start from |
//! | [`storage`] | how a tensor's numbers are stored |
//! | `architectures` | one table for each architecture: metadata to [`ModelSpec`] |
//! | `tensors` | which tensors a specification implies, and their names |
//! | [`tokenizer`] | text to token ids and back |
//! | [`chat_template`] | messages to a prompt |
//! | [`rope`], [`alibi`] | frequencies of rope, slopes of linear biases |
//! | `weight_format` | weights rounded or quantized at load |

pub mod alibi;
mod architectures;
pub mod chat_template;
mod checkpoint;
mod error;
mod gguf;
pub mod model;
mod plain;
pub mod rope;
mod source;
pub mod spec;
pub mod storage;
mod tensors;
pub mod tokenizer;
mod weight_format;

pub use chat_template::ChatTemplate;
pub use checkpoint::{Adapter, LowRank};
pub use error::{Defect, ModelError};
pub use gguf::FilePart;
pub use model::{Model, TensorInfo, TensorView};
pub use plain::Shape;
pub use spec::{ModelSpec, Role};
pub use storage::StorageType;
pub use tensors::shapes as tensor_shapes;
pub use tokenizer::{BpeVocabulary, HubVocabulary, PreTokenizer, TokenKind, Tokenizer};
pub use weight_format::WeightFormat;
