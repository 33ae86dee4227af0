//! JSON as Python's `json.dumps` writes it.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// The options of `json.dumps`.
#[derive(Clone, Debug, Default)]
pub(super) struct Style {
    /// Spaces a level, each value on a line of its own; all on one line without it.
    pub indent: Option<usize>,
    /// Between values and behind keys; else `", "` (`","` with an indent) and `": "`.
    pub separators: Option<(String, String)>,
    /// Whether other characters are written as escapes.
    pub ascii: bool,
}

impl Style {
    /// Writes a value.
    pub fn write(&self, value: &Value) -> serde_json::Result<String> {
        let mut bytes = Vec::new();
        value.serialize(&mut Serializer::with_formatter(&mut bytes, Python::new(self)))?;
        String::from_utf8(bytes).map_err(serde::ser::Error::custom)
    }
}

struct Python<'a> {
    style: &'a Style,
    between: &'a str,
    behind_key: &'a str,
    depth: usize,
    is_empty: bool,
}

impl<'a> Python<'a> {
    fn new(style: &'a Style) -> Self {
        let (between, behind_key) = match &style.separators {
            Some((between, behind_key)) => (between.as_str(), behind_key.as_str()),
            None if style.indent.is_some() => (",", ": "),
            None => (", ", ": "),
        };
        Self { style, between, behind_key, depth: 0, is_empty: true }
    }

    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        writer.write_all(bracket)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !self.is_empty {
            self.line(writer)?;
        }
        self.is_empty = false;
        writer.write_all(bracket)
    }

    fn next<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(self.between.as_bytes())?;
        }
        self.is_empty = false;
        self.line(writer)
    }

    fn line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        let Some(width) = self.style.indent else { return Ok(()) };
        write!(writer, "\n{:width$}", "", width = self.depth * width)
    }
}

impl Formatter for Python<'_> {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.behind_key.as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.style.ascii {
            return writer.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            if character.is_ascii() {
                write!(writer, "{character}")?;
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = json!({ "b": [1, {}, []], "é🙂": null });
        let plain = Style::default();
        assert_eq!(plain.write(&value).unwrap(), r#"{"b": [1, {}, []], "é🙂": null}"#);
        let indented = Style { indent: Some(2), ..Style::default() };
        let expected = "{\n  \"b\": [\n    1,\n    {},\n    []\n  ],\n  \"é🙂\": null\n}";
        assert_eq!(indented.write(&value).unwrap(), expected);
        let separators = Some((",".to_owned(), ":".to_owned()));
        let dense = Style { separators, ascii: true, indent: None };
        let expected = r#"{"b":[1,{},[]],"\u00e9\ud83d\ude42":null}"#;
        assert_eq!(dense.write(&value).unwrap(), expected);
    }
}
