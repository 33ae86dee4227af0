//! Checks the table by which `SentencePiece` rewrites a text: a trie of UTF-8 bytes as a double array
//! (Aoe 1989, as darts-clone lays it out) and the texts that its leaves name.
//!
//! The `spm_precompiled` crate, which reads it, goes wherever the numbers lead.

use crate::error::Defect;

/// Says that a unit is the value of a leaf.
const IS_VALUE: u32 = 1 << 31;
/// Says that the children of a unit have a value among them.
const HAS_LEAF: u32 = 1 << 8;
/// Says that a unit's offset counts in blocks of 256.
const IS_FAR: u32 = 1 << 9;

/// Checks that no text leads out of a table.
pub(super) fn check(table: &[u8]) -> Result<(), Defect> {
    let damaged = |found: &str| Defect::damaged(format!("its precompiled_charsmap {found}"));
    let (size, rest) = table.split_first_chunk().ok_or_else(|| damaged("has no length"))?;
    let size = u32::from_le_bytes(*size) as usize;
    let (trie, texts) =
        rest.split_at_checked(size).ok_or_else(|| damaged("is shorter than it says"))?;
    let (units, odd) = trie.as_chunks::<4>();
    if units.is_empty() || !odd.is_empty() {
        return Err(damaged("has a trie of no whole units"));
    }
    let texts = str::from_utf8(texts).map_err(|_| damaged("has texts that are no UTF-8"))?;
    let unit = |at: usize| units.get(at).map(|bytes| u32::from_le_bytes(*bytes));
    for at in 0..units.len() {
        let Some(here) = unit(at) else { continue };
        // Nothing leads to a value but its leaf; the first unit is where every text begins.
        if here & IS_VALUE != 0 && at > 0 {
            continue;
        }
        let children = at ^ offset(here);
        if children | 0xFF >= units.len() {
            return Err(damaged("has a trie that leads out of it"));
        }
        if here & HAS_LEAF != 0 {
            let value = unit(children).unwrap_or_default() & !IS_VALUE;
            if !texts.is_char_boundary(value as usize) {
                return Err(damaged("has a leaf without a text"));
            }
        }
    }
    Ok(())
}

fn offset(unit: u32) -> usize {
    let offset = (unit >> 10) as usize;
    if unit & IS_FAR == 0 { offset } else { offset << 8 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::normalizers::Precompiled;

    use super::*;

    /// A table of the unit 0 and of others, and of texts.
    fn table(units: &[(usize, u32)], texts: &[u8]) -> Vec<u8> {
        let mut trie = vec![0u32; 256];
        for &(at, unit) in units {
            trie[at] = unit;
        }
        let mut table = 1024u32.to_le_bytes().to_vec();
        table.extend(trie.iter().flat_map(|unit| unit.to_le_bytes()));
        table.extend(texts);
        table
    }

    /// `a` to `bc`: the root's children are at 0, those of `a` at 97 ^ 1.
    fn sound() -> Vec<u8> {
        let a = u32::from(b'a');
        table(&[(97, a | HAS_LEAF | 1 << 10), (96, IS_VALUE)], b"bc\0")
    }

    #[test]
    fn a_sound_table_is_accepted_and_rewrites() {
        check(&sound()).unwrap();
        let table = Precompiled::from(&sound()).unwrap();
        assert_eq!(table.normalize_string("xax"), "xbcx");
    }

    #[test]
    fn what_leads_out_is_refused() {
        let refusal = |table: &[u8]| check(table).unwrap_err().found;
        let a = u32::from(b'a');
        let leaf = |value| {
            table(&[(97, a | HAS_LEAF | 1 << 10), (96, IS_VALUE | value)], "é\0".as_bytes())
        };
        assert!(refusal(b"").ends_with("has no length"));
        assert!(refusal(&[255; 8]).ends_with("is shorter than it says"));
        assert!(refusal(&[3, 0, 0, 0, 1, 2, 3]).ends_with("has a trie of no whole units"));
        assert!(refusal(&[0; 4]).ends_with("has a trie of no whole units"));
        assert!(refusal(&table(&[], b"\xFF")).ends_with("has texts that are no UTF-8"));
        assert!(refusal(&table(&[(5, IS_FAR | 9 << 10)], b"")).ends_with("leads out of it"));
        assert!(refusal(&table(&[(0, IS_VALUE)], b"")).ends_with("leads out of it"));
        assert!(refusal(&leaf(1)).ends_with("has a leaf without a text"));
        assert!(refusal(&leaf(4)).ends_with("has a leaf without a text"));
        check(&leaf(3)).unwrap();
    }

    proptest! {
        #[test]
        fn an_accepted_table_never_panics(
            units in prop::collection::vec((0..256usize, 0..1u32 << 18, any::<u8>()), 0..200),
            texts in "[a-dé\0]{0,9}",
            text in "[a-hé\u{0}-\u{ff}]{0,20}",
        ) {
            let units: Vec<_> = units
                .into_iter()
                .map(|(at, bits, label)| (at, bits & !0xFF | u32::from(label)))
                .collect();
            let table = table(&units, texts.as_bytes());
            if check(&table).is_ok() {
                Precompiled::from(&table).unwrap().normalize_string(&text);
            }
        }
    }
}
