//! From the tokens that a row sees to its logits.

use crate::vocabulary::{CONTROL, EOS, byte_id, token_bytes, vocabulary};

/// Width of the band in which the noise spreads the logits: about 20 tokens share the probability.
const NOISE: f32 = 12.0;
/// A control token never wins, at any temperature.
const NEVER: f32 = -1e9;
/// One row in so many lets `<eos>` win.
const EOS_ODDS: u64 = 1024;
/// Bytes that continue a character begun byte by byte, and what may follow each. Last bytes are
/// all of `A0..=BF`, which are no keys here: every character ends.
const CONTINUATIONS: [(u8, u8, u8); 6] = [
    (0xC3, 0xA0, 0xBF),
    (0xE6, 0x97, 0x97),
    (0x97, 0xA0, 0xBF),
    (0xF0, 0x9F, 0x9F),
    (0x9F, 0x98, 0x98),
    (0x98, 0xA0, 0xBF),
];
/// Lifts the bytes that continue a character above all else.
const CONTINUE: f32 = 40.0;

/// Bits of a token id; those above them are the adapter's.
pub(crate) const TOKEN_BITS: u32 = 16;

/// Running hash of the tokens at positions `0..n`, with the last of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    hash: u64,
    last: u32,
}

impl History {
    /// Nothing seen.
    pub(crate) const EMPTY: Self = Self { hash: 0x9E37_79B9_7F4A_7C15, last: u32::MAX };

    /// Sees the next token. A hole counts as a token of its own.
    pub(crate) fn push(&mut self, token: u32) {
        self.hash =
            (self.hash.rotate_left(23) ^ u64::from(token)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        self.last = token & ((1 << TOKEN_BITS) - 1);
    }

    /// Whether it is one of the histories of which one in `odds` is; none is of 0.
    pub(crate) fn is_one_in(self, odds: u64) -> bool {
        odds > 0 && mix(self.hash ^ odds).is_multiple_of(odds)
    }
}

/// Turns histories into rows of logits.
#[derive(Debug)]
pub(crate) struct LogitTable {
    /// How likely a token is by itself, `[VOCAB]`.
    base: Vec<f32>,
}

impl LogitTable {
    pub(crate) fn new() -> Self {
        let mut base: Vec<f32> =
            vocabulary().tokens.iter().map(|token| likelihood(token)).collect();
        base[..CONTROL.len()].fill(NEVER);
        for lead in [0xC3, 0xE6, 0xF0] {
            base[byte_id(lead) as usize] = 0.3;
        }
        Self { base }
    }

    /// Writes the logits of the token that follows `history`, `[VOCAB]`.
    pub(crate) fn fill(&self, history: History, row: &mut [f32]) {
        let mixed = mix(history.hash);
        let (low, high) = (mixed as u32, (mixed >> 32) as u32);
        for (id, (logit, base)) in row.iter_mut().zip(&self.base).enumerate() {
            let mut noise = (low ^ (id as u32).wrapping_mul(0x9E37_79B1)).wrapping_mul(0x85EB_CA6B);
            noise = (noise ^ (noise >> 15) ^ high).wrapping_mul(0xC2B2_AE35);
            noise ^= noise >> 16;
            *logit = base + (noise >> 8) as f32 * (NOISE / (1 << 24) as f32);
        }
        let continuation = CONTINUATIONS.iter().find(|(key, ..)| byte_id(*key) == history.last);
        if let Some(&(_, first, last)) = continuation {
            for logit in &mut row[byte_id(first) as usize..=byte_id(last) as usize] {
                *logit += CONTINUE;
            }
        } else if mixed.is_multiple_of(EOS_ODDS) {
            row[EOS as usize] = NOISE + 2.0;
        }
    }
}

/// Words over letters over what does not print.
fn likelihood(token: &str) -> f32 {
    let bytes = token_bytes(token);
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains(|char: char| char.is_control() && char != '\n') => -20.0,
        Ok(text) if text.len() == 1 => -3.0,
        Ok(_) => 0.0,
        Err(_) => -20.0,
    }
}

/// Finalizer of `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VOCAB;

    fn best(row: &[f32]) -> u32 {
        (0..VOCAB).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32
    }

    /// Greedy bytes and ids after `seed`.
    fn generate(seed: u32, count: usize) -> (Vec<u8>, Vec<u32>) {
        let (table, tokens) = (LogitTable::new(), vocabulary().tokens);
        let mut history = History::EMPTY;
        history.push(seed);
        let mut row = vec![0.0; VOCAB];
        let ids: Vec<u32> = (0..count)
            .map(|_| {
                table.fill(history, &mut row);
                let id = best(&row);
                history.push(id);
                id
            })
            .collect();
        let text = ids.iter().filter(|&&id| id >= CONTROL.len() as u32);
        (text.flat_map(|&id| token_bytes(&tokens[id as usize])).collect(), ids)
    }

    #[test]
    fn text_is_printable_with_characters_spelled_byte_by_byte() {
        let (bytes, ids) = generate(7, 2000);
        let whole = str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
        assert!(bytes.len() - whole < 4, "only the last character may be incomplete");
        let text = str::from_utf8(&bytes[..whole]).unwrap();
        assert!(text.len() > 3000, "{}", text.len());
        assert!(!text.contains(|char: char| char.is_control() && char != '\n'));
        for lead in [0xC3, 0xE6, 0xF0] {
            assert!(ids.contains(&byte_id(lead)), "{lead:x}");
        }
    }

    #[test]
    fn control_tokens_never_win_and_the_end_wins_rarely() {
        let ids: Vec<u32> = (0..4).flat_map(|seed| generate(seed, 5000).1).collect();
        assert!(ids.iter().all(|&id| id == EOS || id >= CONTROL.len() as u32));
        let ends = ids.iter().filter(|&&id| id == EOS).count();
        assert!((2..100).contains(&ends), "{ends}");
    }

    #[test]
    fn several_tokens_are_near_the_top() {
        let mut row = vec![0.0; VOCAB];
        LogitTable::new().fill(History::EMPTY, &mut row);
        let top = row[best(&row) as usize];
        let near = row.iter().filter(|&&logit| logit > top - 2.0).count();
        assert!((8..120).contains(&near), "{near}");
    }
}
