//! Tokens that wait until it is certain which part of their text a client may read.

use std::collections::VecDeque;

use tgi_model::Tokenizer;

use crate::{
    detokenizer::Detokenizer, event::TokenInfo, request::Parameters, sampler::Sampled,
    stop_search::StopSearch,
};

/// A token without its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenHead {
    /// 1 for the first generated token.
    pub(crate) index: u32,
    pub(crate) sampled: Sampled,
    pub(crate) special: bool,
}

/// The tokens of one sequence whose text may still turn out to belong to a stop sequence.
///
/// A token leaves when none of its text can be cut any more; where the stop sequence stays in the
/// text, that is at once. All texts together are the text up to the first stop sequence, however
/// the tokens cut it.
#[derive(Debug)]
pub(crate) struct HeldTokens {
    search: StopSearch,
    include_stop: bool,
    /// Tokens before which no stop sequence counts.
    min_new_tokens: u32,
    waiting: VecDeque<Waiting>,
    /// Texts of the waiting tokens, one behind the other.
    text: String,
    tops: Vec<Sampled>,
    /// Bytes of text that left.
    released: usize,
    found: bool,
}

#[derive(Debug)]
struct Waiting {
    head: TokenHead,
    text: usize,
    tops: usize,
}

impl HeldTokens {
    /// Takes the memory for as many tokens as a stop sequence has bytes, within reason.
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let longest = parameters.stop.iter().map(String::len).max().unwrap_or_default();
        let tokens = longest.min(256) + 8;
        let tops = tokens.saturating_mul(parameters.top_n_tokens as usize).min(4096);
        Self {
            search: StopSearch::new(parameters.stop.clone()),
            include_stop: parameters.include_stop_str,
            min_new_tokens: parameters.min_new_tokens,
            waiting: VecDeque::with_capacity(tokens),
            text: String::with_capacity(longest + 1024),
            tops: Vec::with_capacity(tops),
            released: 0,
            found: false,
        }
    }

    /// Takes the next token with what it adds to the text, which is not searched when it ends the
    /// text. Says whether a stop sequence is complete; then the text is cut there.
    pub(crate) fn push(
        &mut self,
        head: TokenHead,
        text: &str,
        tops: &[Sampled],
        is_end: bool,
    ) -> bool {
        let before = self.released + self.text.len();
        self.waiting.push_back(Waiting { head, text: text.len(), tops: tops.len() });
        self.text.push_str(text);
        self.tops.extend_from_slice(tops);
        if is_end || head.index < self.min_new_tokens {
            self.search.restart();
            return false;
        }
        if let Some(found) = self.search.push(text) {
            let cut = if self.include_stop { found.end } else { found.start };
            let earlier = if self.include_stop { 0 } else { found.before };
            self.text.truncate(before + cut - earlier - self.released);
            self.found = true;
        }
        self.found
    }

    /// Lets the tokens go whose text is certain; all of them when the generation has `ended`. Tells
    /// each with its index and whether it is the last.
    pub(crate) fn release(
        &mut self,
        ended: bool,
        mut tell: impl FnMut(u32, bool, TokenInfo<'_>, &[Sampled]),
    ) {
        let open = if ended || self.include_stop { 0 } else { self.search.open_bytes() };
        let certain = self.text.len() - open;
        let (mut bytes, mut tops) = (0, 0);
        while let Some(next) = self.waiting.front()
            && (ended || bytes + next.text <= certain)
        {
            let end = (bytes + next.text).min(self.text.len());
            let TokenHead { index, sampled: Sampled { id, logprob }, special } = next.head;
            let text = &self.text[bytes..end];
            let token = TokenInfo { id, logprob, special, text };
            let last = ended && self.waiting.len() == 1;
            tell(index, last, token, &self.tops[tops..tops + next.tops]);
            (bytes, tops) = (end, tops + next.tops);
            self.waiting.pop_front();
        }
        self.text.drain(..bytes);
        self.tops.drain(..tops);
        self.released += bytes;
    }

    /// The generated text without control tokens, cut where a stop sequence was found; `None` when
    /// none was. All tokens must have left.
    pub(crate) fn cut_text(&self, tokenizer: &Tokenizer, generated: &[u32]) -> Option<String> {
        if !self.found {
            return None;
        }
        let (mut detokenizer, mut piece) = (Detokenizer::new(), String::new());
        let (mut whole, mut passed) = (String::new(), 0);
        for &id in generated {
            piece.clear();
            detokenizer.push(tokenizer.piece(id), &mut piece);
            let kept = piece.len().min(self.released - passed);
            if !tokenizer.is_special(id) {
                whole.push_str(&piece[..kept]);
            }
            passed += kept;
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameters(stops: &[String], include_stop_str: bool) -> Parameters {
        Parameters { stop: stops.to_vec(), include_stop_str, ..Parameters::default() }
    }

    /// What has left after each token, up to the end, and whether a stop sequence ended it.
    fn told(parameters: &Parameters, pieces: &[&str]) -> (Vec<Vec<String>>, bool) {
        let (mut held, mut left) = (HeldTokens::new(parameters), Vec::new());
        let mut after = Vec::new();
        for (index, piece) in (1..).zip(pieces) {
            let sampled = Sampled { id: index, logprob: -1.0 };
            let head = TokenHead { index, sampled, special: false };
            let found = held.push(head, piece, &[sampled], false);
            let ended = found || index as usize == pieces.len();
            held.release(ended, |number, last, token, tops| {
                assert_eq!(last, ended && number == index);
                let index = number;
                assert_eq!((index as usize, token.id), (left.len() + 1, index));
                assert_eq!(tops, [Sampled { id: index, logprob: -1.0 }]);
                left.push(token.text.to_owned());
            });
            after.push(left.clone());
            if ended {
                assert_eq!(left.len(), index as usize, "every token leaves");
                return (after, found);
            }
        }
        (after, false)
    }

    #[test]
    fn nothing_of_a_stop_sequence_leaves_before_it_is_cut() {
        let cut = parameters(&["END".to_owned()], false);
        let (after, found) = told(&cut, &["one ", "E", "N", "D!", "never"]);
        assert!(found);
        assert_eq!(after[1..3], [vec!["one ".to_owned()], vec!["one ".to_owned()]]);
        assert_eq!(after[3], ["one ", "", "", ""]);
    }

    #[test]
    fn what_only_looked_like_a_stop_sequence_leaves() {
        let cut = parameters(&["END".to_owned()], false);
        let (after, found) = told(&cut, &["E", "N", "x", "E"]);
        assert!(!found);
        assert_eq!(after[1], [""; 0]);
        assert_eq!(after[3], ["E", "N", "x", "E"], "the end of the text lets everything go");
    }

    #[test]
    fn a_stop_sequence_that_stays_ends_the_text_and_holds_nothing_back() {
        let keep = parameters(&["END".to_owned()], true);
        let (after, found) = told(&keep, &["a E", "N", "D, more"]);
        assert!(found);
        assert_eq!(after[0], ["a E"]);
        assert_eq!(after[2], ["a E", "N", "D"]);
    }

    #[test]
    fn stop_sequences_before_the_least_length_do_not_count() {
        let mut cut = parameters(&["b".to_owned()], false);
        cut.min_new_tokens = 3;
        let (after, found) = told(&cut, &["b", "b", "ab", "b"]);
        assert!(found);
        assert_eq!(after[2], ["b", "b", "a"]);
    }

    /// The text up to the first stop sequence.
    fn whole(text: &str, stops: &[String], include: bool) -> (String, bool) {
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            let complete = stops.iter().filter(|stop| text[..end].ends_with(stop.as_str()));
            if let Some(length) = complete.map(String::len).max() {
                return (text[..if include { end } else { end - length }].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    proptest! {
        #[test]
        fn any_cut_into_tokens_tells_the_text_up_to_the_first_stop_sequence(
            text in "[ab日\n]{1,24}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
            stops in prop::collection::vec("[ab日\n]{1,6}", 1..4),
            include in any::<bool>(),
        ) {
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            places.retain(|&place| text.is_char_boundary(place));
            places.extend([0, text.len()]);
            places.sort_unstable();
            let pieces: Vec<&str> =
                places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let (want, stopped) = whole(&text, &stops, include);
            let (after, found) = told(&parameters(&stops, include), &pieces);
            prop_assert_eq!(found, stopped);
            for told in &after {
                prop_assert!(want.starts_with(&told.concat()), "{told:?} left too early");
            }
            prop_assert_eq!(after.last().unwrap().concat(), want);
        }
    }
}
