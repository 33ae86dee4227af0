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
    if !offset.is_multiple_of(alignment) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn placements(tensors: &[(&'static str, u64, u64)]) -> Vec<Placement<'static>> {
        let placement = |&(name, offset, bytes)| Placement { name, offset, bytes };
        tensors.iter().map(placement).collect()
    }

    fn refusal(tensors: &[(&'static str, u64, u64)]) -> String {
        check(placements(tensors), 40, 32, 256).unwrap_err().found
    }

    #[test]
    fn tensors_in_any_order_and_with_gaps_are_placed_behind_the_header() {
        let found = check(placements(&[("b", 128, 64), ("a", 0, 33)]), 40, 32, 256).unwrap();
        assert_eq!((found["a"].clone(), found["b"].clone()), (64..97, 192..256));
        assert!(check(Vec::new(), 40, 32, 40).unwrap().is_empty());
    }

    #[test]
    fn a_tensor_past_the_end_is_refused() {
        let expected = "tensor a takes 193 bytes from byte 64 + 0, the file has 256 bytes";
        assert_eq!(refusal(&[("a", 0, 193)]), expected);
        assert!(refusal(&[("a", 256, 1)]).contains("the file has 256 bytes"));
    }

    #[test]
    fn sums_that_overflow_are_refused() {
        let top = u64::MAX - 31;
        assert!(refusal(&[("a", top, 1)]).contains("the file has 256 bytes"));
        assert!(refusal(&[("a", 64, u64::MAX)]).contains("the file has 256 bytes"));
    }

    #[test]
    fn a_crooked_offset_is_refused() {
        assert_eq!(refusal(&[("a", 8, 4)]), "tensor a has offset 8, expected a multiple of 32");
    }

    #[test]
    fn overlapping_tensors_are_refused() {
        let expected = "tensor b starts at byte 96, inside a, which ends at byte 97";
        assert_eq!(refusal(&[("b", 32, 4), ("a", 0, 33)]), expected);
        assert!(refusal(&[("a", 0, 4), ("b", 0, 4)]).contains("starts at byte 64, inside"));
    }
}
