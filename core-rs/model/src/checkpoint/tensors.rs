//! The tensors of a folder by the names that an architecture knows, packed or not.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::header::Stored;
use super::packed::{Packed, Packer};
use crate::error::Defect;
use crate::gguf::mapped::ModelFile;
use crate::source::{Content, Tensor};

/// What belongs to a packed `weight`, by the ends of the names.
const PACKED_ENDS: [&str; 4] = ["qweight", "qzeros", "scales", "g_idx"];

/// Tensors by name, and the files that hold them.
pub(crate) struct Tensors {
    /// All tensors of all files.
    stored: BTreeMap<String, Stored>,
    /// How weights of 4 bits are packed.
    packer: Option<Packer>,
    /// The files, mapped.
    pub files: Vec<ModelFile>,
}

impl Tensors {
    /// Tensors as the files have them; `quantization` says how they are packed.
    pub fn new(
        stored: BTreeMap<String, Stored>,
        files: Vec<ModelFile>,
        quantization: Option<&Map<String, Value>>,
    ) -> Result<Self, Defect> {
        Ok(Self { stored, packer: quantization.map(packer).transpose()?, files })
    }

    /// Names of all tensors that mean something, as an architecture knows them: a packed one is its
    /// `weight`.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let names = self.stored.iter().filter(|(name, stored)| !self.is_empty_bias(name, stored));
        names.map(|(name, _)| match self.packed_stem(name) {
            Some(stem) => format!("{stem}weight"),
            None => name.clone(),
        })
    }

    /// Whether it is a bias of zeros, which GPTQ writes to layers that have none.
    fn is_empty_bias(&self, name: &str, stored: &Stored) -> bool {
        let packed = self.packer.and(name.strip_suffix("bias"));
        packed.is_some_and(|stem| self.stored.contains_key(&format!("{stem}qweight")))
            && self.files[stored.file][stored.range.clone()].iter().all(|&byte| byte == 0)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.stored.contains_key(name)
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>, Defect> {
        if let Some(stored) = self.stored.get(name) {
            return stored.floats(name).map(Some);
        }
        let (Some(packer), Some(stem)) = (self.packer, name.strip_suffix("weight")) else {
            return Ok(None);
        };
        let part = |end: &str| self.stored.get(&format!("{stem}{end}"));
        let Some(weights) = part("qweight") else { return Ok(None) };
        let [Some(zeros), Some(scales)] = ["qzeros", "scales"].map(part) else {
            return Err(Defect::damaged(format!("tensor {stem}qweight lacks qzeros or scales")));
        };
        let tensors = [weights, zeros, scales];
        let packed = Packed::new(packer, name, tensors, part("g_idx"), &self.files)?;
        Ok(Some(Tensor {
            name: name.to_owned(),
            dtype: packed.dtype(),
            shape: vec![packed.outputs, packed.inputs],
            content: Content::Packed(Box::new(packed)),
        }))
    }

    fn packed_stem<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.packer?;
        let mut stems = PACKED_ENDS.iter().filter_map(|end| name.strip_suffix(end));
        stems.find(|stem| stem.ends_with('.'))
    }
}

/// Who packed the weights, by `quantization_config` and its like.
fn packer(settings: &Map<String, Value>) -> Result<Packer, Defect> {
    let text = |key: &str| settings.get(key).and_then(Value::as_str).unwrap_or_default();
    let refuse = |found: String| {
        let fix = "take the model with float weights and quantize it by --quantize";
        Err(Defect { found, fix })
    };
    let packer = match text("quant_method") {
        "awq" => Packer::Awq,
        "gptq" => Packer::Gptq { zero: u8::from(text("checkpoint_format") != "gptq_v2") },
        other => {
            return refuse(format!(
                "its quantization is {other:?}, this version reads awq and gptq of 4 bits"
            ));
        }
    };
    // AutoAWQ's own files say `w_bit`.
    let bits = ["bits", "w_bit"].iter().find_map(|key| settings.get(*key));
    if bits.and_then(Value::as_u64) != Some(4) {
        let bits = bits.map_or("missing".to_owned(), Value::to_string);
        return refuse(format!("its quantization has bits {bits}, this version reads 4"));
    }
    let version = text("version");
    if packer == Packer::Awq && !(version.is_empty() || version.eq_ignore_ascii_case("gemm")) {
        return refuse(format!("its AWQ layout is {version:?}, this version reads \"gemm\""));
    }
    Ok(packer)
}
