//! `LoRA` adapters (Hu et al. 2021, <https://arxiv.org/abs/2106.09685>) as PEFT saves them:
//! `adapter_config.json` and `adapter_model.safetensors` in a folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::adapter_settings::Settings;
use super::header::{self, Stored};
use crate::architectures::{self, Projection};
use crate::error::{Defect, ModelError};
use crate::gguf::mapped::ModelFile;
use crate::model::TensorView;
use crate::source::Content;
use crate::spec::{ModelSpec, Position, Role, RopeLayout};
use crate::tensors;

const WEIGHTS: &str = "adapter_model.safetensors";
/// What PEFT puts before the names of the model's modules.
const PREFIX: &str = "base_model.model.";
/// Largest rank; adapters have 4 to 256.
const MAX_RANK: usize = 1024;

/// Low-rank updates of a model's projections.
#[derive(Debug)]
pub struct Adapter {
    updates: HashMap<(Role, usize), LowRank>,
}

/// The update of one projection: `y += up (down x)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank {
    /// Rows of `down`.
    pub rank: usize,
    /// PEFT's `A`, `[rank, inputs]`.
    pub down: Vec<f32>,
    /// PEFT's `B` times its scale, `[outputs, rank]`, its rows in the order of the projection's;
    /// of a fused matrix the rows of the projection alone.
    pub up: Vec<f32>,
}

impl Adapter {
    /// Reads the adapter in `folder` for a model.
    ///
    /// # Errors
    /// [`ModelError`] of one sentence when it cannot be read, is of a kind that this version does
    /// not serve, or does not fit the model.
    pub fn open(folder: &Path, spec: &ModelSpec) -> Result<Self, ModelError> {
        let settings = Settings::read(folder)?;
        let path = folder.join(WEIGHTS);
        let file = path.display().to_string();
        let bytes = ModelFile::map(&path, None)
            .map_err(|source| ModelError::Unreadable { file: file.clone(), source })?;
        let read = || Reader { spec, settings: &settings, bytes: &bytes }.read();
        Ok(Self { updates: read().map_err(|defect: Defect| defect.of(&file))? })
    }

    /// The update of a layer's projection, if it has one.
    pub fn update(&self, role: Role, layer: usize) -> Option<&LowRank> {
        self.updates.get(&(role, layer))
    }

    /// All updates, in no order.
    pub fn updates(&self) -> impl Iterator<Item = &LowRank> {
        self.updates.values()
    }

    /// Largest rank of an update.
    pub fn rank(&self) -> usize {
        self.updates.values().map(|update| update.rank).max().unwrap_or(0)
    }
}

