//! Typed access to a file's keys and values.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;

use crate::error::Defect;

/// Keys and values; every accessor names the key in its error.
#[derive(Debug)]
pub(crate) struct Metadata(HashMap<String, Value>);

impl Metadata {
    /// Wraps what candle read.
    pub fn new(values: HashMap<String, Value>) -> Self {
        Self(values)
    }

    /// A non-negative integer of any width.
    pub fn integer(&self, key: &str) -> Result<Option<u64>, Defect> {
        let number = match self.0.get(key) {
            None => return Ok(None),
            Some(&Value::U8(number)) => Some(number.into()),
            Some(&Value::U16(number)) => Some(number.into()),
            Some(&Value::U32(number)) => Some(number.into()),
            Some(&Value::U64(number)) => Some(number),
            Some(&Value::I8(number)) => number.try_into().ok(),
            Some(&Value::I16(number)) => number.try_into().ok(),
            Some(&Value::I32(number)) => number.try_into().ok(),
            Some(&Value::I64(number)) => number.try_into().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| self.mistyped(key, "a non-negative integer"))
    }

    /// A finite number.
    pub fn float(&self, key: &str) -> Result<Option<f32>, Defect> {
        let number = match self.0.get(key) {
            None => return Ok(None),
            Some(&Value::F32(number)) => number,
            Some(&Value::F64(number)) => number as f32,
            Some(_) => f32::NAN,
        };
        if number.is_finite() {
            return Ok(Some(number));
        }
        Err(self.mistyped(key, "a finite number"))
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, Defect> {
        match self.0.get(key) {
            None => Ok(None),
            Some(&Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(self.mistyped(key, "a bool")),
        }
    }

    /// A string.
    pub fn string(&self, key: &str) -> Result<Option<&str>, Defect> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value)),
            Some(_) => Err(self.mistyped(key, "a string")),
        }
    }

    /// Moves an array of strings out: vocabularies are too large to copy.
    pub fn take_strings(&mut self, key: &str) -> Result<Option<Vec<String>>, Defect> {
        self.take_array(key, "an array of strings", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// Moves an array of f32 out.
    pub fn take_floats(&mut self, key: &str) -> Result<Option<Vec<f32>>, Defect> {
        self.take_array(key, "an array of finite f32", |value| match value {
            Value::F32(number) if number.is_finite() => Some(number),
            _ => None,
        })
    }

    /// Moves an array of bytes out.
    pub fn take_bytes(&mut self, key: &str) -> Result<Option<Vec<u8>>, Defect> {
        self.take_array(key, "an array of bytes", |value| match value {
            Value::U8(byte) => Some(byte),
            Value::I8(byte) => Some(byte as u8),
            _ => None,
        })
    }

    /// Moves an array of 32-bit integers out.
    pub fn take_integers(&mut self, key: &str) -> Result<Option<Vec<i64>>, Defect> {
        self.take_array(key, "an array of int32", |value| match value {
            Value::I32(number) => Some(number.into()),
            Value::U32(number) => Some(number.into()),
            _ => None,
        })
    }

    fn take_array<T>(
        &mut self,
        key: &str,
        expected: &str,
        element: impl Fn(Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Defect> {
        let array = match self.0.remove(key) {
            None => return Ok(None),
            Some(Value::Array(values)) => values.into_iter().map(element).collect(),
            Some(_) => None,
        };
        array
            .map(Some)
            .ok_or_else(|| Defect::damaged(format!("{key} has another type, expected {expected}")))
    }

    fn mistyped(&self, key: &str, expected: &str) -> Defect {
        let found = match self.0.get(key) {
            Some(Value::Array(_)) => "an array".to_owned(),
            Some(Value::String(_)) => "a string".to_owned(),
            Some(number) => format!("{number:?}"),
            None => "missing".to_owned(),
        };
        Defect::malformed(format!("{key} is {found}, expected {expected}"))
    }
}
