//! Scheduler, KV pages, prefix tree, sampler, stop rules, detokenizer.
//!
//! | module | job |
//! |---|---|
//! | [`engine`] | the threads: [`Engine`] is what the outside holds |
//! | [`intake`] | where requests and wishes about them go in |
//! | `worker`, [`prepare`] | tokenizing and checking, before the engine's thread |
//! | [`core`], `wishes` | one step, without threads; cancels, pauses and the end |
//! | `scheduler`, `plan` | admission, preemption, and what a step computes |
//! | `flight`, `follow` | steps that are begun, and the one behind |
//! | `pages`, `prefix`, `lru`, `salt` | who holds which KV page, and which prompts are in them |
//! | `draft` | speculation by n-gram look-up |
//! | [`grammar`] | masks that keep the output to a grammar |
//! | `output`, `generation` | from logits to events |
//! | `sampler`, `warpers`, `philox`, `stop`, `detokenizer`, `logprob` | what those two are made of |
//! | `held`, `stop_search` | stop sequences inside tokens |

mod config;
pub mod core;
mod detokenizer;
mod draft;
pub mod engine;
mod event;
mod flight;
mod follow;
mod generation;
pub mod grammar;
mod held;
pub mod intake;
mod limits;
mod logprob;
mod lru;
mod mailbox;
mod output;
mod pages;
mod philox;
mod plan;
mod prefix;
pub mod prepare;
mod registry;
mod request;
mod salt;
mod sampler;
mod scheduler;
mod sequence;
mod stop;
mod stop_search;
mod token_list;
mod token_spans;
mod warpers;
mod wishes;
mod worker;

pub use config::{EngineConfig, Profile};
pub use core::{Core, Progress};
pub use detokenizer::Detokenizer;
pub use draft::FREE_TOKENS;
pub use engine::{Engine, EngineError, Sinks, SubmitError};
pub use event::{Event, EventSink, FailureKind, FinishReason, StepReport, TokenInfo, Usage};
pub use grammar::{Grammar, GrammarKind};
pub use intake::Intake;
pub use logprob::prompt_logprob;
pub use prepare::Invalid;
pub use registry::Ticket;
pub use request::{Conversation, Job, Parameters, Request, Text, Watermark};
pub use sampler::{Sampled, Sampler, Scratch};
pub use sequence::Sequence;
pub use stop::StopRules;
