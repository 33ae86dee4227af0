//! When a generation ends: TGI's rules, in TGI's order.

use crate::{FinishReason, Parameters};

/// Room in the tail for a token's text, bytes.
const TOKEN_ROOM: usize = 256;

/// The stop rules and the state of one sequence (`StoppingCriteria` of TGI's server).
///
/// A stop sequence counts only when the text *ends* with it after a token, or ends with it and one
/// more newline, as Python's `$` allows. One that lies inside a token is missed.
#[derive(Clone, Debug)]
pub struct StopRules {
    max_new_tokens: u32,
    min_new_tokens: u32,
    ignore_eos: bool,
    stops: Vec<String>,
    generated: u32,
    /// The end of the text, long enough for the longest stop sequence.
    tail: String,
    /// Bytes of the tail that can still matter.
    reach: usize,
}

impl StopRules {
    /// Rules for a request that may generate `max_new_tokens`.
    pub fn new(parameters: &Parameters, max_new_tokens: u32) -> Self {
        let stops = if parameters.stop_anywhere { Vec::new() } else { parameters.stop.clone() };
        let reach = stops.iter().map(String::len).max().map_or(0, |longest| longest + 1);
        let room = if stops.is_empty() { 0 } else { 2 * reach + TOKEN_ROOM };
        Self {
            max_new_tokens,
            min_new_tokens: parameters.min_new_tokens,
            // A grammar ends where only the end of the text is left.
            ignore_eos: parameters.ignore_eos && parameters.grammar.is_none(),
            stops,
            generated: 0,
            tail: String::with_capacity(room),
            reach,
        }
    }

    /// Counts a token, and says whether it is the last one.
    ///
    /// The order is length, end of sequence, stop sequence: on the last allowed token the reason is
    /// always the length. `text` is what the token adds as clients see it, control tokens included.
    ///
    /// No stop sequence counts before `min_new_tokens`. One found inside a token
    /// (`stop_anywhere`) is told by `found`, and goes before all others: the text is cut there.
    pub fn accept(&mut self, is_eos: bool, text: &str, found: bool) -> Option<FinishReason> {
        self.generated = self.generated.saturating_add(1);
        if found {
            return Some(FinishReason::StopSequence);
        }
        if self.generated >= self.max_new_tokens {
            return Some(FinishReason::Length);
        }
        if self.is_end(is_eos) {
            return Some(FinishReason::EosToken);
        }
        let ends = self.ends_with_stop(text) && self.generated >= self.min_new_tokens;
        ends.then_some(FinishReason::StopSequence)
    }

    /// Whether a token ends the text.
    pub(crate) fn is_end(&self, is_eos: bool) -> bool {
        is_eos && !self.ignore_eos
    }

