//! Reads little-endian numbers and strings from untrusted bytes.

use crate::error::Defect;

/// A position in a file's bytes; every read is checked against the bytes left.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at byte 0.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes not yet read.
    pub fn left(&self) -> u64 {
        (self.bytes.len() - self.position) as u64
    }

    /// The next `length` bytes; `what` names them in the error.
    pub fn take(&mut self, length: u64, what: &str) -> Result<&'a [u8], Defect> {
        if length > self.left() {
            let (position, left) = (self.position, self.left());
            return Err(Defect::damaged(format!(
                "{what} at byte {position} takes {length} bytes, the file has {left} bytes left"
            )));
        }
        let end = self.position + length as usize;
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }

    /// A `u32`.
    pub fn u32(&mut self, what: &str) -> Result<u32, Defect> {
        let mut number = [0; 4];
        number.copy_from_slice(self.take(4, what)?);
        Ok(u32::from_le_bytes(number))
    }

    /// A `u64`.
    pub fn u64(&mut self, what: &str) -> Result<u64, Defect> {
        let mut number = [0; 8];
        number.copy_from_slice(self.take(8, what)?);
        Ok(u64::from_le_bytes(number))
    }

    /// A string's bytes: a `u64` length, then as many bytes.
    pub fn string(&mut self, what: &str) -> Result<&'a [u8], Defect> {
        let length = self.u64(what)?;
        self.take(length, what)
    }

    /// A string that names something: UTF-8 without control characters, of 1 to `limit` bytes.
    pub fn name(&mut self, limit: usize, what: &str) -> Result<&'a str, Defect> {
        let start = self.position;
        let name = self.string(what)?;
        if name.is_empty() || name.len() > limit {
            let length = name.len();
            return Err(Defect::damaged(format!(
                "{what} at byte {start} has {length} bytes, expected 1 to {limit}"
            )));
        }
        match std::str::from_utf8(name) {
            Ok(name) if !name.contains(char::is_control) => Ok(name),
            _ => Err(Defect::damaged(format!(
                "{what} at byte {start} is {:?}, expected printable UTF-8",
                String::from_utf8_lossy(name)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian_and_move_the_position() {
        let mut cursor = Cursor::new(&[1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(cursor.u32("a").unwrap(), 1);
        assert_eq!((cursor.position(), cursor.left()), (4, 8));
        assert_eq!(cursor.u64("b").unwrap(), 2 + (1 << 56));
        assert_eq!((cursor.position(), cursor.left()), (12, 0));
    }

    #[test]
    fn a_read_past_the_end_names_place_and_sizes() {
        let mut cursor = Cursor::new(&[0; 6]);
        cursor.u32("a").unwrap();
        let found = cursor.u64("the count").unwrap_err().found;
        assert_eq!(found, "the count at byte 4 takes 8 bytes, the file has 2 bytes left");
        assert_eq!(cursor.take(2, "rest").unwrap(), [0, 0]);
    }

    #[test]
    fn a_length_near_the_end_of_numbers_does_not_overflow() {
        let bytes = [u8::MAX; 24];
        assert!(
            Cursor::new(&bytes).string("text").unwrap_err().found.contains("18446744073709551615")
        );
    }

    #[test]
    fn names_are_short_printable_text() {
        let name = |text: &[u8]| {
            let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
            bytes.extend(text);
            Cursor::new(&bytes).name(4, "a name").map(str::to_owned)
        };
        assert_eq!(name("dé".as_bytes()).unwrap(), "dé");
        for bad in [&b""[..], b"abcde", b"a\0", b"a\nb", b"\xFF"] {
            assert!(name(bad).unwrap_err().found.starts_with("a name at byte 0"), "{bad:?}");
        }
    }
}
