use std::ops::Range;

/// How the token of a wanted row is chosen where the logits are: penalties of the tokens seen so far,
/// then temperature, top-k, top-p and min-p, then the inverse of the cumulative distribution over the
/// survivors by id, at the Philox number of seed and position.
///
/// It is a request's own: which rows have one depends on nothing else in the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// Index into [`crate::Batch::logit_rows`].
    pub row: u32,
    /// Key of the Philox generator; without one the most likely token wins, and no warper applies.
    pub seed: Option<u64>,
    /// Position of the token to choose, the generator's counter.
    pub position: u32,
    /// Divides the logits, above 0.
    pub temperature: f32,
    /// Tokens to keep, and all that tie with the last of them; 0 for all.
    pub top_k: u32,
    /// Share of the probability to keep; from 1 on all.
    pub top_p: f32,
    /// Least share of the best token's probability; 0 for none.
    pub min_p: f32,
    /// Divides the positive logits of seen tokens and multiplies the negative ones; 1 for none.
    pub repetition: f32,
    /// Taken off for each time that a token was seen.
    pub frequency: f32,
    /// Taken off the logits of seen tokens.
    pub presence: f32,
    /// The tokens seen so far, as a range into [`crate::Batch::seen`].
    pub seen: Range<usize>,
    /// How many of the best tokens are wanted with their log-probabilities, at most
    /// [`Draw::MOST_TOP`].
    pub top: u32,
}

impl Draw {
    /// More of the best tokens than this take the logits.
    pub const MOST_TOP: u32 = 32;

    /// The most likely token of `row`, which has place `position` in its sequence.
    pub fn greedy(row: u32, position: u32) -> Self {
        Self {
            row,
            seed: None,
            position,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition: 1.0,
            frequency: 0.0,
            presence: 0.0,
            seen: 0..0,
            top: 0,
        }
    }
}

/// A token of the text so far; in the entries of a row no id is twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenToken {
    /// Its id.
    pub id: u32,
    /// How often it was seen.
    pub count: u32,
}

/// A token with its natural log-probability among those that were left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankedToken {
    /// The token.
    pub id: u32,
    /// At most 0.
    pub logprob: f32,
}

/// What came of a [`Draw`].
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The token that was chosen.
    pub token: RankedToken,
    /// The best tokens, best first, as a range into those of the step.
    pub top: Range<usize>,
}
