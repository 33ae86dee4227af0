//! From the names of a Hugging Face checkpoint to roles, as tables.

use std::collections::HashMap;

use crate::checkpoint::Tensors;
use crate::error::Defect;
use crate::source::{Content, Rows, Source, Tensor};
use crate::spec::{ModelSpec, Role};
use crate::tensors::{self, Key};

/// Names of a checkpoint's tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// What stands before every name but the head's. The first under which the checkpoint has the
    /// token embedding counts: a base model is saved without the prefix of its task.
    pub prefixes: &'static [&'static str],
    /// What stands before the number of a layer, after the prefix: `layers.`.
    pub layer: &'static str,
    /// Tensors of the whole model, after the prefix.
    pub model: &'static [(Role, Place)],
    /// Tensors of every layer, after its number and a dot; lists that architectures share.
    pub block: &'static [&'static [(Role, Place)]],
    /// The head, without the prefix.
    pub head: &'static str,
    /// Parts of the names of tensors that hold no weights of the decoder: buffers, other towers.
    pub unused: &'static [&'static str],
}

impl Names {
    /// What the matrix holds that a module of this name multiplies with; nothing where the module
    /// has no such matrix, or is an expert.
    pub fn projections(&self, spec: &ModelSpec, module: &str) -> Result<Vec<Projection>, Defect> {
        let rest = |prefix: &&str| module.strip_prefix(prefix)?.strip_prefix(self.layer);
        let found = self.prefixes.iter().find_map(rest).and_then(|rest| rest.split_once('.'));
        let Some((layer, module)) = found else { return Ok(Vec::new()) };
        let Ok(layer) = layer.parse() else { return Ok(Vec::new()) };
        let counts = RowCounts::new(spec);
        let is_of_module = |(role, place): &&(Role, Place)| {
            ADAPTED.contains(role) && place.name.strip_suffix(".weight") == Some(module)
        };
        let projection = |(role, place): &(Role, Place)| {
            let own = counts.of(*role);
            let (rows, outputs) = counts.rows_of(*role, *place, own)?;
            Ok(Projection { role: *role, layer, rows, outputs })
        };
        let places = self.block.iter().flat_map(|list| *list).filter(is_of_module);
        places.map(projection).collect()
    }
}

/// Roles that adapters may change.
const ADAPTED: [Role; 7] =
    [Role::Query, Role::Key, Role::Value, Role::AttentionOutput, Role::Gate, Role::Up, Role::Down];

/// A role's part of a module's matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Projection {
    /// Which role.
    pub role: Role,
    /// Which layer.
    pub layer: usize,
    /// The role's rows of the matrix.
    pub rows: Rows,
    /// Rows of the whole matrix.
    pub outputs: usize,
}

/// Where a role's tensor lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Name; `{}` in it stands for the number of an expert, or of a head.
    name: &'static str,
    fused: Fused,
    transposed: bool,
    /// A matrix that the tensor's rows are multiplied with, and whether it is transposed.
    times: Option<(&'static str, bool)>,
}

/// What else lies in the same tensor.
#[derive(Clone, Copy, Debug)]
enum Fused {
    /// Nothing.
    Alone,
    /// The rows of these roles, one role behind the other.
    Stacked(&'static [Role]),
    /// Nothing, and each row has a tensor of its own.
    Apart,
    /// For each key head its share of these roles' rows, one role behind the other.
    ByKeyHead(&'static [Role]),
}

impl Place {
    /// A tensor that is as the role wants it.
    pub const fn alone(name: &'static str) -> Self {
        Self { name, fused: Fused::Alone, transposed: false, times: None }
    }

    /// One tensor for each head.
    pub const fn by_head(name: &'static str) -> Self {
        Self { name, fused: Fused::Apart, transposed: false, times: None }
    }

    /// Rows of a tensor that holds several `roles`, one behind the other (`qkv_proj`).
    pub const fn stacked(name: &'static str, roles: &'static [Role]) -> Self {
        Self { name, fused: Fused::Stacked(roles), transposed: false, times: None }
    }

    /// Rows of a tensor that holds several `roles` head by head: for each key head the queries
    /// that share it, then its key and its value (`query_key_value` of GPT-NeoX).
    pub const fn by_key_head(name: &'static str, roles: &'static [Role]) -> Self {
        Self { name, fused: Fused::ByKeyHead(roles), transposed: false, times: None }
    }

    /// Rows that are multiplied with a matrix, `[own width, hidden]` or the transpose of that.
    pub const fn times(self, matrix: &'static str, transposed: bool) -> Self {
        Self { times: Some((matrix, transposed)), ..self }
    }

    /// Stored as `[inputs, outputs]` (`Conv1D` of GPT-2).
    pub const fn transposed(self) -> Self {
        Self { transposed: true, ..self }
    }
}

/// Finds every tensor that `spec` implies; whatever else the checkpoint has must be known as
/// unused.
pub(super) fn assign(
    spec: &ModelSpec,
    names: &Names,
    tensors: &Tensors,
) -> Result<HashMap<Key, Source>, Defect> {
    let finder = Finder::new(spec, names, tensors);
    let mut assigned = HashMap::new();
    for (role, layer, shape) in tensors::shapes(spec) {
        assigned.insert((role, layer), finder.source(role, layer, &shape)?);
    }
    let used: std::collections::HashSet<&str> = assigned
        .values()
        .flat_map(|source: &Source| &source.parts)
        .map(|(tensor, _)| tensor.name.as_str())
        .collect();
    let tied = spec.embedding.tied.then_some(names.head);
    let unused = |name: &str| {
        used.contains(name)
            || tied == Some(name)
            || names.unused.iter().any(|part| name.contains(part))
    };
    match tensors.names().find(|name| !unused(name)) {
        None => Ok(assigned),
        Some(name) => Err(Defect::unsupported(format!(
            "tensor {name} has no use in the architecture {} with {} layers",
            spec.architecture, spec.layers
        ))),
    }
}

struct Finder<'a> {
    names: &'a Names,
    tensors: &'a Tensors,
    prefix: &'static str,
    counts: RowCounts,
}

impl<'a> Finder<'a> {
    fn new(spec: &ModelSpec, names: &'a Names, tensors: &'a Tensors) -> Self {
        let embedding = place(&[names.model], Role::TokenEmbedding).map_or("", |place| place.name);
        let has = |prefix: &&&str| tensors.contains(&format!("{prefix}{embedding}"));
        let prefix = names.prefixes.iter().find(has).or(names.prefixes.first());
        Self {
            names,
            tensors,
            prefix: prefix.copied().unwrap_or_default(),
            counts: RowCounts::new(spec),
        }
    }

