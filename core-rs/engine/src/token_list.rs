//! Lists of tokens for events, built without allocating once they have grown.

use std::ops::Range;

use tgi_model::Tokenizer;

use crate::event::TokenInfo;

/// Tokens with their texts, each decoded alone: bytes that are no whole character show as U+FFFD.
#[derive(Debug)]
pub(crate) struct TokenList {
    entries: Vec<Entry>,
    text: String,
    /// Memory of the list lent out last.
    infos: Vec<TokenInfo<'static>>,
}

#[derive(Debug)]
struct Entry {
    id: u32,
    logprob: f32,
    special: bool,
    text: Range<usize>,
}

impl Default for TokenList {
    /// Takes memory for the top tokens of a place, so that their first texts allocate nothing.
    fn default() -> Self {
        Self {
            entries: Vec::with_capacity(64),
            text: String::with_capacity(4096),
            infos: Vec::with_capacity(64),
        }
    }
}

impl TokenList {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends a token.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, id: u32, logprob: f32) {
        let start = self.text.len();
        push_lossy(&mut self.text, tokenizer.piece(id));
        let text = start..self.text.len();
        self.entries.push(Entry { id, logprob, special: tokenizer.is_special(id), text });
    }

    /// Lends the list to `take`, and empties it.
    pub(crate) fn drain(&mut self, take: impl FnOnce(&[TokenInfo<'_>])) {
        let mut infos: Vec<TokenInfo<'_>> = std::mem::take(&mut self.infos);
        infos.extend(self.entries.drain(..).map(|entry| TokenInfo {
            id: entry.id,
            logprob: entry.logprob,
            special: entry.special,
            text: &self.text[entry.text],
        }));
        take(&infos);
        infos.clear();
        // Collecting in place keeps the memory and drops the lifetime.
        self.infos = infos.into_iter().map(forget).collect();
        self.text.clear();
    }
}

/// The token without its text.
fn forget(info: TokenInfo<'_>) -> TokenInfo<'static> {
    TokenInfo { id: info.id, logprob: info.logprob, special: info.special, text: "" }
}

/// Appends `bytes` as UTF-8; each run that is none becomes U+FFFD.
pub(crate) fn push_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}
