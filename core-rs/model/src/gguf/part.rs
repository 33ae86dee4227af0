//! A model that is only a part of a file: the one that an executable carries.

use std::io;

/// Where a part starts: whole pages of memory, so that a mapped part is aligned as a file is.
const ALIGNMENT: u64 = 4096;

/// Bytes of a file. Whoever names them is not trusted: the range is checked when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// First byte, a multiple of 4,096.
    pub offset: u64,
    /// Bytes, above 0.
    pub length: u64,
}

impl FilePart {
    /// Offset and length for a mapping of a file of `file_bytes`.
    pub(super) fn within(self, file_bytes: u64) -> io::Result<(u64, usize)> {
        let Self { offset, length } = self;
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if !offset.is_multiple_of(ALIGNMENT) {
            return refuse(format!(
                "the model in it starts at byte {offset}, expected a multiple of {ALIGNMENT}"
            ));
        }
        let inside = offset.checked_add(length).is_some_and(|end| end <= file_bytes);
        match usize::try_from(length) {
            Ok(bytes) if bytes > 0 && inside => Ok((offset, bytes)),
            _ => refuse(format!(
                "the model in it takes {length} bytes from byte {offset}, \
                 the file has {file_bytes} bytes"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(offset: u64, length: u64) -> String {
        FilePart { offset, length }.within(10_000).unwrap_err().to_string()
    }

    #[test]
    fn a_part_up_to_the_last_byte_is_accepted() {
        let part = FilePart { offset: 4096, length: 5904 };
        assert_eq!(part.within(10_000).unwrap(), (4096, 5904));
    }

    #[test]
    fn parts_that_are_crooked_empty_or_outside_are_refused() {
        assert!(refusal(100, 8).contains("starts at byte 100, expected a multiple of 4096"));
        assert!(refusal(4096, 0).contains("takes 0 bytes"));
        assert!(refusal(4096, 5905).contains("the file has 10000 bytes"));
        assert!(refusal(u64::MAX - 4095, u64::MAX).contains("the file has 10000 bytes"));
    }

    proptest! {
        #[test]
        fn an_accepted_part_lies_inside(offset: u64, length: u64, file_bytes: u64) {
            if let Ok((start, bytes)) = (FilePart { offset, length }).within(file_bytes) {
                prop_assert!(u128::from(start) + bytes as u128 <= u128::from(file_bytes));
            }
        }
    }
}
