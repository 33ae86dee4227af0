//! Scheduler, KV pages, prefix tree, sampler, stop rules, detokenizer.

mod config;
mod event;
mod request;

pub use config::{EngineConfig, Profile};
pub use event::{Event, EventSink, FailureKind, FinishReason, StepReport, TokenInfo, Usage};
pub use request::{Parameters, Request};
