//! Model files, [`ModelSpec`], tokenizer and chat template.
//!
//! [`Model::open`] is the way in: it checks a file before anything trusts it, reads the
//! specification, and hands out tensors by [`Role`] straight from the mapped file.

pub mod spec;

pub use spec::{ModelSpec, Role};
