//! One request inside the engine: its tokens, its pages and what it generates.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use tgi_backend::PAGE_TOKENS;

use crate::{
    draft::Drafter,
    event::{FinishReason, Usage},
    generation::Generation,
    grammar::GrammarState,
    prepare::Prepared,
    registry::Ticket,
    salt::Salt,
};

/// Pages that hold `tokens` tokens.
pub(crate) fn pages_for(tokens: usize) -> usize {
    tokens.div_ceil(PAGE_TOKENS)
}

/// A prepared request, from the queue to its last token.
///
/// `tokens[..kv_len]` have their K and V in `pages`; the rest is pending. One pending token is a
/// decode, more are a prefill, be it the prompt or a recomputation after preemption.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Sequence {
    pub(crate) ticket: Ticket,
    /// Place in the order of arrival, set by the engine's thread.
    pub(crate) arrival: u64,
    /// Prompt, generated and, during a step, drafted tokens.
    pub(crate) tokens: Vec<u32>,
    pub(crate) prompt_tokens: usize,
    pub(crate) max_new_tokens: usize,
    /// Whose prompts it may find in the prefix cache.
    pub(crate) salt: Salt,
    /// The adapter that answers; none is the model itself.
    pub(crate) adapter: Option<u32>,
    /// Page table; entry `i` holds positions `i * 32..(i + 1) * 32`.
    pub(crate) pages: Vec<u32>,
    pub(crate) kv_len: usize,
    /// Tokens that this step computes, drafted ones included. With several begun, it is the oldest.
    pub(crate) take: usize,
    /// Whether the step begun behind this one computes its next token.
    pub(crate) follows: bool,
    /// Whether its last row had no choice, so that its logits are wanted.
    pub(crate) undecided: bool,
    /// Tokens at the end of `tokens` that were drafted for this step.
    pub(crate) drafted: usize,
    /// Younger requests that were admitted while this one did not fit.
    pub(crate) overtaken: u32,
    pub(crate) paused_since: Option<Instant>,
    /// Whether the prompt's logprobs are asked for.
    pub(crate) details: bool,
    /// Prompt tokens whose logprobs were emitted.
    pub(crate) reported: usize,
    pub(crate) drafter: Drafter,
    pub(crate) generation: Generation,
    /// Whether it has a grammar, wherever its state is.
    pub(crate) constrained: bool,
    /// Away while a helper works on it.
    pub(crate) grammar: Option<Box<GrammarState>>,
    /// Whether the drafts of this step are what the grammar forces.
    pub(crate) drafts_forced: bool,
    /// Why its grammar cannot go on.
    pub(crate) fault: Option<String>,
    pub(crate) finish: Option<FinishReason>,
    pub(crate) usage: Usage,
    pub(crate) clock: Clock,
}

/// When a request passed its stages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) queued: Instant,
    pub(crate) started: Option<Instant>,
    pub(crate) first_token: Option<Instant>,
}

impl Clock {
    /// Queue, prefill and decode time of a request that ends at `now`.
    pub(crate) fn durations(&self, now: Instant) -> [Duration; 3] {
        let started = self.started.unwrap_or(now);
        let first = self.first_token.unwrap_or(now);
        [started - self.queued, first - started, now - first]
    }
}

impl Sequence {
    /// A request with its prompt's tokens, ready to be queued. Reserves what its decode needs:
    /// room for `max_new_tokens` and `speculate` drafted tokens, and their pages.
    pub(crate) fn new(
        ticket: Ticket,
        prepared: Prepared,
        speculate: usize,
        details: bool,
        generation: Generation,
    ) -> Self {
        let Prepared { mut tokens, max_new_tokens, salt, adapter, .. } = prepared;
        let prompt_tokens = tokens.len();
        let most_tokens = prompt_tokens + max_new_tokens + speculate;
        tokens.reserve_exact(most_tokens - prompt_tokens);
        Self {
            ticket,
            arrival: 0,
            tokens,
            prompt_tokens,
            max_new_tokens,
            salt,
            adapter,
            pages: Vec::with_capacity(pages_for(most_tokens)),
            kv_len: 0,
            take: 0,
            follows: false,
            undecided: false,
            drafted: 0,
            overtaken: 0,
            paused_since: None,
            details,
            reported: 0,
            drafter: Drafter::default(),
            generation,
            constrained: false,
            grammar: None,
            drafts_forced: false,
            fault: None,
            finish: None,
            usage: Usage { prompt_tokens: prompt_tokens as u32, ..Usage::default() },
            clock: Clock { queued: Instant::now(), started: None, first_token: None },
        }
    }

