//! Lists and mappings as Python's `str` writes them.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, Output, State, Value};

use super::limits::{Limits, text_of};

/// Deepest list of lists that is written.
const MAX_DEPTH: usize = 64;

/// Writes a value that a template shows: texts bare, texts in lists and mappings in quotes.
pub(super) fn write_value(
    output: &mut Output<'_>,
    state: &State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let limits = &Limits::of(state);
    let mut writer = Writer { output, limits };
    match value.kind() {
        ValueKind::String => writer.text(value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => writer.repr(value, 0),
        _ => {
            limits.write(text_of(std::slice::from_ref(value)))?;
            minijinja::escape_formatter(writer.output, state, value)
        }
    }
}

/// Counts what it writes.
struct Writer<'a, 'b> {
    output: &'a mut Output<'b>,
    limits: &'a Limits,
}

impl Writer<'_, '_> {
    fn text(&mut self, text: &str) -> Result<(), Error> {
        self.limits.write(text.len())?;
        Ok(self.output.write_str(text)?)
    }

    fn repr(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return self.text("...");
        }
        match value.kind() {
            ValueKind::String => self.quoted(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                self.text("[")?;
                for (index, value) in value.try_iter()?.enumerate() {
                    self.text(if index == 0 { "" } else { ", " })?;
                    self.repr(&value, depth + 1)?;
                }
                self.text("]")
            }
            ValueKind::Map => {
                self.text("{")?;
                for (index, key) in value.try_iter()?.enumerate() {
                    self.text(if index == 0 { "" } else { ", " })?;
                    self.repr(&key, depth + 1)?;
                    self.text(": ")?;
                    self.repr(&value.get_item(&key)?, depth + 1)?;
                }
                self.text("}")
            }
            _ => self.text(&value.to_string()),
        }
    }

    /// Single quotes, unless the text has only such.
    fn quoted(&mut self, text: &str) -> Result<(), Error> {
        self.limits.write(text.len())?;
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        let output = &mut *self.output;
        output.write_char(quote)?;
        for character in text.chars() {
            match character {
                '\n' => output.write_str("\\n")?,
                '\r' => output.write_str("\\r")?,
                '\t' => output.write_str("\\t")?,
                '\\' => output.write_str("\\\\")?,
                _ if character == quote => write!(output, "\\{character}")?,
                _ if character.is_control() => write!(output, "\\x{:02x}", u32::from(character))?,
                _ => output.write_char(character)?,
            }
        }
        Ok(output.write_char(quote)?)
    }
}
