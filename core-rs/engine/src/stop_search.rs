//! Stop sequences found anywhere in a text that comes in pieces.

/// Finds the stop sequence that ends first; of those that end together, the longest.
///
/// The text is taken in pieces of any size. Between them only its end is kept that may still become
/// a stop sequence.
#[derive(Clone, Debug)]
pub(crate) struct StopSearch {
    stops: Vec<String>,
    /// The end of the text that begins a stop sequence.
    open: String,
}

/// Where a stop sequence lies, in bytes from the start of the piece that completes it: it may begin
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Bytes of the stop sequence in the pieces before.
    pub(crate) before: usize,
    /// Where it begins in the piece, when it begins there.
    pub(crate) start: usize,
    /// Where it ends in the piece.
    pub(crate) end: usize,
}

impl StopSearch {
    /// A search for any of `stops`; an empty one is found at once.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        let room = 2 * stops.iter().map(String::len).max().unwrap_or(0) + 8;
        Self { stops, open: String::with_capacity(room) }
    }

    /// Takes the next piece; the search is over when a stop sequence is found.
    pub(crate) fn push(&mut self, piece: &str) -> Option<Found> {
        if self.stops.iter().any(String::is_empty) {
            return Some(Found { before: 0, start: 0, end: 0 });
        }
        for (at, char) in piece.char_indices() {
            self.open.push(char);
            let end = at + char.len_utf8();
            let complete = self.stops.iter().filter(|stop| self.open.ends_with(stop.as_str()));
            if let Some(length) = complete.map(String::len).max() {
                let before = length.saturating_sub(end);
                return Some(Found { before, start: end.saturating_sub(length), end });
            }
            let keep = self.longest_beginning();
            self.open.drain(..self.open.len() - keep);
        }
        None
    }

    /// Bytes at the end of the text so far that may become a stop sequence.
    pub(crate) fn open_bytes(&self) -> usize {
        self.open.len()
    }

    /// Forgets the text so far.
    pub(crate) fn restart(&mut self) {
        self.open.clear();
    }

    /// The length of the longest end of `open` with which a stop sequence begins.
    fn longest_beginning(&self) -> usize {
        let ends = self.open.char_indices().map(|(start, _)| &self.open[start..]);
        let begins = |end: &&str| self.stops.iter().any(|stop| stop.starts_with(*end));
        ends.into_iter().find(begins).map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Start and end of the first stop sequence in `text`, by looking at every end.
    fn by_definition(text: &str, stops: &[String]) -> Option<(usize, usize)> {
        (0..=text.len()).filter(|&end| text.is_char_boundary(end)).find_map(|end| {
            let complete = stops.iter().filter(|stop| text[..end].ends_with(stop.as_str()));
            let length = complete.map(String::len).max()?;
            Some((end - length, end))
        })
    }

    #[test]
    fn a_stop_sequence_inside_a_piece_is_found() {
        let mut search = StopSearch::new(vec!["END".into(), "\n\n".into()]);
        assert_eq!(search.push("an E"), None);
        assert_eq!(search.open_bytes(), 1);
        assert_eq!(search.push("ND."), Some(Found { before: 1, start: 0, end: 2 }));
        search.restart();
        assert_eq!(search.push("a\n\nb"), Some(Found { before: 0, start: 1, end: 3 }));
    }

    proptest! {
        #[test]
        fn every_cut_finds_what_the_whole_text_has(
            pieces in prop::collection::vec("[ab日\n]{0,5}", 0..20),
            stops in prop::collection::vec("[ab日\n]{1,5}", 1..4),
        ) {
            let text = pieces.concat();
            let want = by_definition(&text, &stops);
            let (mut search, mut passed) = (StopSearch::new(stops.clone()), 0);
            for piece in &pieces {
                if let Some(found) = search.push(piece) {
                    let start = passed + found.start - found.before;
                    prop_assert_eq!(Some((start, passed + found.end)), want);
                    return Ok(());
                }
                passed += piece.len();
                let open = &text[passed - search.open_bytes()..passed];
                prop_assert!(open.is_empty() || stops.iter().any(|stop| stop.starts_with(open)));
            }
            prop_assert_eq!(want, None);
        }
    }
}
