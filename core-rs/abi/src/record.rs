//! The wire format of events: what `tgi_poll` writes and `ffi/records.ts` reads.
//!
//! Little endian. A record starts 8-aligned, is a multiple of 8 bytes long and at most
//! [`MAX_RECORD_BYTES`]. Its header has 16 bytes: u32 length of the whole record, u8 kind,
//! u8 flags, u16 zero, u32 request id, u32 aux. The payload follows:
//!
//! | kind | aux | payload |
//! |---|---|---|
//! | 1 Accepted | 0 | u32 prompt tokens, u32 max new tokens, f64 validation µs |
//! | 2 Prefill | 0 | u32 count, u32 zero, `count` entries |
//! | 3 Token (flag 1: the last) | index | u32 count of top tokens, u32 zero, the token's entry, `count` entries |
//! | 4 Text | 0 | u32 bytes, u32 zero, UTF-8 padded to 8 |
//! | 5 Done (flag 1: has a seed) | 0 length, 1 end of sequence, 2 stop sequence | u32 generated, prompt, cached, drafted, accepted, zero; u64 seed; f64 queue, prefill, decode µs |
//! | 6 Failed | 1 validation, 2 generation, 3 abandoned, 4 incomplete, 5 template | u32 bytes, u32 zero, UTF-8 padded to 8 |
//! | 7 Step (flag 1: failed) | 0 | u32 prefill tokens, decode sequences, admitted, running, waiting, max tokens, pages used, pages cached, accepted tokens, zero; f64 forward, sample µs |
//! | 8 Rendered | 0 | none; Text records with the prompt come right before |
//!
//! An entry is u32 id, f32 logprob, u32 text bytes, u32 flags (1: special), UTF-8 padded to 8.

use std::time::Duration;

use tgi_engine::{Event, FailureKind, FinishReason, StepReport, TokenInfo, Usage};

/// Bytes of a word; every record is whole words long.
pub const WORD_BYTES: usize = 8;
/// Longest record.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;
/// Longest text in one record or entry; a longer one is split or cut between characters.
const MAX_TEXT_BYTES: usize = 32 * 1024;
const ENTRY_BYTES: usize = 16;
/// The header's flag of Token, Done and Step, and the entry's flag.
const FLAG: u8 = 1;

/// Encodes events into a buffer that is reused, so that a steady state allocates nothing.
#[derive(Debug, Default)]
pub struct Encoder {
    record: Vec<u8>,
}

impl Encoder {
    /// Encodes `event` and hands each of its records to `write`: one, or several when a prompt or
    /// a text is longer than a record.
    pub fn encode(&mut self, event: Event<'_>, mut write: impl FnMut(&[u8])) {
        match event {
            Event::Accepted { request, prompt_tokens, max_new_tokens, validation } => {
                self.begin(1, 0, request, 0);
                self.words([prompt_tokens, max_new_tokens]);
                self.micros([validation]);
            }
            Event::Prefill { request, tokens } => return self.prefill(request, tokens, write),
            Event::Token { request, index, last, token, top } => {
                self.begin(3, if last { FLAG } else { 0 }, request, index);
                self.token(token, top);
            }
            Event::Text { request, text } => return self.text(request, text, write),
            Event::Done { request, finish_reason, seed, usage } => {
                self.done(request, finish_reason, seed, &usage);
            }
            Event::Rendered { request, prompt } => {
                self.text(request, prompt, &mut write);
                self.begin(8, 0, request, 0);
            }
            Event::Failed { request, kind, message } => {
                self.begin(6, 0, request, failure_code(kind));
                self.counted_text(cut(message));
            }
            Event::Step(report) => self.step(&report),
        }
        write(self.end());
    }

    fn prefill(&mut self, request: u32, mut tokens: &[TokenInfo], mut write: impl FnMut(&[u8])) {
        while !tokens.is_empty() {
            self.begin(2, 0, request, 0);
            let count_at = self.record.len();
            self.words([0, 0]);
            let count = self.entries(tokens);
            self.patch(count_at, count as u32);
            tokens = &tokens[count..];
            write(self.end());
        }
    }