    /// The same request under a grammar.
    pub(crate) fn constrained_by(mut self, grammar: Option<GrammarState>) -> Self {
        self.constrained = grammar.is_some();
        self.grammar = grammar.map(Box::new);
        self
    }

    /// Request id.
    pub fn id(&self) -> u32 {
        self.ticket.id()
    }

    /// Tokens of the prompt, after `truncate`.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    /// Tokens that it may generate at most.
    pub fn max_new_tokens(&self) -> usize {
        self.max_new_tokens
    }

    /// Tokens generated so far.
    pub(crate) fn generated(&self) -> usize {
        self.tokens.len() - self.drafted - self.prompt_tokens
    }

    /// Tokens without K and V.
    pub(crate) fn pending(&self) -> usize {
        self.tokens.len() - self.kv_len
    }

    /// Whether only the token sampled last is pending.
    pub(crate) fn is_decoding(&self) -> bool {
        self.kv_len + 1 == self.tokens.len() - self.drafted && self.generated() > 0
    }

    /// Whether it has tokens to compute that this step does not take yet.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.is_paused() && self.take < self.pending()
    }

    /// Whether this step computes the row of its next token.
    pub(crate) fn samples(&self) -> bool {
        self.take > 0 && self.kv_len + self.take >= self.tokens.len() - self.drafted
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// Positions that the pages can hold.
    pub(crate) fn page_room(&self) -> usize {
        self.pages.len() * PAGE_TOKENS
    }

    /// Whether the peaks of its rows are all that sampling needs.
    pub(crate) fn takes_peaks(&self) -> bool {
        !self.details && !self.constrained && self.generation.sampler.is_plain()
    }

    /// Whether its rows are chosen by draws. Drafted rows that count tokens are not: what the drafts
    /// are depends on others, and which rows have a draw must not.
    pub(crate) fn takes_draws(&self, speculate: usize) -> bool {
        let sampler = &self.generation.sampler;
        let alone = speculate == 0 || !sampler.counts_tokens();
        !self.details && !self.constrained && sampler.is_drawable() && alone
    }

    /// Whether the logits after position `position` are wanted: to sample from, or to report the
    /// logprob of the prompt token that follows.
    pub(crate) fn wants_row(&self, position: usize) -> bool {
        position + 1 >= self.tokens.len() - self.drafted || self.reports_at(position)
    }

    /// Whether the row at `position` gives the logprob of a prompt token not yet reported.
    pub(crate) fn reports_at(&self, position: usize) -> bool {
        self.details && (self.reported..self.prompt_tokens).contains(&(position + 1))
    }

    /// The positions that this step computes.
    pub(crate) fn step_positions(&self) -> Range<usize> {
        self.kv_len..self.kv_len + self.take
    }

    /// Wanted rows when the next `take` tokens are computed.
    pub(crate) fn rows_for(&self, take: usize) -> usize {
        let end = self.kv_len + take;
        let reports = if self.details {
            let first = self.kv_len.max(self.reported.saturating_sub(1));
            end.min(self.prompt_tokens - 1).saturating_sub(first)
        } else {
            0
        };
        reports + usize::from(end == self.tokens.len())
    }

    /// The most of the next `take` tokens that need at most `rows` wanted rows.
    pub(crate) fn fit_rows(&self, mut take: usize, rows: usize) -> usize {
        loop {
            let excess = self.rows_for(take).saturating_sub(rows);
            if excess == 0 {
                return take;
            }
            take -= excess.min(take);
        }
    }
}
