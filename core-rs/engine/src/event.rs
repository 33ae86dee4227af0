//! What the engine tells the outside, and the trait that carries it there.

use std::time::Duration;

/// A token as clients see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenInfo<'a> {
    /// Vocabulary id.
    pub id: u32,
    /// Natural logarithm of its probability; NaN where there is none (first prompt token).
    pub logprob: f32,
    /// Control token, left out of the generated text.
    pub special: bool,
    /// Text that it adds; empty while a character is incomplete.
    pub text: &'a str,
}

/// Why a generation ended, in TGI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// `max_new_tokens` reached.
    Length,
    /// The model ended the text.
    EosToken,
    /// The text ends with one of the request's stop sequences.
    StopSequence,
}

/// Why a request failed; the server maps it to a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The request breaks a limit that only the tokenizer or the model knows: 422.
    Validation,
    /// The backend failed or panicked: 424.
    Generation,
    /// The chat template is missing, broken, or refuses the messages: 422.
    Template,
    /// Paused for longer than its limit.
    Abandoned,
    /// The engine stopped before the end: 500.
    Incomplete,
}

/// Accounting of one finished request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens of the prompt, special tokens included.
    pub prompt_tokens: u32,
    /// Prompt tokens found in the prefix cache.
    pub cached_tokens: u32,
    /// Tokens generated, the last one included.
    pub generated_tokens: u32,
    /// Tokens proposed by speculation.
    pub drafted_tokens: u32,
    /// Proposed tokens that were accepted.
    pub accepted_tokens: u32,
    /// From queued to first step.
    pub queue: Duration,
    /// From first step to first token.
    pub prefill: Duration,
    /// From first token to last.
    pub decode: Duration,
}

/// What one engine step did, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepReport {
    /// Whether the forward failed or panicked.
    pub failed: bool,
    /// Prompt tokens computed.
    pub prefill_tokens: u32,
    /// Sequences that decoded.
    pub decode_sequences: u32,
    /// Sequences admitted from the queue in this step.
    pub admitted: u32,
    /// Sequences in the running set after the step.
    pub running: u32,
    /// Requests waiting after the step.
    pub waiting: u32,
    /// Sum over running sequences of prompt plus `max_new_tokens`.
    pub max_tokens: u32,
    /// KV pages held by running sequences.
    pub pages_used: u32,
    /// KV pages held by the prefix cache alone.
    pub pages_cached: u32,
    /// Speculated tokens accepted in this step.
    pub accepted_tokens: u32,
    /// Time from the begin of the forward, or from the end of the one before if that was later, to
    /// its end.
    pub forward: Duration,
    /// Time in sampling, stop rules and detokenizing.
    pub sample: Duration,
}

/// One thing that happened. Texts are borrowed: a sink copies what it keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// Valid and queued.
    Accepted {
        /// Request id.
        request: u32,
        /// Tokens of the prompt, after `truncate`.
        prompt_tokens: u32,
        /// Tokens that it may generate at most.
        max_new_tokens: u32,
        /// Time spent on tokenizing and checking.
        validation: Duration,
    },
    /// Prompt tokens with their logprobs; a long prompt comes in several events, in order, all
    /// before the first [`Event::Token`].
    Prefill {
        /// Request id.
        request: u32,
        /// The next prompt tokens.
        tokens: &'a [TokenInfo<'a>],
    },
    /// A generated token.
    Token {
        /// Request id.
        request: u32,
        /// 1 for the first generated token.
        index: u32,
        /// Whether it ends its generation: [`Event::Done`] follows, in the same step.
        last: bool,
        /// The token.
        token: TokenInfo<'a>,
        /// The most likely tokens at its place, best first; empty unless asked for.
        top: &'a [TokenInfo<'a>],
    },
    /// A piece of the generated text, whole characters; all pieces come before [`Event::Done`].
    Text {
        /// Request id.
        request: u32,
        /// The next piece, at most 16 KiB.
        text: &'a str,
    },
    /// The generation ended well; the last event of a request.
    Done {
        /// Request id.
        request: u32,
        /// Why it ended.
        finish_reason: FinishReason,
        /// The seed, when the request sampled.
        seed: Option<u64>,
        /// Accounting.
        usage: Usage,
    },
    /// A conversation was written as a prompt; the only event of its request.
    Rendered {
        /// Request id.
        request: u32,
        /// The prompt, special tokens as text.
        prompt: &'a str,
    },
    /// The request failed; the last event of a request.
    Failed {
        /// Request id.
        request: u32,
        /// Kind of failure.
        kind: FailureKind,
        /// What the client may read, without the prefix that the server adds.
        message: &'a str,
    },
    /// A step ended.
    Step(StepReport),
}

/// Carries events out of the engine. One sink belongs to one thread.
pub trait EventSink: Send {
    /// Takes an event; may wait while the reader is behind, and never drops one.
    fn emit(&mut self, event: Event<'_>);
    /// Makes all events so far visible, and wakes the reader once. Called once a step.
    fn publish(&mut self);
}
