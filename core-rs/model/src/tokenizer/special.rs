//! Tokens that are found in a text before anything else.

use std::borrow::Cow;
use std::collections::HashSet;

use aho_corasick::{AhoCorasick, MatchKind};

use super::TokenKind;
use super::pieces::SPACE;
use crate::error::Defect;

/// Part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragment<'a> {
    /// A special or user-defined token, written out.
    Token(u32),
    /// Text between such tokens, not empty.
    Text(&'a str),
}

/// Finds control and user-defined tokens, the leftmost and there the longest first.
pub(super) struct SpecialTokens {
    finder: AhoCorasick,
    ids: Vec<u32>,
}

impl SpecialTokens {
    /// Collects the tokens of those kinds; of equal ones the first counts.
    pub fn new(tokens: &[String], kinds: &[TokenKind]) -> Result<Self, Defect> {
        Self::with_names(names(tokens, kinds).collect())
    }

    /// The same, where a token that is a run of spaces is written as a run of U+2581.
    pub fn spelled_out(tokens: &[String], kinds: &[TokenKind]) -> Result<Self, Defect> {
        let space = SPACE.to_string();
        let spelled = |(name, id): (Cow<str>, u32)| match name.trim_matches(' ') {
            "" => (Cow::Owned(name.replace(' ', &space)), id),
            _ => (Cow::Owned(name.into_owned()), id),
        };
        Self::with_names(names(tokens, kinds).map(spelled).collect())
    }

    fn with_names(mut names: Vec<(Cow<str>, u32)>) -> Result<Self, Defect> {
        let mut seen = HashSet::new();
        names.retain(|(name, _)| seen.insert(name.clone()));
        let (names, ids): (Vec<Cow<str>>, Vec<u32>) = names.into_iter().unzip();
        let names = names.iter().map(AsRef::<str>::as_ref);
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(names)
            .map_err(|error| Defect::malformed(format!("its special tokens: {error}")))?;
        Ok(Self { finder, ids })
    }

    /// Cuts a text into tokens and the text between them.
    pub fn split<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Fragment<'a>> {
        let mut position = 0;
        let mut matches = self.finder.find_iter(text);
        let mut token = None;
        std::iter::from_fn(move || {
            if let Some(id) = token.take() {
                return Some(Fragment::Token(id));
            }
            let Some(found) = matches.next() else {
                let rest = &text[position..];
                position = text.len();
                return (!rest.is_empty()).then_some(Fragment::Text(rest));
            };
            let before = &text[position..found.start()];
            position = found.end();
            let id = self.ids[found.pattern().as_usize()];
            if before.is_empty() {
                return Some(Fragment::Token(id));
            }
            token = Some(id);
            Some(Fragment::Text(before))
        })
    }
}

/// The names to look for and their ids.
fn names<'a>(
    tokens: &'a [String],
    kinds: &'a [TokenKind],
) -> impl Iterator<Item = (Cow<'a, str>, u32)> {
    let all = (0..).zip(tokens.iter().zip(kinds));
    all.filter(|(_, (name, kind))| {
        matches!(kind, TokenKind::Control | TokenKind::UserDefined) && !name.is_empty()
    })
    .map(|(id, (name, _))| (Cow::Borrowed(name.as_str()), id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder(names: &[&str]) -> SpecialTokens {
        let tokens: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        SpecialTokens::new(&tokens, &vec![TokenKind::Control; names.len()]).unwrap()
    }

    fn split(special: &SpecialTokens, text: &str) -> Vec<String> {
        special.split(text).map(|fragment| format!("{fragment:?}")).collect()
    }

    #[test]
    fn text_and_tokens_alternate_in_order() {
        let special = finder(&["<s>", "</s>"]);
        let expected = ["Token(0)", "Text(\"a\")", "Token(1)", "Token(0)", "Text(\"é\")"];
        assert_eq!(split(&special, "<s>a</s><s>é"), expected);
    }

    #[test]
    fn the_longest_of_two_tokens_wins() {
        let special = finder(&["\n", "\n\n\n", "\n\n"]);
        assert_eq!(split(&special, "\n\n\n\n"), ["Token(1)", "Token(0)"]);
    }

    #[test]
    fn a_run_of_spaces_has_two_spellings() {
        let tokens = ["  ", "   ", " a"].map(str::to_owned);
        let special = SpecialTokens::spelled_out(&tokens, &[TokenKind::UserDefined; 3]).unwrap();
        let expected = ["Token(1)", "Text(\"   \")", "Token(2)", "Text(\" ▁\")"];
        assert_eq!(split(&special, "▁▁▁    a ▁"), expected);
        let plain = SpecialTokens::new(&tokens, &[TokenKind::UserDefined; 3]).unwrap();
        assert_eq!(split(&plain, "▁▁"), ["Text(\"▁▁\")"]);
    }

    #[test]
    fn empty_and_repeated_names_are_passed_over() {
        let special = finder(&["", "<a>", "<a>"]);
        assert_eq!(split(&special, "<a>"), ["Token(1)"]);
        assert!(split(&special, "").is_empty());
    }

    #[test]
    fn normal_tokens_are_not_looked_for() {
        let special = SpecialTokens::new(&["a".to_owned()], &[TokenKind::Normal]).unwrap();
        assert_eq!(split(&special, "banana"), ["Text(\"banana\")"]);
    }
}
