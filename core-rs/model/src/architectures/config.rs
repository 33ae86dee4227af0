//! `config.json` of Hugging Face's transformers, read and bounded as [`super::keys::Keys`] are.
//!
//! Names are lists of spellings: the first that the file has counts, and `null` is as good as
//! absent.

use serde_json::{Map, Value};

use super::keys::{Base, MAX_DIMENSION, MAX_LAYERS};
use crate::error::Defect;
use crate::plain::Shape;
use crate::spec::Activation;

/// Spellings of a name.
pub(super) type Names = &'static [&'static str];

const VOCAB: Names = &["vocab_size"];
const HIDDEN: Names = &["hidden_size", "n_embd", "n_embed", "d_model"];
const LAYERS: Names = &["num_hidden_layers", "n_layer"];
const HEADS: Names = &["num_attention_heads", "n_head"];
const KV_HEADS: Names = &["num_key_value_heads", "num_kv_heads"];
const CONTEXT: Names = &["max_position_embeddings", "n_positions", "seq_length"];
const INTERMEDIATE: Names = &["intermediate_size", "ffn_dim", "n_inner"];
/// Positions where a file does not say: transformers' own default for those that need not.
const DEFAULT_CONTEXT: usize = 2048;

/// A model's configuration.
pub(super) struct Config<'a> {
    /// What [`crate::ModelSpec::architecture`] becomes: the name that GGUF has for it.
    pub architecture: &'static str,
    object: &'a Map<String, Value>,
}

impl<'a> Config<'a> {
    /// Looks into a configuration.
    pub fn new(architecture: &'static str, object: &'a Map<String, Value>) -> Self {
        Self { architecture, object }
    }

