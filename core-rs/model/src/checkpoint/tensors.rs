//! The tensors of a folder by the names that an architecture knows, packed or not.

use std::collections::BTreeMap;

use candle_core::quantized::GgmlDType;
use serde_json::{Map, Value};

use super::header::Stored;
use super::method::Method;
use super::packed::Packed;
use super::packer::Packer;
use super::product::Product;
use super::scaled::Scaled;
use crate::error::Defect;
use crate::gguf::mapped::ModelFile;
use crate::source::{Content, Tensor};

/// The shape of a packed weight, which its tensors tell.
const PACKED_SHAPE: &str = "weight_shape";
/// What belongs to a `weight` with scales, by the ends of the names.
const SCALE_ENDS: [&str; 2] = ["weight_scale", "weight_scale_inv"];
/// Scales of activations and of KV caches in 8 bits, which nothing here computes in.
const UNUSED_SCALES: [&str; 7] = [
    ".input_scale",
    ".input_scale_ub",
    ".output_scale",
    ".q_scale",
    ".k_scale",
    ".v_scale",
    ".prob_scale",
];

/// Tensors by name, and the files that hold them.
pub(crate) struct Tensors {
    /// All tensors of all files.
    stored: BTreeMap<String, Stored>,
    /// How weights of few bits are stored.
    method: Option<Method>,
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
        Ok(Self { stored, method: quantization.map(Method::read).transpose()?, files })
    }

    /// Names of all tensors that mean something, as an architecture knows them: a packed one is its
    /// `weight`.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let names = self.stored.iter().filter(|(name, stored)| {
            !self.is_empty_bias(name, stored) && !self.is_unused_scale(name)
        });
        names.map(|(name, _)| match self.stem(name) {
            Some(stem) => format!("{stem}weight"),
            None => name.clone(),
        })
    }

    /// Whether it is a bias of zeros, which GPTQ writes to layers that have none.
    fn is_empty_bias(&self, name: &str, stored: &Stored) -> bool {
        let packed = self.method.and(name.strip_suffix("bias"));
        packed.is_some_and(|stem| self.stored.contains_key(&format!("{stem}qweight")))
            && self.files[stored.file][stored.range.clone()].iter().all(|&byte| byte == 0)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.stored.contains_key(name)
    }

    fn is_unused_scale(&self, name: &str) -> bool {
        matches!(self.method, Some(Method::Scaled { .. }))
            && UNUSED_SCALES.iter().any(|end| name.ends_with(end))
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>, Defect> {
        match (self.method, self.stored.get(name)) {
            (Some(Method::Scaled { block }), Some(stored))
                if Scaled::needs_scales(stored.dtype) =>
            {
                self.scaled(name, stored, block).map(Some)
            }
            (_, Some(stored)) => stored.floats(name).map(Some),
            (Some(Method::Words(packer)), None) => self.packed(name, packer),
            (_, None) => Ok(None),
        }
    }

    /// The rows of `table` times a matrix, `[inner, columns]` or transposed, as a tensor of `shape`.
    pub fn product(
        &self,
        table: &str,
        (matrix, transposed): (&str, bool),
        shape: &[usize],
    ) -> Result<Tensor, Defect> {
        let [first, second] = [table, matrix].map(|name| {
            let stored = self.stored.get(name);
            let missing = || Defect::damaged(format!("tensor {name} is missing"));
            stored.ok_or_else(missing).and_then(|stored| stored.floats(name).map(|_| stored))
        });
        let product = Product::new(first?, second?, transposed, shape).ok_or_else(|| {
            Defect::damaged(format!("tensor {table} times {matrix} is none of shape {shape:?}"))
        })?;
        Ok(Tensor {
            name: table.to_owned(),
            dtype: GgmlDType::F32.into(),
            shape: shape.to_vec(),
            content: Content::Product(Box::new(product)),
        })
    }

    fn scaled(
        &self,
        name: &str,
        stored: &Stored,
        block: Option<[usize; 2]>,
    ) -> Result<Tensor, Defect> {
        let stem = name.strip_suffix("weight").unwrap_or(name);
        let scales = SCALE_ENDS.iter().find_map(|end| self.stored.get(&format!("{stem}{end}")));
        let scales = scales.ok_or_else(|| {
            Defect::damaged(format!("tensor {name} lacks its scales, {stem}weight_scale"))
        })?;
        let scaled = Scaled::new(name, stored, scales, block)?;
        Ok(Tensor {
            name: name.to_owned(),
            dtype: GgmlDType::F16.into(),
            shape: vec![scaled.outputs, scaled.inputs],
            content: Content::Scaled(Box::new(scaled)),
        })
    }

    fn packed(&self, name: &str, packer: Packer) -> Result<Option<Tensor>, Defect> {
        let Some(stem) = name.strip_suffix("weight") else { return Ok(None) };
        let ends = packer.ends();
        let [weights, zeros, scales, index] =
            ends.map(|end| self.stored.get(&format!("{stem}{end}")));
        let Some(weights) = weights else { return Ok(None) };
        let needs_zeros = !matches!(packer, Packer::Compressed { .. });
        let (Some(scales), true) = (scales, zeros.is_some() || !needs_zeros) else {
            let [first, second, third, _] = ends;
            return Err(Defect::damaged(format!("tensor {stem}{first} lacks {second} or {third}")));
        };
        let packed = Packed::new(packer, name, (weights, zeros, scales), index, &self.files)?;
        Ok(Some(Tensor {
            name: name.to_owned(),
            dtype: packed.dtype(),
            shape: vec![packed.outputs, packed.inputs],
            content: Content::Packed(Box::new(packed)),
        }))
    }

    /// What stands before `weight` in the name of the weight that a tensor belongs to.
    fn stem<'a>(&self, name: &'a str) -> Option<&'a str> {
        let packed = |packer: Packer| packer.ends().into_iter().chain([PACKED_SHAPE]);
        let find = |ends: &mut dyn Iterator<Item = &str>| {
            let mut stems = ends.filter_map(|end| name.strip_suffix(end));
            stems.find(|stem| stem.ends_with('.'))
        };
        match self.method? {
            Method::Words(packer) => find(&mut packed(packer)),
            Method::Scaled { .. } => find(&mut SCALE_ENDS.into_iter()),
        }
    }
}
