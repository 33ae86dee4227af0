//! Who may find whose prompts in the prefix cache.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::OnceLock,
};

/// Requests share cached pages with those of equal salt only: how fast a prompt is answered tells
/// nothing about the prompts of others. Requests without a salt are one group.
///
/// It is 128 bits of hash with keys that are drawn anew in every process, so that nobody can look
/// for two texts of one salt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Salt(Option<[u64; 2]>);

impl Salt {
    /// The salt of a text; of none the group without.
    pub fn of(text: Option<&str>) -> Self {
        static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
        let keys = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
        let hash = |text: &str, key: &RandomState| {
            let mut hasher = key.build_hasher();
            hasher.write(text.as_bytes());
            hasher.finish()
        };
        Self(text.map(|text| keys.each_ref().map(|key| hash(text, key))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_salts_and_no_text_is_none_of_them() {
        assert_eq!(Salt::of(Some("a")), Salt::of(Some("a")));
        assert_eq!(Salt::of(None), Salt::default());
        let different = [None, Some(""), Some("a"), Some("b"), Some("ab")].map(Salt::of);
        for (index, salt) in different.iter().enumerate() {
            assert!(!different[..index].contains(salt));
        }
    }
}
