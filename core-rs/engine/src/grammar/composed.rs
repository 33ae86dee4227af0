use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde::Deserialize;
use serde_json::Value;
use tgi_model::Tokenizer;

/// A Lark grammar over marks and schemas, which a text may be free between: calls of tools.
///
/// Its rules may use, beside their own:
///
/// | name | matches |
/// |---|---|
/// | `markN` | the mark `N`, with blanks before it |
/// | `untilN` | any text up to the first mark `N`, and the mark |
/// | `TEXT` | any text that is not empty |
/// | `@schemaN` | JSON of the schema `N` |
///
/// A mark is its text and, where the vocabulary has one of that name, the control token. Where a
/// rule allows both `markN` or `untilN` and another text, the mark wins as soon as it is complete.
#[derive(Deserialize)]
pub(super) struct Composed {
    pub(super) lark: String,
    pub(super) schemas: Vec<Value>,
    marks: Vec<String>,
}

const TERMINALS: &str = "TEXT: /(.|\\n)+/\nMARK_GAP: /\\s+/\n";

impl Composed {
    /// The grammar for `llguidance`; `schema` makes one of a schema.
    pub(super) fn compile(
        self,
        tokenizer: &Tokenizer,
        schema: impl Fn(Value) -> TopLevelGrammar,
    ) -> Result<TopLevelGrammar, String> {
        let mut lark = self.lark;
        lark.push('\n');
        lark.push_str(TERMINALS);
        for (index, mark) in self.marks.iter().enumerate() {
            lark.push_str(&mark_rules(index, mark, tokenizer)?);
        }
        let mut grammar = TopLevelGrammar::from_lark(lark);
        for (index, part) in self.schemas.into_iter().enumerate() {
            let name = Some(format!("schema{index}"));
            let part = schema(part).grammars.into_iter();
            grammar
                .grammars
                .extend(part.map(|part| GrammarWithLexer { name: name.clone(), ..part }));
        }
        Ok(grammar)
    }
}

fn mark_rules(index: usize, mark: &str, tokenizer: &Tokenizer) -> Result<String, String> {
    if mark.is_empty() {
        return Err("a mark has at least one character".into());
    }
    let text = Value::from(mark);
    let token = control_token(mark, tokenizer);
    let or_token = |before| token.map(|id| format!(" | {before}? <[{id}]>")).unwrap_or_default();
    let (mark_token, until_token) = (or_token("MARK_GAP"), or_token("TEXT"));
    Ok(format!(
        "mark{index}: spelled_mark{index}{mark_token}\n\
         until{index}: spelled_until{index}{until_token}\n\
         spelled_mark{index}[suffix={text}]: /\\s*/\n\
         spelled_until{index}[suffix={text}]: /(.|\\n)*/\n"
    ))
}

fn control_token(name: &str, tokenizer: &Tokenizer) -> Option<u32> {
    (0..tokenizer.vocab() as u32)
        .find(|&id| tokenizer.is_special(id) && tokenizer.piece(id) == name.as_bytes())
}

#[cfg(test)]
#[path = "composed_tests.rs"]
mod tests;
