//! Checks a header before any reader trusts it.

use std::collections::{BTreeMap, HashSet};

use super::cursor::Cursor;
use super::dtype::storage_type;
use super::layout::{self, Placement};
use crate::error::Defect;
use crate::source::{Content, Tensor};
use crate::storage::StorageType;

const MAGIC: &[u8] = b"GGUF";
/// Longest name of a tensor, bytes (`GGML_MAX_NAME`).
const MAX_TENSOR_NAME: usize = 63;
/// Longest key, bytes (GGUF specification).
const MAX_KEY: usize = 65_535;
/// Dimensions of a tensor (`GGML_MAX_DIMS`).
const MAX_DIMS: u32 = 4;
/// Arrays within arrays; no known file nests any.
const MAX_NESTING: usize = 4;
/// Elements of all arrays together. A reader takes tens of bytes for one that may take a single
/// byte in the file; the largest vocabularies have under a million entries.
const MAX_ARRAY_ELEMENTS: u64 = 1 << 24;
/// Smallest entry: a key's length, one byte of key, a type, one byte of value.
const MIN_ENTRY_BYTES: u64 = 8 + 1 + 4 + 1;
/// Smallest description of a tensor: a name's length, one byte of name, dimension count, one
/// dimension, type, offset.
const MIN_TENSOR_BYTES: u64 = 8 + 1 + 4 + 8 + 4 + 8;
/// Alignment of tensors when the file names none, bytes.
const DEFAULT_ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";

const STRING: u32 = 8;
const ARRAY: u32 = 9;
const UINT32: u32 = 4;
const BOOL: u32 = 7;

/// Checks everything but the weights; gives the tensors by their names, and the length of what
/// comes before their descriptions, bytes.
pub(super) fn check(bytes: &[u8]) -> Result<(BTreeMap<String, Tensor>, usize), Defect> {
    let mut cursor = Cursor::new(bytes);
    check_magic(&mut cursor)?;
    let tensor_count = cursor.u64("the tensor count")?;
    let entry_count = cursor.u64("the metadata count")?;
    check_count(tensor_count, MIN_TENSOR_BYTES, "tensors", &cursor)?;
    check_count(entry_count, MIN_ENTRY_BYTES, "metadata entries", &cursor)?;
    let alignment = check_metadata(&mut cursor, entry_count)?;
    let metadata_end = cursor.position();
    let (mut tensors, placements) = check_tensors(&mut cursor, tensor_count)?;
    let ranges =
        layout::check(placements, cursor.position() as u64, alignment, bytes.len() as u64)?;
    for (name, range) in ranges {
        if let Some(tensor) = tensors.get_mut(name) {
            tensor.content = Content::Stored { file: 0, range };
        }
    }
    Ok((tensors, metadata_end))
}

fn check_magic(cursor: &mut Cursor) -> Result<(), Defect> {
    let magic = cursor.take(4, "the magic number")?;
    if magic != MAGIC {
        return Err(Defect {
            found: format!("it begins with {}, expected GGUF", magic.escape_ascii()),
            fix: "give the path of a GGUF file",
        });
    }
    match cursor.u32("the version")? {
        2 | 3 => Ok(()),
        version => Err(Defect::malformed(format!("GGUF version {version}, expected 2 or 3"))),
    }
}

fn check_count(count: u64, each: u64, what: &str, cursor: &Cursor) -> Result<(), Defect> {
    let left = cursor.left();
    if count > left / each {
        return Err(Defect::damaged(format!(
            "it declares {count} {what}, the {left} bytes left can hold {}",
            left / each
        )));
    }
    Ok(())
}

/// Walks all keys and values; gives the alignment of tensors.
fn check_metadata(cursor: &mut Cursor, count: u64) -> Result<u64, Defect> {
    let mut keys = HashSet::new();
    let mut alignment = DEFAULT_ALIGNMENT;
    let mut elements = MAX_ARRAY_ELEMENTS;
    for _ in 0..count {
        let key = cursor.name(MAX_KEY, "a metadata key")?;
        if !keys.insert(key) {
            return Err(Defect::damaged(format!("metadata key {key:?} is there twice")));
        }
        let kind = cursor.u32(key)?;
        if key == ALIGNMENT_KEY {
            alignment = check_alignment(kind, cursor)?;
        } else {
            check_value(cursor, key, kind, MAX_NESTING, &mut elements)?;
        }
    }
    Ok(alignment)
}

fn check_alignment(kind: u32, cursor: &mut Cursor) -> Result<u64, Defect> {
    if kind != UINT32 {
        return Err(Defect::damaged(format!(
            "{ALIGNMENT_KEY} has value type {kind}, expected {UINT32} (uint32)"
        )));
    }
    let alignment = u64::from(cursor.u32(ALIGNMENT_KEY)?);
    if alignment < 8 || !alignment.is_power_of_two() {
        return Err(Defect::damaged(format!(
            "{ALIGNMENT_KEY} is {alignment}, expected a power of two from 8 up"
        )));
    }
    Ok(alignment)
}

