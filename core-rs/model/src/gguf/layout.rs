//! Checks where tensors lie.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::Defect;

/// Where a tensor claims to lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement<'a> {
    /// Name in the file.
    pub name: &'a str,
    /// First byte, counted from the start of the tensor data.
    pub offset: u64,
    /// Size by its shape and type, bytes.
    pub bytes: u64,
}

/// Checks that every tensor is aligned, inside the file and apart from the others.
///
/// The data starts at the first multiple of `alignment` after `header_bytes`.
pub(super) fn check(
    mut placements: Vec<Placement<'_>>,
    header_bytes: u64,
    alignment: u64,
    file_bytes: u64,
) -> Result<HashMap<&str, Range<usize>>, Defect> {
    let data = header_bytes.next_multiple_of(alignment);
    placements.sort_unstable_by_key(|placement| placement.offset);
    let mut ranges = HashMap::new();
    let mut free = (data, "the header");
    for placement in placements {
        let range = place(placement, data, alignment, file_bytes)?;
        let name = placement.name;
        if range.start < free.0 {
            let (start, (end, before)) = (range.start, free);
            return Err(Defect::damaged(format!(
                "tensor {name} starts at byte {start}, inside {before}, which ends at byte {end}"
            )));
        }
        free = (range.end, name);
        ranges.insert(name, range.start as usize..range.end as usize);
    }
    Ok(ranges)
}

/// The tensor's bytes in the file.
fn place(
    placement: Placement<'_>,
    data: u64,
    alignment: u64,
    file_bytes: u64,
) -> Result<Range<u64>, Defect> {
    let Placement { name, offset, bytes } = placement;
    if offset % alignment != 0 {
        return Err(Defect::damaged(format!(
            "tensor {name} has offset {offset}, expected a multiple of {alignment}"
        )));
    }
    let start = data.checked_add(offset);
    let end = start.and_then(|start| start.checked_add(bytes));
    match (start, end) {
        (Some(start), Some(end)) if end <= file_bytes => Ok(start..end),
        _ => Err(Defect::damaged(format!(
            "tensor {name} takes {bytes} bytes from byte {data} + {offset}, \
             the file has {file_bytes} bytes"
        ))),
    }
}