    fn source(&self, role: Role, layer: Option<usize>, shape: &[usize]) -> Result<Source, Defect> {
        let Names { head, layer: stem, model, block, .. } = self.names;
        let found = if layer.is_some() { place(block, role) } else { place(&[model], role) };
        let (place, name) = match (found, layer) {
            (Some(place), Some(layer)) => {
                (*place, format!("{}{stem}{layer}.{}", self.prefix, place.name))
            }
            (Some(place), None) => (*place, format!("{}{}", self.prefix, place.name)),
            (None, _) if role == Role::Output => (Place::alone(head), (*head).to_owned()),
            (None, _) => {
                let role = tensors::name(role, layer);
                return Err(Defect::unsupported(format!(
                    "its config.json calls for {role}, which the architecture's table lacks"
                )));
            }
        };
        if let Some((matrix, transposed)) = place.times {
            let matrix = format!("{}{matrix}", self.prefix);
            let tensor = self.tensors.product(&name, (&matrix, transposed), shape)?;
            let parts = vec![(tensor, Rows::all(shape[0]))];
            return Ok(Source { shape: shape.to_vec(), parts });
        }
        let part = |number: usize, shape: &[usize]| {
            self.part(&name.replace("{}", &number.to_string()), place, role, shape)
        };
        let parts = match place.fused {
            Fused::Apart => (0..shape[0]).map(|row| part(row, &shape[1..])).collect(),
            _ => part(role.expert().unwrap_or_default() as usize, shape).map(|only| vec![only]),
        };
        Ok(Source { shape: shape.to_vec(), parts: parts? })
    }

    /// The tensor of this name, and its rows that make the role's tensor of `shape`.
    fn part(
        &self,
        name: &str,
        place: Place,
        role: Role,
        shape: &[usize],
    ) -> Result<(Tensor, Rows), Defect> {
        let (mut rows, total) = self.counts.rows_of(role, place, shape[0])?;
        let mut expected = shape.to_vec();
        expected[0] = total;
        let tensor = self.tensors.get(name)?.ok_or_else(|| {
            let found = format!("tensor {name} is missing, expected one of shape {expected:?}");
            Defect::damaged(found)
        })?;
        // A packed tensor has its outputs first in any case.
        rows.transposed &= matches!(tensor.content, Content::Stored { .. });
        if rows.transposed {
            expected.reverse();
        }
        if tensor.shape != expected {
            let found = &tensor.shape;
            return Err(Defect::damaged(format!(
                "tensor {name} has shape {found:?}, its config.json calls for {expected:?}"
            )));
        }
        Ok((tensor, rows))
    }
}

/// How many rows roles have.
struct RowCounts {
    rows: HashMap<Role, usize>,
    key_heads: usize,
}

impl RowCounts {
    fn new(spec: &ModelSpec) -> Self {
        let shapes = tensors::shapes(spec).into_iter();
        let rows = shapes.map(|(role, _, shape)| (role, shape[0])).collect();
        Self { rows, key_heads: spec.attention.kv_heads }
    }

    fn of(&self, role: Role) -> usize {
        self.rows.get(&role).copied().unwrap_or(0)
    }

    /// The rows of a role, `own` in number, of a tensor, and how many rows the tensor has.
    fn rows_of(&self, role: Role, place: Place, own: usize) -> Result<(Rows, usize), Defect> {
        let transposed = place.transposed;
        let (roles, groups) = match place.fused {
            Fused::Alone | Fused::Apart => {
                return Ok((Rows { transposed, ..Rows::all(own) }, own));
            }
            Fused::Stacked(roles) => (roles, 1),
            Fused::ByKeyHead(roles) => (roles, self.key_heads),
        };
        let (mut group, mut first, mut count) = (0, 0, 0);
        for other in roles {
            let rows = self.of(*other);
            if !rows.is_multiple_of(groups) {
                let name = place.name;
                return Err(Defect::damaged(format!(
                    "tensor {name} cannot share {rows} rows among {groups} key heads"
                )));
            }
            if *other == role {
                (first, count) = (group, rows / groups);
            }
            group += rows / groups;
        }
        Ok((Rows { group, first, count, transposed }, group * groups))
    }
}

/// Tables have the first expert stand for all.
fn place(lists: &[&'static [(Role, Place)]], role: Role) -> Option<&'static Place> {
    let role = match role {
        Role::ExpertGate(_) => Role::ExpertGate(0),
        Role::ExpertUp(_) => Role::ExpertUp(0),
        Role::ExpertDown(_) => Role::ExpertDown(0),
        role => role,
    };
    lists.iter().flat_map(|list| *list).find(|(known, _)| *known == role).map(|(_, place)| place)
}