/// Bytes of a value with a fixed size; `None` for strings and arrays.
fn fixed_size(kind: u32, key: &str) -> Result<Option<u64>, Defect> {
    match kind {
        0 | 1 | BOOL => Ok(Some(1)),
        2 | 3 => Ok(Some(2)),
        4..=6 => Ok(Some(4)),
        10..=12 => Ok(Some(8)),
        STRING | ARRAY => Ok(None),
        _ => Err(Defect::damaged(format!("{key} has value type {kind}, expected 0 to 12"))),
    }
}

/// Steps over one value. `elements` are those that arrays may still have.
fn check_value(
    cursor: &mut Cursor,
    key: &str,
    kind: u32,
    nesting: usize,
    elements: &mut u64,
) -> Result<(), Defect> {
    match fixed_size(kind, key)? {
        Some(size) => check_fixed(cursor, key, kind, size, 1),
        None if kind == STRING => cursor.string(key).map(drop),
        None => check_array(cursor, key, nesting, elements),
    }
}

fn check_fixed(
    cursor: &mut Cursor,
    key: &str,
    kind: u32,
    size: u64,
    count: u64,
) -> Result<(), Defect> {
    let values = cursor.take(count.saturating_mul(size), key)?;
    match values.iter().find(|&&byte| kind == BOOL && byte > 1) {
        Some(byte) => Err(Defect::damaged(format!("{key} has bool {byte}, expected 0 or 1"))),
        None => Ok(()),
    }
}

fn check_array(
    cursor: &mut Cursor,
    key: &str,
    nesting: usize,
    elements: &mut u64,
) -> Result<(), Defect> {
    if nesting == 0 {
        return Err(Defect::damaged(format!("{key} nests arrays deeper than {MAX_NESTING}")));
    }
    let kind = cursor.u32(key)?;
    let count = cursor.u64(key)?;
    *elements = elements.checked_sub(count).ok_or_else(|| {
        Defect::damaged(format!(
            "{key} has {count} elements, all arrays together may have {MAX_ARRAY_ELEMENTS}"
        ))
    })?;
    if let Some(size) = fixed_size(kind, key)? {
        return check_fixed(cursor, key, kind, size, count);
    }
    for _ in 0..count {
        check_value(cursor, key, kind, nesting - 1, elements)?;
    }
    Ok(())
}

type Described<'a> = (BTreeMap<String, Tensor>, Vec<Placement<'a>>);

/// Reads what the tensors are and where they claim to lie; their ranges are still empty.
fn check_tensors<'a>(cursor: &mut Cursor<'a>, count: u64) -> Result<Described<'a>, Defect> {
    let mut tensors = BTreeMap::new();
    let mut placements = Vec::new();
    for _ in 0..count {
        let name = cursor.name(MAX_TENSOR_NAME, "a tensor name")?;
        let (shape, storage, bytes) = check_shape(cursor, name)?;
        let content = Content::Stored { file: 0, range: 0..0 };
        let tensor = Tensor { name: name.to_owned(), dtype: storage, shape, content };
        if tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(Defect::damaged(format!("tensor {name:?} is there twice")));
        }
        let offset = cursor.u64(name)?;
        placements.push(Placement { name, offset, bytes });
    }
    Ok((tensors, placements))
}

/// Checks dimensions and type; gives the shape, row-major, the type, and the size in bytes.
fn check_shape(cursor: &mut Cursor, name: &str) -> Result<(Vec<usize>, StorageType, u64), Defect> {
    let dims = cursor.u32(name)?;
    if !(1..=MAX_DIMS).contains(&dims) {
        return Err(Defect::damaged(format!(
            "tensor {name} has {dims} dimensions, expected 1 to {MAX_DIMS}"
        )));
    }
    let row = cursor.u64(name)?;
    let (mut numbers, mut shape) = (row, vec![row as usize]);
    for _ in 1..dims {
        let dim = cursor.u64(name)?;
        numbers = numbers.checked_mul(dim).ok_or_else(|| too_large(name))?;
        shape.insert(0, dim as usize);
    }
    if numbers == 0 {
        return Err(Defect::damaged(format!("tensor {name} has a dimension of 0")));
    }
    let entry = storage_type(cursor.u32(name)?, name)?;
    let (block, size) = (entry.storage.block_size() as u64, entry.storage.type_size() as u64);
    if !row.is_multiple_of(block) {
        let kind = entry.name;
        return Err(Defect::damaged(format!(
            "tensor {name} has rows of {row} numbers, {kind} needs a multiple of {block}"
        )));
    }
    let bytes = (numbers / block).checked_mul(size).ok_or_else(|| too_large(name))?;
    Ok((shape, entry.storage, bytes))
}

fn too_large(name: &str) -> Defect {
    Defect::damaged(format!("the dimensions of tensor {name} multiply to more than 2^64 bytes"))
}
