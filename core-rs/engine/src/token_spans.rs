//! Where the tokens of a text lie in it, as TGI's `/tokenize` tells it.

use std::borrow::Cow;

use serde::Serialize;
use tgi_model::Tokenizer;

/// A token and the bytes of the text that it stands for.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TokenSpan<'a> {
    id: u32,
    text: Cow<'a, str>,
    start: usize,
    stop: usize,
}

/// The spans of `ids`, which the tokenizer made of `text`. A token that it added has no text.
pub(crate) fn token_spans<'a>(
    tokenizer: &Tokenizer,
    text: &'a str,
    ids: &[u32],
) -> Vec<TokenSpan<'a>> {
    let mut start = 0;
    let span = |&id: &u32| {
        let rest = &text.as_bytes()[start..];
        let piece = tokenizer.piece(id);
        // SentencePiece puts a blank before the first word that the text does not have.
        let shown = [piece, piece.strip_prefix(b" ").unwrap_or(piece)]
            .into_iter()
            .find(|shown| rest.starts_with(shown))
            .map_or(0, <[u8]>::len);
        let stop = start + shown;
        let span = TokenSpan {
            id,
            text: String::from_utf8_lossy(&text.as_bytes()[start..stop]),
            start,
            stop,
        };
        start = stop;
        span
    };
    ids.iter().map(span).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spans_follow_each_other_and_cover_the_text(text in "[a-z é日🙂]{0,40}") {
            let tokenizer = tgi_backend_scripted::tokenizer();
            let ids = tokenizer.encode(&text, true).unwrap();
            let spans = token_spans(&tokenizer, &text, &ids);
            let mut end = 0;
            for span in &spans {
                prop_assert_eq!(span.start, end);
                end = span.stop;
            }
            prop_assert_eq!(end, text.len());
        }
    }

    #[test]
    fn a_token_that_the_tokenizer_adds_has_no_text() {
        let tokenizer = tgi_backend_scripted::tokenizer();
        let spans = token_spans(
            &tokenizer,
            "a",
            &[tokenizer.eos()[0], tokenizer.encode("a", false).unwrap()[0]],
        );
        assert_eq!((spans[0].start, spans[0].stop, &*spans[0].text), (0, 0, ""));
        assert_eq!((spans[1].start, spans[1].stop, &*spans[1].text), (0, 1, "a"));
    }
}
