//! From logits to events: samples, ends and tells the sequences of a step.

use std::{mem, sync::Arc, time::Instant};

use tgi_backend::{Logits, Peak, RankedToken};
use tgi_model::Tokenizer;

use crate::{
    event::{Event, EventSink, FailureKind, TokenInfo, Usage},
    grammar::GrammarState,
    held::TokenHead,
    logprob::prompt_logprob,
    prepare::Invalid,
    sampler::{Sampled, Scratch},
    sequence::Sequence,
    token_list::{TokenList, push_lossy},
};

/// Most prompt tokens in one event.
const PREFILL_TOKENS: usize = 256;
/// Most bytes of text in one event.
const TEXT_BYTES: usize = 16 * 1024;

/// What a step gives of a row to sample from.
enum Found<'a> {
    Peak(Peak),
    Drawn(RankedToken, &'a [RankedToken]),
    Logits(&'a mut [f32]),
}

impl<'a> Found<'a> {
    fn of(logits: &'a mut Logits<'_>, row: usize) -> Self {
        if let Some(peak) = logits.peak(row) {
            Self::Peak(peak)
        } else if let Some((token, top)) = logits.drawn(row) {
            Self::Drawn(token, top)
        } else {
            Self::Logits(logits.row_mut(row))
        }
    }
}

/// The sink of the thread that steps, and memory to build events in.
pub(crate) struct Output {
    sink: Box<dyn EventSink>,
    tokenizer: Arc<Tokenizer>,
    scratch: Scratch,
    /// Text of the token being told.
    text: String,
    list: TokenList,
}

impl Output {
    pub(crate) fn new(sink: Box<dyn EventSink>, tokenizer: Arc<Tokenizer>, vocab: usize) -> Self {
        Self {
            sink,
            tokenizer,
            scratch: Scratch::new(vocab),
            text: String::with_capacity(1024),
            list: TokenList::default(),
        }
    }

    pub(crate) fn emit(&mut self, event: Event<'_>) {
        self.sink.emit(event);
    }

    pub(crate) fn publish(&mut self) {
        self.sink.publish();
    }

    pub(crate) fn fail(&mut self, sequence: &Sequence, kind: FailureKind, message: &str) {
        self.sink.emit(Event::Failed { request: sequence.id(), kind, message });
    }

    /// Moves a sequence on by what the step computed of it: reports prompt logprobs, samples the
    /// next token and, where the drafted one equals it, the one after. Returns how many drafted
    /// tokens were accepted.
    pub(crate) fn advance(
        &mut self,
        sequence: &mut Sequence,
        logits: &mut Logits<'_>,
        first_row: usize,
    ) -> u32 {
        let reported = self.report_prompt(sequence, logits, first_row);
        sequence.undecided = false;
        let drafted = mem::take(&mut sequence.drafted);
        let known = sequence.tokens.len() - drafted;
        if sequence.kv_len + sequence.take < known {
            sequence.kv_len += sequence.take;
            return 0;
        }
        let mut accepted = 0;
        let mut length = known;
        loop {
            let place = length - known;
            let row = first_row + reported + place;
            let Some(id) = self.next_token(sequence, Found::of(logits, row), length, place) else {
                break;
            };
            let right = length < known + drafted && sequence.tokens[length] == id;
            if right {
                accepted += 1;
            } else {
                sequence.tokens.truncate(length);
                sequence.tokens.push(id);
            }
            length += 1;
            if sequence.finish.is_some() || !right {
                break;
            }
        }
        sequence.tokens.truncate(length);
        sequence.kv_len = length - 1;
        if !mem::take(&mut sequence.drafts_forced) {
            sequence.drafter.learn(drafted, accepted);
        }
        sequence.usage.drafted_tokens += drafted as u32;
        sequence.usage.accepted_tokens += accepted as u32;
        accepted as u32
    }

    /// Tells the prompt tokens whose logprobs this step gives; returns the rows that it used.
    fn report_prompt(
        &mut self,
        sequence: &mut Sequence,
        logits: &Logits<'_>,
        first_row: usize,
    ) -> usize {
        if !sequence.details || sequence.reported == sequence.prompt_tokens {
            return 0;
        }
        let request = sequence.id();
        if sequence.reported == 0 {
            self.list.push(&self.tokenizer, sequence.tokens[0], f32::NAN);
        }
        let positions = sequence.step_positions().filter(|&at| sequence.reports_at(at));
        let mut rows = 0;
        for position in positions {
            let id = sequence.tokens[position + 1];
            let logprob = prompt_logprob(logits.row(first_row + rows), id);
            rows += 1;
            self.list.push(&self.tokenizer, id, logprob);
            if self.list.len() == PREFILL_TOKENS {
                self.tell_prompt(request);
            }
        }
        sequence.reported = sequence.reported.max(1) + rows;
        if !self.list.is_empty() {
            self.tell_prompt(request);
        }
        rows
    }

    fn tell_prompt(&mut self, request: u32) {
        let sink = &mut self.sink;
        self.list.drain(|tokens| sink.emit(Event::Prefill { request, tokens }));
    }

    /// Samples the token at position `position`, tells it, and sets `finish` if it is the last.
    /// `place` is that of its row among the sequence's rows to sample from. `None` when its grammar
    /// cannot go on; then `fault` says why.
    fn next_token(
        &mut self,
        sequence: &mut Sequence,
        found: Found<'_>,
        position: usize,
        place: usize,
    ) -> Option<u32> {
        let grammar = sequence.grammar.as_deref();
        let allowed = match allowed_tokens(grammar, sequence.constrained, place) {
            Ok(allowed) => allowed,
            Err(fault) => {
                sequence.fault = Some(fault);
                return None;
            }
        };
        let sampler = &mut sequence.generation.sampler;
        let scratch = &mut self.scratch;
        let sampled = match found {
            Found::Peak(peak) => sampler.take(peak, scratch),
            Found::Drawn(token, top) => sampler.take_drawn(token, top, scratch),
            Found::Logits(row) => sampler.sample_allowed(row, position as u32, allowed, scratch),
        };
        sampler.accept(sampled.id);
        self.text.clear();
        let piece = self.tokenizer.piece(sampled.id);
        sequence.generation.detokenizer.push(piece, &mut self.text);
        let index = (position - sequence.prompt_tokens + 1) as u32;
        sequence.clock.first_token.get_or_insert_with(Instant::now);
        sequence.usage.generated_tokens = index;
        let special = self.tokenizer.is_special(sampled.id);
        self.tell_token(sequence, TokenHead { index, sampled, special });
        Some(sampled.id)
    }

    /// Tells a token with its text and the top tokens, or holds it back, and sets `finish` if it is
    /// the last.
    fn tell_token(&mut self, sequence: &mut Sequence, head: TokenHead) {
        let Self { sink, tokenizer, scratch, text, list } = self;
        let request = sequence.ticket.id();
        let mut tell = |index, last, token: TokenInfo<'_>, tops: &[Sampled]| {
            for top in tops {
                list.push(tokenizer, top.id, top.logprob);
            }
            list.drain(|top| sink.emit(Event::Token { request, index, last, token, top }));
        };
        let generation = &mut sequence.generation;
        let Sampled { id, logprob } = head.sampled;
        let is_eos = tokenizer.is_eos(id);
        if let Some(held) = &mut generation.held {
            let is_end = generation.stop.is_end(is_eos);
            let found = held.push(head, text, scratch.top(), is_end);
            sequence.finish = generation.stop.accept(is_eos, text, found);
            held.release(sequence.finish.is_some(), tell);
        } else {
            sequence.finish = generation.stop.accept(is_eos, text, false);
            let token = TokenInfo { id, logprob, special: head.special, text };
            tell(head.index, sequence.finish.is_some(), token, scratch.top());
        }
    }

    /// Tells that a sequence ends because its grammar cannot go on.
    pub(crate) fn fail_by_grammar(&mut self, sequence: &Sequence) {
        let fault = sequence.fault.clone().unwrap_or_default();
        self.fail(sequence, FailureKind::Validation, &Invalid::Grammar(fault).to_string());
    }

    /// Tells the whole text and the end of a sequence.
    pub(crate) fn finish(&mut self, sequence: &Sequence) {
        let Some(finish_reason) = sequence.finish else { return };
        let request = sequence.id();
        let generated = &sequence.tokens[sequence.prompt_tokens..];
        let text = self.generated_text(sequence, generated);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(TEXT_BYTES));
            self.sink.emit(Event::Text { request, text: piece });
            rest = behind;
        }
        let [queue, prefill, decode] = sequence.clock.durations(Instant::now());
        let usage = Usage { queue, prefill, decode, ..sequence.usage };
        let seed = sequence.generation.sampler.seed();
        self.sink.emit(Event::Done { request, finish_reason, seed, usage });
    }

    /// All generated ids decoded together without control tokens, up to a stop sequence that was
    /// found inside.
    fn generated_text(&self, sequence: &Sequence, generated: &[u32]) -> String {
        let held = sequence.generation.held.as_ref();
        if let Some(text) = held.and_then(|held| held.cut_text(&self.tokenizer, generated)) {
            return text;
        }
        let bytes: Vec<u8> = generated
            .iter()
            .filter(|&&id| !self.tokenizer.is_special(id))
            .flat_map(|&id| self.tokenizer.piece(id))
            .copied()
            .collect();
        let mut text = String::with_capacity(bytes.len());
        push_lossy(&mut text, &bytes);
        text
    }
}

/// The mask of the sequence's row `place`; `None` without a grammar.
fn allowed_tokens(
    grammar: Option<&GrammarState>,
    constrained: bool,
    place: usize,
) -> Result<Option<&[u32]>, String> {
    match grammar {
        Some(grammar) => grammar.mask(place).map(Some).map_err(str::to_owned),
        None if constrained => Err("its thread ended".to_owned()),
        None => Ok(None),
    }
}
