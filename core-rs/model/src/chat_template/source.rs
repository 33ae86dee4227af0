//! A template's text before it is compiled.

use minijinja::machinery::{Token, WhitespaceConfig, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::builtins::AS_IT_IS;
use super::generation::without_marks;

/// Longest template, bytes; the longest known has 17,000.
const MAX_SOURCE: usize = 1 << 20;
/// Tokens of one tag: so deep can what it says be nested for the compiler. Known ones have 60.
const MAX_TAG: usize = 1000;
/// `elif` of all conditions together, each nested in the one before; known templates have 20.
const MAX_BRANCHES: usize = 200;

/// The text to compile.
///
/// # Errors
/// What is too large in it, in words.
pub(super) fn prepared(source: &str, whitespace: WhitespaceConfig) -> Result<String, String> {
    let length = source.len();
    if length > MAX_SOURCE {
        return Err(format!("it has {length} bytes, expected {MAX_SOURCE} at most"));
    }
    let source = without_marks(source);
    let mut text = String::with_capacity(source.len());
    let (mut written, mut tag, mut branches) = (0, 0, 0);
    let mut may_end_operand = false;
    // What is no token is an error of the compiler, which says where.
    for (token, span) in tokenize(&source, false, SyntaxConfig, whitespace).map_while(Result::ok) {
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => tag = 0,
            Token::Ident("elif") => branches += 1,
            // The compiler computes `'x' * 9999999`, but not of what a filter gives.
            Token::Mul if may_end_operand => {
                let at = span.start_offset as usize;
                text.push_str(&source[written..at]);
                text.push('|');
                text.push_str(AS_IT_IS);
                text.push(' ');
                written = at;
            }
            _ => {}
        }
        tag += 1;
        if tag > MAX_TAG || branches > MAX_BRANCHES {
            let line = span.start_line;
            return Err(if tag > MAX_TAG {
                format!("it has a tag of more than {MAX_TAG} tokens in line {line}")
            } else {
                format!("it has more than {MAX_BRANCHES} elif, in line {line}")
            });
        }
        // Behind these, it would spread operands of a call.
        may_end_operand = !matches!(token, Token::ParenOpen | Token::Comma);
    }
    text.push_str(&source[written..]);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(source: &str) -> Result<String, String> {
        prepared(source, WhitespaceConfig::default())
    }

    #[test]
    fn products_are_kept_from_the_compiler() {
        let source = "* {{ f('*' * 3, *x, **y) }}{% generation %}é{{ 2*3 }}{% endgeneration %}";
        let expected =
            "* {{ f('*' |as_it_is * 3, *x, **y) }}{% if true %}é{{ 2|as_it_is *3 }}{% endif %}";
        assert_eq!(prepare(source).unwrap(), expected);
        assert_eq!(prepare("{{ 'x").unwrap(), "{{ 'x");
    }

    #[test]
    fn what_is_too_large_is_told() {
        let long = "x".repeat(MAX_SOURCE + 1);
        assert_eq!(prepare(&long).unwrap_err(), "it has 1048577 bytes, expected 1048576 at most");
        let tag = format!("\n{{{{ a{} }}}}", "|e".repeat(MAX_TAG));
        assert_eq!(prepare(&tag).unwrap_err(), "it has a tag of more than 1000 tokens in line 2");
        let branches = "{% elif a %}".repeat(MAX_BRANCHES + 1);
        assert_eq!(prepare(&branches).unwrap_err(), "it has more than 200 elif, in line 1");
    }
}
