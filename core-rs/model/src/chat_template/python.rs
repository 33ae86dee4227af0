//! What templates written for Python's Jinja expect.

use std::error::Error as _;
use std::fmt;

use super::calendar::strftime_now;
use super::checked::call;
use super::limits::{Limits, text_of};
use super::python_json::Style;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// Widest indent that `tojson` takes, spaces.
const MAX_INDENT: usize = 16;

/// Bytes of what a byte of a date's format stands for, at most: half of `%A`.
const LONGEST_DATE: usize = 8;

/// Adds `raise_exception`, `strftime_now`, and Python's notion of what can be iterated: `none`
/// cannot.
pub(super) fn install(environment: &mut Environment) {
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", |state: &State, format: &str| {
        let most = format.len().saturating_mul(LONGEST_DATE);
        call(state, most, || Ok(strftime_now(format).into()))
    });
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
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

fn raise_exception(state: &State, message: &Value) -> Result<Value, Error> {
    Limits::of(state).fits(text_of(std::slice::from_ref(message)))?;
    Err(Error::new(ErrorKind::InvalidOperation, message.to_string()).with_source(Refusal))
}

/// Whether the template refused by `raise_exception`.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<Refusal>)
}

/// `json.dumps(value, ensure_ascii=…, indent=…, separators=…, sort_keys=…)`, as Hugging Face defines
/// the filter.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands keyword arguments over")]
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let style = Style {
        indent: options.get("indent")?,
        separators: options.get::<Option<Value>>("separators")?.map(separators).transpose()?,
        ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
    };
    let sorted: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    if let Some(width) = style.indent.filter(|&width| width > MAX_INDENT) {
        let message = format!("tojson indents by {width}, expected 0 to {MAX_INDENT}");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let json = serde_json::to_value(value).and_then(|mut data| {
        if sorted == Some(true) {
            data.sort_all_objects();
        }
        style.write(&data)
    });
    json.map(Value::from_safe_string).map_err(|error| {
        Error::new(ErrorKind::BadSerialization, "tojson cannot write the value").with_source(error)
    })
}

/// The two texts of Python's `separators=(between, behind_key)`.
#[expect(clippy::needless_pass_by_value, reason = "it comes out of an Option")]
fn separators(value: Value) -> Result<(String, String), Error> {
    let parts: Vec<Value> = value.try_iter()?.collect();
    let texts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
    if let Some(&[between, behind_key]) = texts.as_deref() {
        return Ok((between.to_owned(), behind_key.to_owned()));
    }
    let message = format!("tojson has the separators {value}, expected two texts");
    Err(Error::new(ErrorKind::InvalidOperation, message))
}
