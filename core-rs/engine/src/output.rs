//! From logits to events: samples, ends and tells the sequences of a step.

use std::{mem, sync::Arc, time::Instant};

use tgi_backend::Logits;
use tgi_model::Tokenizer;

use crate::{
    event::{Event, EventSink, FailureKind, TokenInfo, Usage},
    logprob::prompt_logprob,
    sampler::Scratch,
    sequence::Sequence,
    token_list::{TokenList, push_lossy},
};

/// Most prompt tokens in one event.
const PREFILL_TOKENS: usize = 256;
/// Most bytes of text in one event.
const TEXT_BYTES: usize = 16 * 1024;

/// What came of one sequence's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advanced {
    /// Rows of logits that were its own.
    pub(crate) rows: usize,
    /// Drafted tokens that were accepted.
    pub(crate) accepted: u32,
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
    /// next token and, where the drafted one equals it, the one after.
    pub(crate) fn advance(
        &mut self,
        sequence: &mut Sequence,
        logits: &mut Logits<'_>,
        first_row: usize,
    ) -> Advanced {
        let reported = self.report_prompt(sequence, logits, first_row);
        let drafted = mem::take(&mut sequence.drafted);
        let known = sequence.tokens.len() - drafted;
        if sequence.kv_len + sequence.take < known {
            sequence.kv_len += sequence.take;
            return Advanced { rows: reported, accepted: 0 };
        }
        let mut accepted = 0;
        let mut length = known;
        loop {
            let row = logits.row_mut(first_row + reported + length - known);
            let id = self.next_token(sequence, row, length);
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
        sequence.drafter.learn(drafted, accepted);
        sequence.usage.drafted_tokens += drafted as u32;
        sequence.usage.accepted_tokens += accepted as u32;
        Advanced { rows: reported + 1 + drafted, accepted: accepted as u32 }
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
    fn next_token(&mut self, sequence: &mut Sequence, logits: &mut [f32], position: usize) -> u32 {
        let generation = &mut sequence.generation;
        let sampled = generation.sampler.sample(logits, position as u32, &mut self.scratch);
        generation.sampler.accept(sampled.id);
        self.text.clear();
        generation.detokenizer.push(self.tokenizer.piece(sampled.id), &mut self.text);
        for top in self.scratch.top() {
            self.list.push(&self.tokenizer, top.id, top.logprob);
        }
        let index = position - sequence.prompt_tokens + 1;
        sequence.finish = generation.stop.accept(self.tokenizer.is_eos(sampled.id), &self.text);
        sequence.clock.first_token.get_or_insert_with(Instant::now);
        sequence.usage.generated_tokens = index as u32;
        let token = TokenInfo {
            id: sampled.id,
            logprob: sampled.logprob,
            special: self.tokenizer.is_special(sampled.id),
            text: &self.text,
        };
        let (sink, request, index) = (&mut self.sink, sequence.ticket.id(), index as u32);
        self.list.drain(|top| sink.emit(Event::Token { request, index, token, top }));
        sampled.id
    }

    /// Tells the whole text and the end of a sequence.
    pub(crate) fn finish(&mut self, sequence: &Sequence) {
        let Some(finish_reason) = sequence.finish else { return };
        let request = sequence.id();
        let generated = &sequence.tokens[sequence.prompt_tokens..];
        let bytes: Vec<u8> = generated
            .iter()
            .filter(|&&id| !self.tokenizer.is_special(id))
            .flat_map(|&id| self.tokenizer.piece(id))
            .copied()
            .collect();
        let mut text = String::with_capacity(bytes.len());
        push_lossy(&mut text, &bytes);
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
}
