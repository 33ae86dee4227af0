//! Where a template writes to.

use std::io::{self, Write};

/// Bytes up to a limit; what goes past it is an error.
pub(super) struct Output {
    bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    /// Takes at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_can_be_reached_but_not_passed() {
        let mut output = Output::new(4);
        output.write_all(b"abc").unwrap();
        assert!(output.write_all(b"de").is_err());
        output.write_all(b"d").unwrap();
        output.flush().unwrap();
        assert!(output.write_all(b"e").is_err());
        assert_eq!(output.into_bytes(), b"abcd");
    }
}
