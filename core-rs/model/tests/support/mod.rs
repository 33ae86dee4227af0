//! Shared by the tests of this folder, each of which uses some of it.
#![allow(dead_code)]

pub mod folder;
pub mod gguf;
pub mod packages;
pub mod real;
pub mod templates;
pub mod tiny;
pub mod vocabularies;