    fn token(&mut self, token: TokenInfo<'_>, top: &[TokenInfo<'_>]) {
        let count_at = self.record.len();
        self.words([0, 0]);
        self.entry(&token);
        let count = self.entries(top) as u32;
        self.patch(count_at, count);
    }

    fn text(&mut self, request: u32, mut text: &str, mut write: impl FnMut(&[u8])) {
        while !text.is_empty() {
            let piece = cut(text);
            text = &text[piece.len()..];
            self.begin(4, 0, request, 0);
            self.counted_text(piece);
            write(self.end());
        }
    }

    fn done(&mut self, request: u32, reason: FinishReason, seed: Option<u64>, usage: &Usage) {
        let flags = if seed.is_some() { FLAG } else { 0 };
        self.begin(5, flags, request, finish_code(reason));
        self.words([usage.generated_tokens, usage.prompt_tokens, usage.cached_tokens]);
        self.words([usage.drafted_tokens, usage.accepted_tokens, 0]);
        self.record.extend(seed.unwrap_or(0).to_le_bytes());
        self.micros([usage.queue, usage.prefill, usage.decode]);
    }

    fn step(&mut self, report: &StepReport) {
        self.begin(7, if report.failed { FLAG } else { 0 }, 0, 0);
        self.words([report.prefill_tokens, report.decode_sequences, report.admitted]);
        self.words([report.running, report.waiting, report.max_tokens]);
        self.words([report.pages_used, report.pages_cached, report.accepted_tokens, 0]);
        self.micros([report.forward, report.sample]);
    }

    fn begin(&mut self, kind: u8, flags: u8, request: u32, aux: u32) {
        self.record.clear();
        self.words([0]);
        self.record.extend([kind, flags, 0, 0]);
        self.words([request, aux]);
    }

    /// Writes the length into the header and gives the whole record.
    fn end(&mut self) -> &[u8] {
        self.patch(0, self.record.len() as u32);
        &self.record
    }

    /// Fills in a number that is known only after what follows it.
    fn patch(&mut self, at: usize, value: u32) {
        self.record[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Appends the leading `tokens` that fit into the record; returns how many.
    fn entries(&mut self, tokens: &[TokenInfo<'_>]) -> usize {
        for (count, token) in tokens.iter().enumerate() {
            let bytes = ENTRY_BYTES + padded(cut(token.text).len());
            if self.record.len() + bytes > MAX_RECORD_BYTES {
                return count;
            }
            self.entry(token);
        }
        tokens.len()
    }

    fn entry(&mut self, token: &TokenInfo<'_>) {
        let text = cut(token.text);
        let flags = if token.special { u32::from(FLAG) } else { 0 };
        self.words([token.id, token.logprob.to_bits(), text.len() as u32, flags]);
        self.padded_text(text);
    }

    fn counted_text(&mut self, text: &str) {
        self.words([text.len() as u32, 0]);
        self.padded_text(text);
    }

    fn padded_text(&mut self, text: &str) {
        self.record.extend_from_slice(text.as_bytes());
        self.record.resize(padded(self.record.len()), 0);
    }

    fn words<const N: usize>(&mut self, values: [u32; N]) {
        self.record.extend(values.into_iter().flat_map(u32::to_le_bytes));
    }

    fn micros<const N: usize>(&mut self, times: [Duration; N]) {
        for time in times {
            self.record.extend((time.as_secs_f64() * 1e6).to_le_bytes());
        }
    }
}

fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(WORD_BYTES)
}

/// The longest beginning of `text` that fits one record and ends between two characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

fn finish_code(reason: FinishReason) -> u32 {
    match reason {
        FinishReason::Length => 0,
        FinishReason::EosToken => 1,
        FinishReason::StopSequence => 2,
    }
}

fn failure_code(kind: FailureKind) -> u32 {
    match kind {
        FailureKind::Validation => 1,
        FailureKind::Generation => 2,
        FailureKind::Abandoned => 3,
        FailureKind::Incomplete => 4,
        FailureKind::Template => 5,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn records(event: Event<'_>) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        Encoder::default().encode(event, |record| all.push(record.to_vec()));
        all
    }

    fn u32_at(record: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(record[at..at + 4].try_into().unwrap())
    }

    fn f64_at(record: &[u8], at: usize) -> f64 {
        f64::from_le_bytes(record[at..at + 8].try_into().unwrap())
    }

    /// The entries from `at` on: id and text.
    fn entries_at(record: &[u8], mut at: usize) -> Vec<(u32, String)> {
        let mut entries = Vec::new();
        while at < record.len() {
            let bytes = u32_at(record, at + 8) as usize;
            let text = &record[at + ENTRY_BYTES..at + ENTRY_BYTES + bytes];
            entries.push((u32_at(record, at), String::from_utf8(text.to_vec()).unwrap()));
            at += ENTRY_BYTES + padded(bytes);
        }
        entries
    }

    fn token(id: u32, text: &str) -> TokenInfo<'_> {
        TokenInfo { id, logprob: -0.5, special: false, text }
    }

    #[test]
    fn accepted_holds_its_counts_and_time() {
        let validation = Duration::from_micros(250);
        let event =
            Event::Accepted { request: 9, prompt_tokens: 7, max_new_tokens: 20, validation };
        let record = &records(event)[0];
        let head: Vec<u32> = (0..6).map(|word| u32_at(record, word * 4)).collect();
        assert_eq!(head, [32, 1, 9, 0, 7, 20]);
        assert!((f64_at(record, 24) - 250.0).abs() < 1e-9);
    }

    #[test]
    fn a_token_holds_its_entry_and_the_top_ones() {
        let special = TokenInfo { special: true, ..token(2, "</s>") };
        let event = |last| {
            let top = &[token(5, "é")];
            records(Event::Token { request: 1, index: 3, last, token: special, top })
        };
        let record = &event(true)[0];
        assert_eq!((record[5], event(false)[0][5]), (1, 0));
        assert_eq!(record.len(), 16 + 8 + 24 + 24);
        assert_eq!((u32_at(record, 12), u32_at(record, 16)), (3, 1));
        assert_eq!(f32::from_bits(u32_at(record, 28)).to_bits(), (-0.5f32).to_bits());
        assert_eq!(u32_at(record, 36), 1);
        assert_eq!(entries_at(record, 24), [(2, "</s>".into()), (5, "é".into())]);
    }

    #[test]
    fn done_holds_an_exact_seed_and_says_when_there_is_none() {
        let event = |seed| Event::Done {
            request: 1,
            finish_reason: FinishReason::StopSequence,
            seed,
            usage: Usage {
                generated_tokens: 4,
                decode: Duration::from_millis(2),
                ..Usage::default()
            },
        };
        let (with, without) = (&records(event(Some(u64::MAX)))[0], &records(event(None))[0]);
        assert_eq!((with.len(), with[4], with[5], without[5]), (72, 5, 1, 0));
        assert_eq!((u32_at(with, 12), u32_at(with, 16)), (2, 4));
        assert_eq!(with[40..48], [255; 8]);
        assert!((f64_at(with, 64) - 2000.0).abs() < 1e-9);
    }

    #[test]
    fn a_step_holds_every_field_in_its_place() {
        let report = StepReport {
            failed: true,
            prefill_tokens: 1,
            decode_sequences: 2,
            admitted: 3,
            running: 4,
            waiting: 5,
            max_tokens: 6,
            pages_used: 7,
            pages_cached: 8,
            accepted_tokens: 9,
            forward: Duration::from_micros(10),
            sample: Duration::from_micros(11),
        };
        let record = &records(Event::Step(report))[0];
        assert_eq!((record.len(), record[4], record[5]), (72, 7, 1));
        let fields: Vec<u32> = (4..14).map(|word| u32_at(record, word * 4)).collect();
        assert_eq!(fields, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
        assert!((f64_at(record, 56) - 10.0).abs() < 1e-9);
        assert!((f64_at(record, 64) - 11.0).abs() < 1e-9);
    }

    #[test]
    fn each_failure_has_its_code_and_a_huge_message_is_cut() {
        let message = "é".repeat(MAX_RECORD_BYTES);
        let kinds = [
            FailureKind::Validation,
            FailureKind::Generation,
            FailureKind::Abandoned,
            FailureKind::Incomplete,
            FailureKind::Template,
        ];
        for (kind, code) in kinds.into_iter().zip(1..) {
            let record = &records(Event::Failed { request: 1, kind, message: &message })[0];
            assert_eq!(u32_at(record, 12), code);
            assert_eq!(u32_at(record, 16) as usize, MAX_TEXT_BYTES);
            assert!(std::str::from_utf8(&record[24..24 + MAX_TEXT_BYTES]).is_ok());
        }
    }

    #[test]
    fn a_prompt_of_any_length_comes_as_texts_and_an_end() {
        let prompt = "é".repeat(MAX_TEXT_BYTES);
        let all = records(Event::Rendered { request: 4, prompt: &prompt });
        assert_eq!(all.iter().map(|record| record[4]).collect::<Vec<_>>(), [4, 4, 8]);
        assert_eq!((all[2].len(), u32_at(&all[2], 8)), (16, 4));
    }

    #[test]
    fn more_top_tokens_than_a_record_holds_are_left_out() {
        let top = vec![token(1, "x"); MAX_RECORD_BYTES / ENTRY_BYTES];
        let token = Event::Token { request: 1, index: 1, last: false, token: top[0], top: &top };
        let record = &records(token)[0];
        assert!(record.len() <= MAX_RECORD_BYTES);
        assert_eq!(entries_at(record, 24).len(), u32_at(record, 16) as usize + 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn prompts_and_texts_of_any_length_come_in_whole_records(
            pieces in vec("\\PC{0,40}", 1..3000),
        ) {
            let tokens: Vec<TokenInfo> =
                pieces.iter().zip(0..).map(|(text, id)| token(id, text)).collect();
            let text = pieces.concat();
            let prefill = records(Event::Prefill { request: 1, tokens: &tokens });
            let texts = records(Event::Text { request: 1, text: &text });
            for record in prefill.iter().chain(&texts) {
                prop_assert!(record.len() <= MAX_RECORD_BYTES && record.len().is_multiple_of(8));
                prop_assert_eq!(u32_at(record, 0) as usize, record.len());
            }
            let entries: Vec<_> = prefill.iter().flat_map(|record| {
                let entries = entries_at(record, 24);
                assert_eq!(entries.len(), u32_at(record, 16) as usize);
                entries
            }).collect();
            let expected: Vec<_> =
                pieces.iter().zip(0..).map(|(text, id)| (id, text.clone())).collect();
            prop_assert_eq!(entries, expected);
            let joined: Vec<u8> = texts
                .iter()
                .flat_map(|record| &record[24..24 + u32_at(record, 16) as usize])
                .copied()
                .collect();
            prop_assert_eq!(joined, text.into_bytes());
        }
    }
}
