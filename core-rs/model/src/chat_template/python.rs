//! What templates written for Python's Jinja expect.

use std::error::Error as _;
use std::fmt;
use std::io;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::calendar::strftime_now;

/// Widest indent that `tojson` takes, spaces.
const MAX_INDENT: usize = 16;

/// Adds Python's string methods, `raise_exception`, `strftime_now` and Python's `tojson`.
pub(super) fn install(environment: &mut Environment) {
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", |format: &str| strftime_now(format));
    environment.add_filter("tojson", to_json);
}

/// Marks an error that the template raised itself.
#[derive(Debug)]
struct Refusal;

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("raised by the template")
    }
}

impl std::error::Error for Refusal {}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message).with_source(Refusal))
}

/// Whether the template refused by `raise_exception`.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<Refusal>)
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`, as Hugging Face defines the filter.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands keyword arguments over")]
fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Accepted because templates pass it; the output is not ASCII-only either way.
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let json = match indent {
        None => write_json(value, Spaced),
        Some(width) if width <= MAX_INDENT => {
            write_json(value, PrettyFormatter::with_indent(&b" ".repeat(width)))
        }
        Some(width) => {
            let message = format!("tojson indents by {width}, expected 0 to {MAX_INDENT}");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    };
    json.map(Value::from_safe_string).map_err(|error| {
        Error::new(ErrorKind::BadSerialization, "tojson cannot write the value").with_source(error)
    })
}

fn write_json(value: &Value, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Python's separators, `", "` and `": "`.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