struct Reader<'a> {
    spec: &'a ModelSpec,
    settings: &'a Settings,
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn read(&self) -> Result<HashMap<(Role, usize), LowRank>, Defect> {
        let stored = header::tensors(0, self.bytes)?;
        let shapes: HashMap<_, _> = tensors::shapes(self.spec)
            .into_iter()
            .filter_map(|(role, layer, shape)| Some(((role, layer?), shape)))
            .collect();
        let modules: BTreeSet<&str> =
            stored.keys().map(|name| module(name)).collect::<Result<_, _>>()?;
        if modules.is_empty() {
            return Err(Defect::damaged("it has no tensor"));
        }
        let mut updates = HashMap::new();
        for module in modules {
            let projections = architectures::projections(self.spec, module)?;
            let first = projections.first().ok_or_else(|| self.no_use(module))?;
            let Some([_, inputs]) = shapes.get(&(first.role, first.layer)).map(Vec::as_slice)
            else {
                return Err(self.no_use(module));
            };
            let whole = self.update(&stored, module, [first.outputs, *inputs])?;
            let parts = projections.iter().map(|it| ((it.role, it.layer), self.part(&whole, it)));
            updates.extend(parts);
        }
        Ok(updates)
    }

    /// A projection's part of the update of its module.
    fn part(&self, whole: &LowRank, projection: &Projection) -> LowRank {
        let rank = whole.rank;
        let rows = projection.rows.numbers(projection.outputs);
        let rows = rows.flat_map(|row| &whole.up[row * rank..(row + 1) * rank]);
        let mut up: Vec<f32> = rows.copied().collect();
        if matches!(projection.role, Role::Query | Role::Key) {
            up = self.in_order(up, rank);
        }
        LowRank { rank, down: whole.down.clone(), up }
    }

    fn no_use(&self, module: &str) -> Defect {
        Defect {
            found: format!(
                "it changes {module}, which is no projection of attention or of an MLP without \
                 experts in the architecture {} with {} layers",
                self.spec.architecture, self.spec.layers
            ),
            fix: "choose an adapter of this very model that changes these projections alone",
        }
    }

    fn update(
        &self,
        stored: &BTreeMap<String, Stored>,
        module: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<LowRank, Defect> {
        let (down, [rank, columns]) = self.matrix(stored, module, 'A')?;
        let (mut up, shape) = self.matrix(stored, module, 'B')?;
        if columns != inputs || shape != [outputs, rank] {
            return Err(Defect {
                found: format!(
                    "its matrices for {module} are {:?} and {shape:?}, the model's projection is \
                     {:?}",
                    [rank, columns],
                    [outputs, inputs]
                ),
                fix: "choose an adapter of this very model",
            });
        }
        if rank == 0 || rank > MAX_RANK {
            let found = format!("its rank for {module} is {rank}, expected 1 to {MAX_RANK}");
            return Err(Defect::damaged(found));
        }
        let scale = self.settings.scale(module, rank)?;
        for value in &mut up {
            *value *= scale;
        }
        Ok(LowRank { rank, down, up })
    }

    /// The rows of a query or key update in the order of the model's own: GGUF has the halves of
    /// llama's heads interleaved (`LlamaModel.permute` of llama.cpp), PEFT as transformers has them.
    fn in_order(&self, up: Vec<f32>, rank: usize) -> Vec<f32> {
        let Position::Rope { layout: RopeLayout::Interleaved, .. } = self.spec.position else {
            return up;
        };
        let half = self.spec.attention.head_size / 2;
        let heads = up.chunks_exact(2 * half * rank);
        let row = |head: &'_ [f32], row: usize| head[row * rank..(row + 1) * rank].to_vec();
        heads
            .flat_map(|head| (0..half).flat_map(move |i| [row(head, i), row(head, half + i)]))
            .flatten()
            .collect()
    }

    /// One of a module's two matrices, and its shape.
    fn matrix(
        &self,
        stored: &BTreeMap<String, Stored>,
        module: &str,
        side: char,
    ) -> Result<(Vec<f32>, [usize; 2]), Defect> {
        let names = ["", ".default"].map(|end| format!("{PREFIX}{module}.lora_{side}{end}.weight"));
        let found = names.iter().find_map(|name| Some((name, stored.get(name)?)));
        let (name, stored) =
            found.ok_or_else(|| Defect::damaged(format!("tensor {} is missing", names[0])))?;
        let [rows, columns] = stored.shape[..] else {
            let shape = &stored.shape;
            return Err(Defect::damaged(format!("tensor {name} has shape {shape:?}")));
        };
        let tensor = stored.floats(name)?;
        let Content::Stored { range, .. } = &tensor.content else {
            return Err(Defect::damaged(format!("tensor {name} is packed")));
        };
        let bytes = (&self.bytes[range.clone()]).into();
        let view = TensorView { name, dtype: tensor.dtype, shape: vec![rows, columns], bytes };
        let values =
            view.dequantize().map_err(|error| Defect::damaged(format!("{name}: {error}")))?;
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(Defect::damaged(format!("tensor {name} has the number {value}"))),
            None => Ok((values, [rows, columns])),
        }
    }
}

/// The module that a tensor changes.
fn module(tensor: &str) -> Result<&str, Defect> {
    let ends = ["", ".default"]
        .iter()
        .flat_map(|end| ["A", "B"].map(|side| format!(".lora_{side}{end}.weight")));
    let name = tensor.strip_prefix(PREFIX);
    let found = name.and_then(|name| ends.into_iter().find_map(|end| name.strip_suffix(&end)));
    found.ok_or_else(|| Defect {
        found: format!(
            "it has tensor {tensor}, this version reads lora_A and lora_B of projections alone"
        ),
        fix: "choose a plain LoRA adapter, without DoRA, biases, embeddings or saved modules",
    })
}

#[cfg(test)]
#[path = "adapter_tests.rs"]
mod tests;
