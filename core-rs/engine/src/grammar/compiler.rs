use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
};

use llguidance::{
    Matcher, ParserFactory,
    api::{ParserLimits, TopLevelGrammar},
    earley::SlicedBiasComputer,
    regex_to_lark,
    toktrie::InferenceCapabilities,
};
use serde_json::{Value, json};
use tgi_model::Tokenizer;

use super::{Grammar, GrammarKind, GrammarState, fault::explain, vocabulary::token_environment};
use super::{composed::Composed, formats::narrow_formats};
use crate::prepare::Invalid;

/// Longest schema, bytes of JSON.
const LONGEST_SCHEMA: usize = 512 * 1024;
/// Longest regular expression or Lark grammar, bytes.
const LONGEST_TEXT: usize = 64 * 1024;
/// Deepest nesting of brackets in a Lark grammar: its parser calls itself for each.
const DEEPEST_LARK: usize = 128;
/// Stack of a thread that runs `llguidance`, bytes. Only what is used of it takes memory.
pub(super) const STACK_BYTES: usize = 256 * 1024 * 1024;
/// Compiled grammars that are kept for the next request with the same one.
const KEPT: usize = 32;

/// What one grammar may cost. One unit of fuel is a node of a regular expression: compiling makes
/// about 50 a µs, a mask 14. A state of the lexer takes 1 to 2 kB.
pub(super) const LIMITS: ParserLimits = ParserLimits {
    max_items_in_row: 2000,
    initial_lexer_fuel: 1_000_000,
    step_lexer_fuel: 200_000,
    step_max_items: 50_000,
    max_lexer_states: 50_000,
    max_grammar_size: 500_000,
    precompute_large_lexemes: true,
    verbose_errors: false,
};

/// Compiles grammars for one model. Shared by the workers.
pub struct Compiler {
    tokenizer: Arc<Tokenizer>,
    /// Made for the first request with a grammar; `None` when the model has no end of sequence.
    factory: OnceLock<Option<ParserFactory>>,
    /// The latest first.
    kept: Mutex<VecDeque<(Grammar, Arc<Matcher>)>>,
}

impl Compiler {
    /// A compiler for grammars over the tokens of `tokenizer`.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer, factory: OnceLock::new(), kept: Mutex::default() }
    }

    /// The start of `grammar`, for one sequence.
    ///
    /// # Errors
    /// [`Invalid::Grammar`] when it cannot be read, or is larger than a limit, which is named.
    pub fn compile(&self, grammar: &Grammar) -> Result<GrammarState, Invalid> {
        let start = match self.find(grammar) {
            Some(start) => start,
            None => self.compile_new(grammar).map_err(Invalid::Grammar)?,
        };
        Ok(GrammarState::new(start))
    }

    fn compile_new(&self, grammar: &Grammar) -> Result<Arc<Matcher>, String> {
        check_size(grammar)?;
        let matcher = thread::scope(|scope| {
            let build = || self.build(grammar);
            let thread = thread::Builder::new().name("tgi-grammar".into()).stack_size(STACK_BYTES);
            let thread = thread.spawn_scoped(scope, build).map_err(|error| error.to_string())?;
            thread.join().unwrap_or_else(|_| Err("its compiler panicked".into()))
        })?;
        let start = Arc::new(matcher);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front((grammar.clone(), Arc::clone(&start)));
        Ok(start)
    }

    fn find(&self, grammar: &Grammar) -> Option<Arc<Matcher>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| known == grammar)?;
        let entry = kept.remove(place)?;
        let start = Arc::clone(&entry.1);
        kept.push_front(entry);
        Some(start)
    }

    fn build(&self, grammar: &Grammar) -> Result<Matcher, String> {
        let factory = self.factory.get_or_init(|| factory(&self.tokenizer)).as_ref();
        let factory = factory.ok_or("the model has no end-of-sequence token")?;
        let source = self.source(grammar)?;
        let parser = factory.create_parser(source);
        let mut matcher = Matcher::new(parser);
        // Told now and not at the first token: what no text can match.
        matcher.compute_mask_or_eos().map_err(|error| explain(&error.to_string()))?;
        Ok(matcher)
    }

    fn source(&self, grammar: &Grammar) -> Result<TopLevelGrammar, String> {
        let told = |error: serde_json::Error| error.to_string();
        match grammar.kind {
            GrammarKind::Regex => {
                // `\d` and `\w` are ASCII, as in the patterns of schemas.
                let expression = regex_to_lark(unanchored(&grammar.text), "dw");
                Ok(TopLevelGrammar::from_lark(format!("start: /{expression}/")))
            }
            GrammarKind::Lark => Ok(TopLevelGrammar::from_lark(grammar.text.clone())),
            GrammarKind::JsonSchema | GrammarKind::JsonObject => {
                Ok(schema_grammar(serde_json::from_str(&grammar.text).map_err(told)?))
            }
            GrammarKind::Composed => {
                let composed: Composed = serde_json::from_str(&grammar.text).map_err(told)?;
                composed.compile(&self.tokenizer, schema_grammar)
            }
        }
    }
}

/// The factory for a vocabulary; it knows the masks of JSON strings by heart.
fn factory(tokenizer: &Arc<Tokenizer>) -> Option<ParserFactory> {
    let environment = token_environment(tokenizer)?;
    let capabilities = InferenceCapabilities { ff_tokens: true, ..Default::default() };
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&environment, capabilities, &slices).ok()?;
    *factory.limits_mut() = LIMITS;
    factory.quiet();
    Some(factory)
}

fn check_size(grammar: &Grammar) -> Result<(), String> {
    let (name, limit) = match grammar.kind {
        GrammarKind::JsonSchema | GrammarKind::JsonObject | GrammarKind::Composed => {
            ("schema", LONGEST_SCHEMA)
        }
        GrammarKind::Regex => ("regular expression", LONGEST_TEXT),
        GrammarKind::Lark => ("Lark grammar", LONGEST_TEXT),
    };
    let given = grammar.text.len();
    if given > limit {
        return Err(format!("a {name} has at most {limit} bytes. Given: {given}"));
    }
    let depth = bracket_depth(&grammar.text);
    if grammar.kind == GrammarKind::Lark && depth > DEEPEST_LARK {
        return Err(format!("brackets nest at most {DEEPEST_LARK} deep. Given: {depth}"));
    }
    Ok(())
}

/// How deep brackets nest, those in texts and expressions included.
fn bracket_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn schema_grammar(mut schema: Value) -> TopLevelGrammar {
    narrow_formats(&mut schema);
    if let Value::Object(keys) = &mut schema {
        keys.insert("x-guidance".into(), schema_options());
    }
    TopLevelGrammar::from_json_schema(schema)
}

/// At most one space between the parts of a JSON text, as TGI; `oneOf` as `anyOf`.
fn schema_options() -> Value {
    json!({ "whitespace_pattern": "[ ]", "coerce_one_of": true })
}

/// The whole text always matches: anchors at the ends say nothing more.
fn unanchored(expression: &str) -> &str {
    let expression = expression.strip_prefix('^').unwrap_or(expression);
    match expression.strip_suffix('$') {
        Some(inner) if !inner.ends_with('\\') && !expression.contains('|') => inner,
        _ => expression,
    }
}
