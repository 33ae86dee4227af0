//! The errors of this crate.

use std::fmt;
use std::io;

/// Why a model cannot be opened or used. Every message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The operating system refuses the file.
    #[error("Cannot open {file}: {source}; check the path and its permissions")]
    Unreadable {
        /// The path as the caller gave it.
        file: String,
        /// The system's word.
        source: io::Error,
    },
    /// The file is there but is no model that can be served.
    #[error("Cannot open {file}: {defect}")]
    Invalid {
        /// The path as the caller gave it.
        file: String,
        /// What is wrong and what helps.
        defect: Defect,
    },
    /// A tensor was asked for that the model does not have.
    #[error("Cannot find a tensor for {role} in the model; its ModelSpec does not call for one")]
    NoTensor {
        /// Role, and layer where there is one.
        role: String,
    },
    /// A tensor cannot be turned into f32.
    #[error("Cannot dequantize tensor {name}: {reason}")]
    Dequantize {
        /// Name in the file.
        name: String,
        /// The reader's word.
        reason: String,
    },
    /// A tensor cannot be turned into the format that was asked for.
    #[error("Cannot quantize tensor {name}: {reason}")]
    Quantize {
        /// Name in the file.
        name: String,
        /// What is in the way.
        reason: String,
    },
    /// Nothing is there to be quantized.
    #[error(
        "Cannot quantize the model to {format}: its weights are quantized already; leave --quantize \
         out"
    )]
    AlreadyQuantized {
        /// As asked for.
        format: &'static str,
    },
    /// A vocabulary is not usable.
    #[error("Cannot build the tokenizer: {0}")]
    Vocabulary(Defect),
    /// A text cannot be encoded.
    #[error("Cannot encode the text: {0}")]
    Encode(String),
    /// The chat template is broken, or it refuses these messages.
    #[error("Cannot render the chat template: {0}")]
    Template(String),
}

/// What is wrong with a model file, and what the operator can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// What was found and what was expected.
    pub found: String,
    /// What to do.
    pub fix: &'static str,
}

impl Defect {
    /// Bytes are missing or make no sense.
    pub(crate) fn damaged(found: impl Into<String>) -> Self {
        Self { found: found.into(), fix: "fetch the file again" }
    }

    /// The file contradicts itself or lacks what its architecture needs.
    pub(crate) fn malformed(found: impl Into<String>) -> Self {
        Self { found: found.into(), fix: "convert the model again with a current converter" }
    }

    /// The file may be sound, but this program cannot serve it.
    pub(crate) fn unsupported(found: impl Into<String>) -> Self {
        Self { found: found.into(), fix: "choose another model or another quantization" }
    }

    /// Names the file, for the caller of [`crate::Model::open`].
    pub(crate) fn of(self, file: &str) -> ModelError {
        ModelError::Invalid { file: file.to_owned(), defect: self }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.found, self.fix)
    }
}
