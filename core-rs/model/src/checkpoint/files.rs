//! Which files of a folder hold the weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::header::{self, Stored};
use super::json;
use crate::error::{Defect, ModelError};
use crate::gguf::mapped::ModelFile;

/// Which tensor lies in which file, when there are several.
const INDEX: &str = "model.safetensors.index.json";
/// Largest index; those of models with 100,000 tensors have some 10 MB.
const MAX_INDEX: u64 = 64 << 20;
/// Most files; the largest open models have under 200.
const MAX_FILES: usize = 1024;
/// Ends of names of pickles.
const PICKLES: [&str; 4] = [".bin", ".pt", ".pth", ".ckpt"];

/// The part of an index that is used.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Maps all files and reads their headers.
pub(super) fn open(
    folder: &Path,
) -> Result<(Vec<ModelFile>, BTreeMap<String, Stored>), ModelError> {
    let index = index(folder)?;
    let names: Vec<String> = match &index {
        Some(index) => {
            index.weight_map.values().collect::<BTreeSet<_>>().into_iter().cloned().collect()
        }
        None => vec![only_file(folder)?],
    };
    let mut files = Vec::with_capacity(names.len());
    let mut tensors = BTreeMap::new();
    for (number, name) in names.iter().enumerate() {
        let path = folder.join(name);
        let file = path.display().to_string();
        let bytes = ModelFile::map(&path, None)
            .map_err(|source| ModelError::Unreadable { file: file.clone(), source })?;
        let found = header::tensors(number, &bytes).map_err(|defect| defect.of(&file))?;
        if let Some(twice) = found.keys().find(|name| tensors.contains_key(*name)) {
            let found = format!("it has tensor {twice:?}, which {} has too", names[0]);
            return Err(Defect::damaged(found).of(&file));
        }
        tensors.extend(found);
        files.push(bytes);
    }
    let placed = index.iter().flat_map(|index| &index.weight_map);
    for (tensor, name) in placed {
        let number = names.binary_search(name).ok();
        if tensors.get(tensor).map(|stored| stored.file) != number {
            let found = format!("it has no tensor {tensor:?}, which {INDEX} places in it");
            return Err(Defect::damaged(found).of(&folder.join(name).display().to_string()));
        }
    }
    Ok((files, tensors))
}

fn index(folder: &Path) -> Result<Option<Index>, ModelError> {
    let path = folder.join(INDEX);
    let Some(bytes) = json::bytes(&path, MAX_INDEX)? else { return Ok(None) };
    let refuse = |found: String| Defect::damaged(found).of(&path.display().to_string());
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|error| refuse(format!("it is no index of tensors: {error}")))?;
    let names: BTreeSet<_> = index.weight_map.values().collect();
    if names.is_empty() || names.len() > MAX_FILES {
        let files = names.len();
        return Err(refuse(format!("it names {files} files, expected 1 to {MAX_FILES}")));
    }
    // An index is data from elsewhere: it must not lead out of the folder.
    match names.iter().find(|name| !is_plain(name)) {
        Some(name) => Err(refuse(format!("it names the file {name:?}, expected a plain name"))),
        None => Ok(Some(index)),
    }
}

fn is_plain(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.contains(['/', '\\', '\0'])
}

/// `model.safetensors`, or the only file of that kind.
fn only_file(folder: &Path) -> Result<String, ModelError> {
    let file = folder.display().to_string();
    let entries = std::fs::read_dir(folder)
        .map_err(|source| ModelError::Unreadable { file: file.clone(), source })?;
    let names: BTreeSet<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    if names.contains("model.safetensors") {
        return Ok("model.safetensors".to_owned());
    }
    let found: Vec<&String> = names.iter().filter(|name| name.ends_with(".safetensors")).collect();
    if let [only] = found[..] {
        return Ok(only.clone());
    }
    let pickle = names.iter().find(|name| PICKLES.iter().any(|end| name.ends_with(end)));
    let defect = match (found.len(), pickle) {
        (0, Some(pickle)) => Defect {
            found: format!("its weights are the pickle {pickle}, which can run code when read"),
            fix: "take a revision of the model with *.safetensors, or convert it",
        },
        (0, None) => Defect {
            found: "it has no *.safetensors".to_owned(),
            fix: "give a folder with config.json and *.safetensors, or a .gguf file",
        },
        (several, _) => {
            Defect::damaged(format!("it has {several} files *.safetensors and no {INDEX}"))
        }
    };
    Err(defect.of(&file))
}
