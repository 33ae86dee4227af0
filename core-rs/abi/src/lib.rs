//! The C ABI of `libtgi_core`: JSON in, once for each request; binary records out, once for each
//! token. One core a process; it can be closed and opened again.
//!
//! | module | job |
//! |---|---|
//! | [`exports`] | the C functions |
//! | [`state`] | the one open core, the text of the last error |
//! | [`open`] | from JSON to a running engine |
//! | [`config`], [`backends`], [`plan`], [`memory`] | what to open, with what, and whether it fits |
//! | [`survey`] | what would be taken and served, without loading |
//! | [`candle`], `cuda`, [`device`] | candle on a processor or a GPU, own kernels on a GPU |
//! | [`capturing`] | how far a load on a GPU is |
//! | [`machine`] | what this machine offers |
//! | [`presence`] | which clients have closed their connection |
//! | [`stats`] | what was chosen |
//! | [`about`] | what could be chosen |
//! | [`record`] | events to bytes |
//! | [`outbox`] | the order of events, sleeping and waking |
//! | [`ring`], [`side`], [`doorbell`] | what the outbox is made of |
//! | [`panics`] | panics end here |
//! | [`errors`] | why not |

pub mod backends;
pub mod candle;
pub mod capturing;
pub mod config;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod device;
pub mod doorbell;
pub mod errors;
pub mod exports;
pub mod machine;
pub mod memory;
pub mod open;
pub mod outbox;
pub mod panics;
pub mod plan;
pub mod presence;
pub mod record;
pub mod ring;
pub mod side;
pub mod state;
pub mod stats;
pub mod survey;
