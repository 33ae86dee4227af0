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

    /// A string that names something: UTF-8 without NUL, neither empty nor longer than `limit` bytes.
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
            Ok(name) if !name.contains('\0') => Ok(name),
            _ => Err(Defect::damaged(format!(
                "{what} at byte {start} is not UTF-8 text without NUL"
            ))),
        }
    }
}
