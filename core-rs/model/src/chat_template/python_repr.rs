//! Lists and mappings as Python's `str` writes them.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, Output, State, Value};

/// Deepest list of lists that is written.
const MAX_DEPTH: usize = 64;

/// Writes a value that a template shows: texts bare, texts in lists and mappings in quotes.
pub(super) fn write_value(
    output: &mut Output<'_>,
    state: &State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Map => write_repr(output, value, 0),
        _ => minijinja::escape_formatter(output, state, value),
    }
}

fn write_repr(output: &mut Output<'_>, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Ok(output.write_str("...")?);
    }
    match value.kind() {
        ValueKind::String => write_text(output, value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            output.write_char('[')?;
            for (index, value) in value.try_iter()?.enumerate() {
                output.write_str(if index == 0 { "" } else { ", " })?;
                write_repr(output, &value, depth + 1)?;
            }
            Ok(output.write_char(']')?)
        }
        ValueKind::Map => {
            output.write_char('{')?;
            for (index, key) in value.try_iter()?.enumerate() {
                output.write_str(if index == 0 { "" } else { ", " })?;
                write_repr(output, &key, depth + 1)?;
                output.write_str(": ")?;
                write_repr(output, &value.get_item(&key)?, depth + 1)?;
            }
            Ok(output.write_char('}')?)
        }
        _ => Ok(write!(output, "{value}")?),
    }
}

/// Single quotes, unless the text has only such.
fn write_text(output: &mut Output<'_>, text: &str) -> Result<(), Error> {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
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
