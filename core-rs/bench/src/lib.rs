//! The in-process benchmark: what a backend computes a second, without server, bridge or scheduler.
//!
//! | module | job |
//! |---|---|
//! | [`arguments`] | the command line |
//! | [`shapes`] | shapes and storage types of well-known models, as data |
//! | [`random`] | random weights of such a shape |
//! | [`subject`] | a backend, loaded from a file or from random weights |
//! | [`streams`] | prefill and decode through the backend's trait |
//! | [`case`] | the tests: their names and their repetition |
//! | [`argmax`] | the most likely token |
//! | [`roofs`] | what the machine could do at most |
//! | [`report`] | the table and the JSON lines |
//! | [`memory`] | the process's largest memory |

#![allow(
    clippy::inline_always,
    reason = "only inlined code is compiled with the instructions of its caller"
)]

pub mod argmax;
pub mod arguments;
pub mod case;
mod error;
pub mod memory;
pub mod random;
pub mod report;
pub mod roofs;
pub mod shapes;
pub mod streams;
pub mod subject;

pub use error::BenchError;
