//! Output that keeps to a grammar: a JSON schema, a regular expression or a Lark grammar, by the
//! `llguidance` library.
//!
//! | module | job |
//! |---|---|
//! | `source` | the grammar as a request writes it |
//! | `vocabulary` | the model's tokens as a trie |
//! | `compiler` | from the one to a matcher over the other, within limits; on a worker's thread |
//! | `composed` | text between marks, and JSON behind them |
//! | `formats` | formats of strings, as validators take them |
//! | `fault` | what a client reads of a grammar that cannot be used |
//! | `state` | where one sequence stands in its grammar: masks and forced tokens |
//! | `helpers` | the threads that compute those beside the forward |

mod compiler;
mod composed;
mod fault;
mod formats;
mod helpers;
mod source;
mod state;
mod vocabulary;

pub use compiler::Compiler;
pub(crate) use helpers::GrammarHelpers;
pub use source::{Grammar, GrammarKind};
pub use state::GrammarState;