    /// What every decoder has. `tied` is the architecture's own when the file does not say.
    pub fn base(&self, epsilon: Names, tied: bool) -> Result<Base<'a>, Defect> {
        self.base_with(required(epsilon, self.positive(epsilon)?)?, tied)
    }

    /// The same for an architecture whose epsilon is fixed.
    pub fn base_with(&self, epsilon: f32, tied: bool) -> Result<Base<'a>, Defect> {
        let shape = self.shape()?;
        Ok(Base {
            architecture: self.architecture,
            epsilon,
            rope_dimensions: shape.head_size,
            tied: self.bool(&["tie_word_embeddings"])?.unwrap_or(tied),
            shape,
        })
    }

    /// Reads and checks the sizes. An MLP without a width is four times as wide as the model.
    pub fn shape(&self) -> Result<Shape, Defect> {
        let hidden = self.dimension(HIDDEN)?;
        let layers = self.dimension(LAYERS)?;
        if layers > MAX_LAYERS {
            let found = format!("{} is {layers}, expected 1 to {MAX_LAYERS}", LAYERS[0]);
            return Err(malformed(found));
        }
        let heads = self.dimension(HEADS)?;
        Shape {
            vocab: self.dimension(VOCAB)?,
            hidden,
            layers,
            context: self.optional_dimension(CONTEXT)?.unwrap_or(DEFAULT_CONTEXT),
            heads,
            kv_heads: self.optional_dimension(KV_HEADS)?.unwrap_or(heads),
            head_size: self.optional_dimension(&["head_dim"])?.unwrap_or(hidden / heads),
            intermediate: self.optional_dimension(INTERMEDIATE)?.unwrap_or(4 * hidden),
        }
        .checked()
    }

    /// A size that must be there, at least 1.
    pub fn dimension(&self, names: Names) -> Result<usize, Defect> {
        required(names, self.optional_dimension(names)?)
    }

    /// A size, at least 1, if the file has it.
    pub fn optional_dimension(&self, names: Names) -> Result<Option<usize>, Defect> {
        match self.find(names) {
            None => Ok(None),
            Some((name, value)) => match value.as_u64() {
                Some(size) if (1..=MAX_DIMENSION).contains(&size) => Ok(Some(size as usize)),
                _ => Err(malformed(format!("{name} is {value}, expected 1 to {MAX_DIMENSION}"))),
            },
        }
    }

    /// A finite number, if the file has it.
    pub fn number(&self, names: Names) -> Result<Option<f32>, Defect> {
        let Some((name, value)) = self.find(names) else { return Ok(None) };
        match value.as_f64().map(|number| number as f32).filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(malformed(format!("{name} is {value}, expected a number"))),
        }
    }

    /// A number above 0, if the file has it.
    pub fn positive(&self, names: Names) -> Result<Option<f32>, Defect> {
        match self.number(names)? {
            Some(number) if number <= 0.0 => {
                let name = names[0];
                Err(malformed(format!("{name} is {number}, expected a number above 0")))
            }
            number => Ok(number),
        }
    }

    /// A truth value, if the file has it.
    pub fn bool(&self, names: Names) -> Result<Option<bool>, Defect> {
        let Some((name, value)) = self.find(names) else { return Ok(None) };
        let bool = value.as_bool();
        bool.map(Some)
            .ok_or_else(|| malformed(format!("{name} is {value}, expected true or false")))
    }

    /// A text, if the file has it.
    pub fn text(&self, names: Names) -> Result<Option<&'a str>, Defect> {
        let Some((name, value)) = self.find(names) else { return Ok(None) };
        let text = value.as_str();
        text.map(Some).ok_or_else(|| malformed(format!("{name} is {value}, expected a text")))
    }

    /// An array, if the file has it.
    pub fn list(&self, names: Names) -> Result<Option<&'a [Value]>, Defect> {
        let Some((name, value)) = self.find(names) else { return Ok(None) };
        let list = value.as_array().map(Vec::as_slice);
        list.map(Some).ok_or_else(|| malformed(format!("{name} is {value}, expected a list")))
    }

    /// The configuration within an object of this one, if the file has it.
    pub fn within(&self, names: Names) -> Result<Option<Self>, Defect> {
        let Some((name, value)) = self.find(names) else { return Ok(None) };
        let object = value
            .as_object()
            .ok_or_else(|| malformed(format!("{name} is {value}, expected an object")))?;
        Ok(Some(Self { object, ..*self }))
    }

    /// What the file sets to something.
    pub fn set(&self) -> Map<String, Value> {
        let set = self.object.iter().filter(|(_, value)| !value.is_null());
        set.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Whether a switch is on; off when the file does not say.
    pub fn is(&self, name: Names) -> Result<bool, Defect> {
        Ok(self.bool(name)?.unwrap_or(false))
    }

    /// Refuses a file whose switch differs from the only value that is known.
    pub fn only(&self, name: Names, known: bool) -> Result<(), Defect> {
        match self.bool(name)? {
            Some(found) if found != known => {
                let name = name[0];
                Err(Defect::unsupported(format!(
                    "config.json: {name} is {found}, this version knows {known} alone"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The activation of the MLP by transformers' name (`ACT2FN`).
    pub fn activation(&self, names: Names, default: Activation) -> Result<Activation, Defect> {
        Ok(match self.text(names)? {
            None => default,
            Some("silu" | "swish") => Activation::Silu,
            Some("gelu") => Activation::GeluErf,
            Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh") => {
                Activation::GeluTanh
            }
            Some("relu") => Activation::Relu,
            Some(other) => {
                let name = names[0];
                return Err(Defect::unsupported(format!(
                    "config.json: {name} is {other:?}, this version knows silu, gelu, gelu_new, \
                     gelu_pytorch_tanh and relu"
                )));
            }
        })
    }

    fn find(&self, names: Names) -> Option<(&'static str, &'a Value)> {
        let found = names.iter().map(|&name| (name, self.object.get(name)));
        found.filter_map(|(name, value)| Some((name, value?))).find(|(_, value)| !value.is_null())
    }
}

/// An error when the file lacks what must be there.
pub(super) fn required<T>(names: Names, value: Option<T>) -> Result<T, Defect> {
    value.ok_or_else(|| malformed(format!("{} is missing", names[0])))
}

/// The file lacks something or contradicts itself.
#[expect(clippy::needless_pass_by_value, reason = "every caller has made it for this")]
pub(super) fn malformed(found: String) -> Defect {
    Defect { found: format!("config.json: {found}"), fix: "fetch the model's config.json again" }
}
