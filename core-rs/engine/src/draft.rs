//! Speculation without a draft model: what followed the same tokens earlier may follow again.
//!
//! Prompt look-up decoding (Saxena 2023): the last tokens are searched in the prompt and the text
//! so far, and what came after them is proposed. The engine accepts a proposed token exactly when
//! it equals the one it samples there, so speculation never shows in the output.

/// The longest run of last tokens that is searched; a match of this length ends the search.
const LONGEST_MATCH: usize = 4;
/// Shorter matches propose nothing: they are rarely right.
const SHORTEST_MATCH: usize = 2;
/// Most tokens searched back, so that a long context costs a few µs only.
const SEARCH_TOKENS: usize = 8192;
/// Longest pause between proposals, in decodes.
const LONGEST_REST: u32 = 64;
/// Tokens of the first proposal at most.
const FIRST_REACH: usize = 4;

/// Tokens of a step that take hardly longer than one: it is bound by reading the weights, which
/// eight rows share. With more it is bound by computing, where a wrong draft costs time and a right
/// one saves none, so that drafts never make a step larger than this.
pub const FREE_TOKENS: usize = 8;

/// Proposes tokens for one sequence: as many as lately were right, and seldom while they are wrong.
#[derive(Debug)]
pub struct Drafter {
    /// Decodes until the next proposal.
    rest: u32,
    /// How long to rest after the next failure, doubled by each.
    next_rest: u32,
    /// Most tokens of the next proposal: twice as many as were all right, one more than were right.
    reach: usize,
}

impl Default for Drafter {
    fn default() -> Self {
        Self { rest: 0, next_rest: 0, reach: FIRST_REACH }
    }
}

impl Drafter {
    /// Appends up to `limit` proposed tokens to `tokens` and returns how many.
    pub fn propose(&mut self, tokens: &mut Vec<u32>, limit: usize) -> usize {
        if self.rests() {
            self.rest();
            return 0;
        }
        if limit == 0 {
            return 0;
        }
        let Some(from) = continuation(tokens) else { return 0 };
        let count = limit.min(self.reach).min(tokens.len() - from);
        tokens.extend_from_within(from..from + count);
        count
    }

    /// Whether it proposes nothing to the next decode.
    pub fn rests(&self) -> bool {
        self.rest > 0
    }

    /// Lets a decode pass without a proposal.
    pub fn rest(&mut self) {
        self.rest = self.rest.saturating_sub(1);
    }

    /// Learns how many of `drafted` proposed tokens were accepted.
    pub fn learn(&mut self, drafted: usize, accepted: usize) {
        if drafted == 0 {
            return;
        }
        if accepted > 0 {
            let all = accepted == drafted;
            let reach = if all { self.reach.max(2 * drafted) } else { accepted + 1 };
            *self = Self { reach, ..Self::default() };
        } else {
            self.rest = self.next_rest;
            self.next_rest = (self.next_rest * 2).clamp(1, LONGEST_REST);
            self.reach = 1;
        }
    }
}

/// Where the text went on after the latest of the longest earlier matches of its last tokens.
fn continuation(tokens: &[u32]) -> Option<usize> {
    let last = tokens.len().checked_sub(1)?;
    let (mut best, mut length) = (None, SHORTEST_MATCH - 1);
    for end in (last.saturating_sub(SEARCH_TOKENS)..last).rev() {
        if tokens[end] != tokens[last] {
            continue;
        }
        let earlier = tokens[..end].iter().rev();
        let same = earlier.zip(tokens[..last].iter().rev()).take(LONGEST_MATCH - 1);
        let matched = 1 + same.take_while(|(earlier, later)| earlier == later).count();
        if matched > length {
            (best, length) = (Some(end + 1), matched);
            if length == LONGEST_MATCH {
                break;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(tokens: &[u32], limit: usize) -> Vec<u32> {
        let mut tokens = tokens.to_vec();
        let before = tokens.len();
        let count = Drafter::default().propose(&mut tokens, limit);
        assert_eq!(tokens.len(), before + count);
        tokens.split_off(before)
    }

    #[test]
    fn what_followed_the_same_tokens_is_proposed() {
        assert_eq!(proposed(&[1, 2, 3, 4, 5, 1, 2], 2), [3, 4]);
        assert_eq!(proposed(&[1, 2, 3, 1, 2], 9), [3, 1, 2]);
    }

    #[test]
    fn a_longer_match_beats_a_later_one() {
        assert_eq!(proposed(&[7, 1, 2, 8, 5, 1, 2, 9, 7, 1, 2], 1), [8]);
        assert_eq!(proposed(&[1, 2, 8, 1, 2, 9, 1, 2], 1), [9]);
    }

    #[test]
    fn nothing_is_proposed_without_a_match_or_room() {
        assert!(proposed(&[], 4).is_empty());
        assert!(proposed(&[1], 4).is_empty());
        assert!(proposed(&[3, 1, 4, 1], 4).is_empty(), "one token is too little");
        assert!(proposed(&[1, 2, 3, 1, 2], 0).is_empty());
    }

    #[test]
    fn proposals_are_as_long_as_the_last_ones_were_right() {
        let mut drafter = Drafter::default();
        assert_eq!(proposed_by(&mut drafter), FIRST_REACH);
        for (drafted, accepted, next) in [
            (4, 1, 2),
            (2, 2, 4),
            (4, 4, 8),
            (8, 8, 16),
            (3, 3, 16),
            (16, 2, 3),
            (3, 0, 1),
            (1, 1, 2),
        ] {
            drafter.learn(drafted, accepted);
            assert_eq!(proposed_by(&mut drafter), next, "{accepted} of {drafted}");
        }
    }

    /// Tokens that are proposed where the text and the limit have room for many.
    fn proposed_by(drafter: &mut Drafter) -> usize {
        let mut tokens: Vec<u32> = (0..50).chain(0..4).collect();
        drafter.propose(&mut tokens, 40)
    }

    #[test]
    fn failures_space_out_the_proposals_and_a_success_brings_them_back() {
        let mut drafter = Drafter::default();
        let mut rests = Vec::new();
        for _ in 0..9 {
            drafter.learn(2, 0);
            let mut rest = 0;
            while drafter.propose(&mut vec![1, 2, 3, 1, 2], 1) == 0 {
                rest += 1;
            }
            rests.push(rest);
        }
        assert_eq!(rests, [0, 1, 2, 4, 8, 16, 32, 64, 64]);
        drafter.learn(2, 1);
        drafter.learn(2, 0);
        assert_eq!(drafter.propose(&mut vec![1, 2, 3, 1, 2], 1), 1);
    }
}
