//! `SentencePiece` BPE with byte fallback (Kudo and Richardson 2018,
//! <https://arxiv.org/abs/1808.06226>).
//!
//! Of all neighbours that form a piece, the pair with the best score is joined first, the leftmost
//! among equals; characters without a piece fall back to one token a byte. Pieces are looked up by
//! their text, so that no table of pairs is derived at start-up.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::TokenKind;
use super::pieces::{SPACE, byte_token};

/// Joins characters to pieces.
pub(super) struct SentencePiece {
    ids: HashMap<String, u32>,
    scores: Vec<f32>,
    /// Longest piece, bytes.
    longest: usize,
    /// Token of each byte.
    bytes: [Option<u32>; 256],
    unknown: Option<u32>,
    add_space_prefix: bool,
}

/// A stretch of the text; joined from the left, emptied on the right.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that form a piece.
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both when they were found: what else they are now, the pair is stale.
    start: usize,
    end: usize,
}

impl SentencePiece {
    /// Indexes a vocabulary; `scores` are as many as `tokens`.
    pub fn new(
        tokens: Vec<String>,
        scores: Vec<f32>,
        kinds: &[TokenKind],
        unknown: Option<u32>,
        add_space_prefix: bool,
    ) -> Self {
        let mut ids = HashMap::with_capacity(tokens.len());
        let mut bytes = [None; 256];
        let mut longest = 0;
        for ((id, token), kind) in (0..).zip(tokens).zip(kinds) {
            match (kind, byte_token(&token)) {
                (TokenKind::Byte, Some(byte)) => bytes[usize::from(byte)] = Some(id),
                (TokenKind::Normal, _) => {
                    longest = longest.max(token.len());
                    ids.entry(token).or_insert(id);
                }
                _ => {}
            }
        }
        Self { ids, scores, longest, bytes, unknown, add_space_prefix }
    }

    /// Appends the ids of a text without special tokens. `fresh`: it is at the start of the prompt
    /// or behind a special token.
    pub fn encode(&self, text: &str, fresh: bool, ids: &mut Vec<u32>) {
        let prefix = if fresh && self.add_space_prefix { " " } else { "" };
        let text = [prefix, text].concat().replace(' ', SPACE.encode_utf8(&mut [0; 4]));
        let symbols = self.join(&text);
        let mut index = (!symbols.is_empty()).then_some(0);
        while let Some(symbol) = index.map(|index| symbols[index]) {
            self.write(&text[symbol.start..symbol.end], ids);
            index = symbol.next;
        }
    }

    /// Joins pairs until no neighbours form a piece. Symbol 0 stays the first.
    fn join(&self, text: &str) -> Vec<Symbol> {
        let mut symbols = characters(text);
        let mut pairs = BinaryHeap::new();
        for right in 1..symbols.len() {
            pairs.extend(self.pair(text, &symbols, right - 1, right));
        }
        while let Some(pair) = pairs.pop() {
            let (left, right) = (symbols[pair.left], symbols[pair.right]);
            let is_stale = left.next != Some(pair.right)
                || left.start != pair.start
                || right.end != pair.end
                || right.start == right.end;
            if is_stale {
                continue;
            }
            symbols[pair.left].end = right.end;
            symbols[pair.left].next = right.next;
            symbols[pair.right].start = right.end;
            if let Some(next) = right.next {
                symbols[next].previous = Some(pair.left);
                pairs.extend(self.pair(text, &symbols, pair.left, next));
            }
            if let Some(previous) = left.previous {
                pairs.extend(self.pair(text, &symbols, previous, pair.left));
            }
        }
        symbols
    }

    fn pair(&self, text: &str, symbols: &[Symbol], left: usize, right: usize) -> Option<Pair> {
        let (start, end) = (symbols[left].start, symbols[right].end);
        if end - start > self.longest {
            return None;
        }
        let id = *self.ids.get(&text[start..end])?;
        Some(Pair { score: self.scores[id as usize], left, right, start, end })
    }

    /// Appends a symbol's token, or one for each byte.
    fn write(&self, symbol: &str, ids: &mut Vec<u32>) {
        match self.ids.get(symbol) {
            Some(&id) => ids.push(id),
            None => ids.extend(
                symbol.bytes().filter_map(|byte| self.bytes[usize::from(byte)].or(self.unknown)),
            ),
        }
    }
}

fn characters(text: &str) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for (start, character) in text.char_indices() {
        let index = symbols.len();
        if let Some(last) = symbols.last_mut() {
            last.next = Some(index);
        }
        let end = start + character.len_utf8();
        symbols.push(Symbol { start, end, previous: index.checked_sub(1), next: None });
    }
    symbols
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKENS: [&str; 12] =
        ["<unk>", "a", "b", "c", "ab", "ba", "aa", "abc", "aab", "abab", "bc", "▁"];

    fn model(scores: &[f32]) -> SentencePiece {
        let mut kinds = vec![TokenKind::Normal; TOKENS.len()];
        kinds[0] = TokenKind::Unknown;
        let tokens = TOKENS.map(str::to_owned).to_vec();
        SentencePiece::new(tokens, scores.to_vec(), &kinds, Some(0), false)
    }

    fn encode(model: &SentencePiece, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        model.encode(text, true, &mut ids);
        ids
    }

    /// The definition, word for word: look at all neighbours, join the best, begin again.
    fn by_definition(model: &SentencePiece, text: &str) -> Vec<u32> {
        let mut symbols: Vec<String> = text.chars().map(String::from).collect();
        loop {
            let mut best: Option<(f32, usize)> = None;
            for left in 1..symbols.len() {
                let joined = [&symbols[left - 1][..], &symbols[left][..]].concat();
                if let Some(&id) = model.ids.get(&joined) {
                    let score = model.scores[id as usize];
                    if best.is_none_or(|(known, _)| score > known) {
                        best = Some((score, left));
                    }
                }
            }
            let Some((_, left)) = best else { break };
            let right = symbols.remove(left);
            symbols[left - 1].push_str(&right);
        }
        symbols.iter().map(|symbol| model.ids.get(symbol).copied().unwrap_or(0)).collect()
    }

    #[test]
    fn what_has_neither_piece_nor_byte_is_unknown() {
        assert_eq!(encode(&model(&[0.0; 12]), "a?é"), [1, 0, 0, 0]);
    }

    #[test]
    fn of_equal_scores_the_leftmost_is_joined() {
        let mut scores = [0.0; 12];
        scores[7..10].fill(-9.0);
        assert_eq!(encode(&model(&scores), "aba"), [4, 1]);
    }

    #[test]
    fn a_long_run_is_joined_in_reasonable_time() {
        let text = "ab ".repeat(100_000);
        assert_eq!(encode(&model(&[0.0; 12]), &text).len(), 200_000);
    }

    proptest! {
        #[test]
        fn the_heap_joins_as_the_definition_does(
            text in "[abc]{0,24}",
            scores in prop::collection::vec(-3_i8..3, 12),
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let model = model(&scores);
            prop_assert_eq!(encode(&model, &text), by_definition(&model, &text));
        }
    }
}
