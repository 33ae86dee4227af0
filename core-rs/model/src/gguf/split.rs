//! A model in several files, as llama.cpp's `gguf-split` writes it: `NAME-00001-of-00003.gguf`. The
//! first has the metadata, every one some tensors.

use std::path::{Path, PathBuf};

use super::mapped::ModelFile;
use super::metadata::Metadata;
use super::{Header, read};
use crate::error::{Defect, ModelError};
use crate::source::Content;

/// The file's number, from 0.
const NUMBER: &str = "split.no";
/// How many files there are.
const COUNT: &str = "split.count";
/// Tensors of all files together.
const TENSORS: &str = "split.tensors.count";
/// Most files, by the digits of their names.
const MAX_FILES: u64 = 99_999;

/// Maps a file, and where it is one of several the others beside it; whichever of them `path` is.
/// The header has the tensors of all.
pub(crate) fn open(path: &Path) -> Result<(Header, Vec<ModelFile>), ModelError> {
    let (header, bytes) = open_one(path)?;
    let Some((number, count)) = place(&header.metadata).map_err(|defect| of(defect, path))? else {
        return Ok((header, vec![bytes]));
    };
    let name = |of| named(path, number, of, count).map_err(|defect| self::of(defect, path));
    let (mut header, first) = if number == 0 { (header, bytes) } else { open_one(&name(0)?)? };
    let mut files = vec![first];
    for next in 1..count {
        let path = name(next)?;
        let (other, bytes) = open_one(&path)?;
        add(&mut header, other, files.len(), (next, count)).map_err(|defect| of(defect, &path))?;
        files.push(bytes);
    }
    let (found, expected) = (header.tensors.len() as u64, header.metadata.integer(TENSORS));
    match expected.map_err(|defect| of(defect, path))? {
        Some(expected) if expected != found => {
            let found = format!("its {count} files have {found} tensors, {TENSORS} is {expected}");
            Err(of(Defect::damaged(found), path))
        }
        _ => Ok((header, files)),
    }
}

/// Refuses a file that is one of several where there are no others.
pub(crate) fn check_alone(metadata: &Metadata) -> Result<(), Defect> {
    match place(metadata)? {
        None => Ok(()),
        Some((_, count)) => Err(Defect {
            found: format!("it is one of {count} files"),
            fix: "join them by llama-gguf-split --merge",
        }),
    }
}

fn open_one(path: &Path) -> Result<(Header, ModelFile), ModelError> {
    let bytes = ModelFile::map(path, None).map_err(|source| {
        let file = path.display().to_string();
        ModelError::Unreadable { file, source }
    })?;
    let header = read(&bytes).map_err(|defect| of(defect, path))?;
    Ok((header, bytes))
}

fn of(defect: Defect, path: &Path) -> ModelError {
    defect.of(&path.display().to_string())
}

/// The file's number and how many there are, unless it is the only one.
fn place(metadata: &Metadata) -> Result<Option<(u64, u64)>, Defect> {
    let count = metadata.integer(COUNT)?.unwrap_or(1);
    let number = metadata.integer(NUMBER)?.unwrap_or(0);
    if count <= 1 && number == 0 {
        return Ok(None);
    }
    if number >= count || count > MAX_FILES {
        let found =
            format!("{NUMBER} is {number} and {COUNT} {count}, which has {MAX_FILES} at most");
        return Err(Defect::damaged(found));
    }
    Ok(Some((number, count)))
}

/// The path of one of the files, from that of file `number`.
fn named(path: &Path, number: u64, wanted: u64, count: u64) -> Result<PathBuf, Defect> {
    let end = |number| format!("-{:05}-of-{count:05}.gguf", number + 1);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.strip_suffix(&end(number)) {
        Some(stem) => Ok(path.with_file_name([stem, &end(wanted)].concat())),
        None => Err(Defect {
            found: format!(
                "it is file {} of {count}, its name does not end in {}",
                number + 1,
                end(number)
            ),
            fix: "give all of them the names that gguf-split gave them",
        }),
    }
}

/// Adds the tensors of another file.
fn add(
    header: &mut Header,
    other: Header,
    file: usize,
    (number, count): (u64, u64),
) -> Result<(), Defect> {
    if place(&other.metadata)? != Some((number, count)) {
        let found = format!("it is not file {} of {count}, as its name says", number + 1);
        return Err(Defect::damaged(found));
    }
    for (name, mut tensor) in other.tensors {
        if let Content::Stored { file: place, .. } = &mut tensor.content {
            *place = file;
        }
        if header.tensors.insert(name.clone(), tensor).is_some() {
            let found =
                format!("it has tensor {name:?}, which another of the {count} files has too");
            return Err(Defect::damaged(found));
        }
    }
    Ok(())
}
