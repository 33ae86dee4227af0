//! Who may find whose prompts in the prefix cache.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::OnceLock,
};

/// Requests share cached pages with those of equal salt only: how fast a prompt is answered tells
/// nothing about the prompts of others. Requests without a text are one group. The adapter is part
/// of the salt, for K and V depend on it.
///
/// Of the text it has 128 bits of hash with keys that are drawn anew in every process, so that nobody can look
/// for two texts of one salt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Salt {
    text: Option<[u64; 2]>,
    adapter: Option<u32>,
}

impl Salt {
    /// The salt of a text and an adapter; of no text the group without.
    pub fn of(text: Option<&str>, adapter: Option<u32>) -> Self {
        static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
        let keys = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
        let hash = |text: &str, key: &RandomState| {
            let mut hasher = key.build_hasher();
            hasher.write(text.as_bytes());
            hasher.finish()
        };
        Self { text: text.map(|text| keys.each_ref().map(|key| hash(text, key))), adapter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_texts_with_equal_adapters_have_equal_salts() {
        assert_eq!(Salt::of(Some("a"), Some(1)), Salt::of(Some("a"), Some(1)));
        assert_eq!(Salt::of(None, None), Salt::default());
        let texts = [None, Some(""), Some("a"), Some("b"), Some("ab")];
        let adapters = [None, Some(0), Some(1)];
        let different: Vec<Salt> = texts
            .into_iter()
            .flat_map(|text| adapters.map(|adapter| Salt::of(text, adapter)))
            .collect();
        for (index, salt) in different.iter().enumerate() {
            assert!(!different[..index].contains(salt));
        }
    }
}