    fn ends_with_stop(&mut self, text: &str) -> bool {
        if self.stops.is_empty() {
            return false;
        }
        if self.tail.len() > 2 * self.reach {
            let cut = self.tail.floor_char_boundary(self.tail.len() - self.reach);
            self.tail.drain(..cut);
        }
        self.tail.push_str(text);
        let end = self.tail.as_str();
        let before_newline = end.strip_suffix('\n').unwrap_or(end);
        self.stops
            .iter()
            .any(|stop| end.ends_with(stop.as_str()) || before_newline.ends_with(stop.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(stops: &[&str], max_new_tokens: u32) -> StopRules {
        let stop = stops.iter().map(ToString::to_string).collect();
        StopRules::new(&Parameters { stop, ..Parameters::default() }, max_new_tokens)
    }

    /// Which token ends the text, counted from 1, and why.
    fn end(mut rules: StopRules, texts: &[&str]) -> Option<(usize, FinishReason)> {
        (1..).zip(texts).find_map(|(count, text)| Some((count, rules.accept(false, text, false)?)))
    }

    #[test]
    fn the_last_allowed_token_ends_by_length_whatever_it_is() {
        assert_eq!(rules(&["x"], 1).accept(true, "x", false), Some(FinishReason::Length));
        assert_eq!(rules(&[], 0).accept(false, "x", false), Some(FinishReason::Length));
        let mut rules = rules(&[], 2);
        assert_eq!(rules.accept(false, "a", false), None);
        assert_eq!(rules.accept(false, "b", false), Some(FinishReason::Length));
    }

    #[test]
    fn the_end_of_sequence_goes_before_a_stop_sequence_unless_ignored() {
        assert_eq!(rules(&["</s>"], 9).accept(true, "</s>", false), Some(FinishReason::EosToken));
        let parameters = Parameters { ignore_eos: true, ..Parameters::default() };
        assert_eq!(StopRules::new(&parameters, 9).accept(true, "</s>", false), None);
    }

    #[test]
    fn a_stop_sequence_may_span_tokens_but_not_end_inside_one() {
        let stop = Some((3, FinishReason::StopSequence));
        assert_eq!(end(rules(&["END"], 99), &["aE", "N", "D"]), stop);
        assert_eq!(end(rules(&["END"], 99), &["END.", "x", "y"]), None);
        assert_eq!(end(rules(&["no", "D"], 99), &["a", "b", "D"]), stop);
        assert_eq!(end(rules(&["a.c"], 99), &["abc", "a", ".c"]), stop);
    }

    #[test]
    fn one_newline_may_follow_a_stop_sequence() {
        let stop = Some((1, FinishReason::StopSequence));
        assert_eq!(end(rules(&["END"], 99), &["END\n"]), stop);
        assert_eq!(end(rules(&["END\n"], 99), &["END\n"]), stop);
        assert_eq!(end(rules(&["END"], 99), &["END\n\n"]), None);
    }

    #[test]
    fn no_stop_sequence_counts_before_the_least_length() {
        let stop = vec!["b".to_owned()];
        let parameters = Parameters { stop, min_new_tokens: 3, ..Parameters::default() };
        let rules = StopRules::new(&parameters, 9);
        assert_eq!(end(rules, &["b", "b", "ab"]), Some((3, FinishReason::StopSequence)));
    }

    #[test]
    fn what_was_found_inside_a_token_goes_before_the_length() {
        assert_eq!(rules(&[], 1).accept(true, "", true), Some(FinishReason::StopSequence));
    }

    #[test]
    fn an_empty_stop_sequence_ends_at_once() {
        assert_eq!(end(rules(&[""], 99), &["a"]), Some((1, FinishReason::StopSequence)));
    }

    #[test]
    fn the_tail_stays_bounded() {
        let mut rules = rules(&["a long stop sequence"], u32::MAX);
        let capacity = rules.tail.capacity();
        for _ in 0..10_000 {
            assert_eq!(rules.accept(false, "日本 text", false), None);
        }
        assert_eq!(rules.tail.capacity(), capacity);
    }

    proptest! {
        #[test]
        fn any_stop_matches_where_the_whole_text_ends_with_it(
            texts in prop::collection::vec("[ab日\n]{0,3}", 0..400),
            stops in prop::collection::vec("[ab日\n]{2,12}", 1..3),
        ) {
            let stop: Vec<&str> = stops.iter().map(String::as_str).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut whole = String::new();
            let want = (1..).zip(&texts).find_map(|(count, text)| {
                whole.push_str(text);
                let shorter = whole.strip_suffix('\n').unwrap_or(&whole);
                let ends = stop.iter().any(|stop| whole.ends_with(stop) || shorter.ends_with(stop));
                ends.then_some((count, FinishReason::StopSequence))
            });
            prop_assert_eq!(end(rules(&stop, u32::MAX), &texts), want);
        }

        #[test]
        fn a_stop_longer_than_any_window_still_matches(length in 1usize..2000) {
            let stop = "0123456789".repeat(length / 10 + 1);
            let texts: Vec<&str> = stop.split_inclusive('4').collect();
            let count = texts.len();
            let rules = rules(&[&stop], u32::MAX);
            prop_assert_eq!(end(rules, &texts), Some((count, FinishReason::StopSequence)));
        }
    }
}
