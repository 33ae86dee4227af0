//! How much a rendering may make and write.
//!
//! Memory is counted, not measured: everything that a template makes is taken off one account
//! and never given back, so that what lives at once is less. What an operation could make at most
//! is compared with what is left before it begins.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Object, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// Bytes of all values that a rendering makes, together.
pub(super) const MAX_MEMORY: usize = 256 << 20;
/// Bytes that a rendering writes, into the prompt or into a variable.
pub(super) const MAX_OUTPUT: usize = 16 << 20;
/// Lists in lists; the parser of requests allows 128.
pub(super) const MAX_DEPTH: usize = 256;
/// Bytes of a value in a list.
pub(super) const ITEM: usize = size_of::<Value>();

/// What is left to a rendering.
#[derive(Debug)]
pub(super) struct Limits {
    memory: AtomicUsize,
    output: AtomicUsize,
}

impl Object for Limits {}

impl Limits {
    /// Those of the rendering that `state` belongs to.
    pub fn of(state: &State<'_, '_>) -> Arc<Self> {
        state.get_or_set_temp_object("limits", || Self {
            memory: AtomicUsize::new(MAX_MEMORY),
            output: AtomicUsize::new(MAX_OUTPUT),
        })
    }

    /// Whether there is room for values of so many bytes.
    pub fn fits(&self, bytes: usize) -> Result<(), Error> {
        let left = self.memory.load(Ordering::Relaxed);
        if bytes > left { Err(Exceeded::Memory.into()) } else { Ok(()) }
    }

    /// Counts values of so many bytes.
    pub fn take(&self, bytes: usize) -> Result<(), Error> {
        take(&self.memory, bytes).ok_or_else(|| Exceeded::Memory.into())
    }

    /// Counts text that is written.
    pub fn write(&self, bytes: usize) -> Result<(), Error> {
        take(&self.output, bytes).ok_or_else(|| Exceeded::Output.into())
    }

    /// Counts a value that was made, and gives it as one that refers to no other list: what is
    /// computed later would be counted by nobody.
    pub fn made(&self, value: Value) -> Result<Value, Error> {
        let value = match value.kind() {
            ValueKind::String => {
                let length = value.as_str().map_or(0, str::len);
                self.take(length + ITEM)?;
                return Ok(value);
            }
            ValueKind::Iterable => self.listed(&value)?,
            ValueKind::Seq if value.downcast_object_ref::<Vec<Value>>().is_none() => {
                self.listed(&value)?
            }
            ValueKind::Seq | ValueKind::Map => value,
            _ => return Ok(value),
        };
        self.check_depth(&value, 0)?;
        Ok(value)
    }

    fn listed(&self, value: &Value) -> Result<Value, Error> {
        let length = value.len().unwrap_or(0);
        self.fits(length.saturating_mul(ITEM))?;
        let mut list = Vec::with_capacity(length);
        for item in value.try_iter()? {
            self.take(ITEM)?;
            list.push(item);
        }
        Ok(list.into())
    }

    /// Looks at all that a value holds; looking is not free either.
    fn check_depth(&self, value: &Value, depth: usize) -> Result<(), Error> {
        let kind = value.kind();
        if !matches!(kind, ValueKind::Seq | ValueKind::Map) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(Exceeded::Depth.into());
        }
        self.take((value.len().unwrap_or(0) + 1) * ITEM)?;
        for item in value.try_iter()? {
            if kind == ValueKind::Map {
                self.check_depth(&value.get_item(&item)?, depth + 1)?;
            }
            self.check_depth(&item, depth + 1)?;
        }
        Ok(())
    }
}

fn take(account: &AtomicUsize, amount: usize) -> Option<()> {
    let left = account.load(Ordering::Relaxed).checked_sub(amount)?;
    account.store(left, Ordering::Relaxed);
    Some(())
}

/// A limit that a template went past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    Memory,
    Output,
    Depth,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => write!(formatter, "it makes values of more than {MAX_MEMORY} bytes"),
            Self::Output => write!(formatter, "it writes more than {MAX_OUTPUT} bytes"),
            Self::Depth => write!(formatter, "it nests values deeper than {MAX_DEPTH}"),
        }
    }
}

impl std::error::Error for Exceeded {}

impl From<Exceeded> for Error {
    fn from(exceeded: Exceeded) -> Self {
        Self::new(ErrorKind::InvalidOperation, exceeded.to_string()).with_source(exceeded)
    }
}

/// The limit that an error is about, however deep it lies.
pub(super) fn exceeded(error: &Error) -> Option<Exceeded> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(exceeded) = error.downcast_ref() {
            return Some(*exceeded);
        }
        source = error.source();
    }
    None
}

/// How large a value is, with all that it holds; what is there several times counts as often.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// Values, itself among them.
    pub values: usize,
    /// Bytes of its text at most, with quotes and escapes where it is in a list.
    pub text: usize,
}

/// Bytes of a character that is written as an escape, at most: `\u001b`.
const ESCAPE: usize = 6;
/// Bytes of a number, and what stands between values.
const NUMBER: usize = 48;

impl Size {
    /// The size of a value; stops where it is past `most` bytes.
    pub fn of(value: &Value, most: usize) -> Self {
        let mut size = Self::default();
        match value.as_str() {
            Some(text) => size = Self { values: 1, text: text.len() },
            None => size.add(value, most, 0),
        }
        size
    }

    fn add(&mut self, value: &Value, most: usize, depth: usize) {
        self.values += 1;
        self.text += NUMBER + value.as_str().map_or(0, |text| text.len().saturating_mul(ESCAPE));
        let kind = value.kind();
        if !matches!(kind, ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)
            || depth > MAX_DEPTH
        {
            return;
        }
        for item in value.try_iter().into_iter().flatten() {
            if self.text > most {
                return;
            }
            self.add(&item, most, depth + 1);
            if kind == ValueKind::Map
                && let Ok(held) = value.get_item(&item)
            {
                self.add(&held, most, depth + 1);
            }
        }
    }
}

/// Bytes of the text of all these values, at most.
pub(super) fn text_of(values: &[Value]) -> usize {
    values.iter().fold(0, |sum, value| sum + Size::of(value, MAX_MEMORY).text)
}
