//! Messages to a prompt, by the Jinja template in a model file.
//!
//! A template is data from an untrusted file: it runs in minijinja, which has no way to files or
//! the network, with limits on its size (`source`), its steps, its recursion, and on what it makes
//! and writes (`limits`, by `checked` and `builtins`). What it sees is what Hugging Face's `apply_chat_template` shows: `messages`, `tools`, `bos_token`, `eos_token`,
//! `add_generation_prompt`, `raise_exception`, `strftime_now` and Python's string methods.

mod builtins;
mod calendar;
mod checked;
mod generation;
mod limits;
mod python;
mod python_json;
mod python_repr;
mod source;
#[cfg(test)]
mod tests;

use minijinja::machinery::{Vm, WhitespaceConfig, get_compiled_template, make_string_output};
use minijinja::{AutoEscape, Environment, ErrorKind, Value, context};

use crate::error::ModelError;
use crate::tokenizer::Tokenizer;

/// Steps of the template's program; a long conversation with tools takes some 10,000.
const MAX_STEPS: u64 = 2_000_000;
/// Nested calls of macros and blocks.
const MAX_RECURSION: usize = 64;
/// Name of the only template.
const NAME: &str = "chat_template";
/// What a template's includes are looked for as: there is none of this name, the template itself
/// not among them.
const NOWHERE: &str = "";
/// As Hugging Face sets Jinja up.
const WHITESPACE: WhitespaceConfig =
    WhitespaceConfig { keep_trailing_newline: false, lstrip_blocks: true, trim_blocks: true };

/// A model's chat template, compiled.
pub struct ChatTemplate {
    /// Why it does not compile is told when it is used: a model can serve prompts without it.
    environment: Result<Environment<'static>, String>,
    bos: String,
    eos: String,
    source: String,
}

impl ChatTemplate {
    /// Compiles a template; the tokenizer gives `bos_token` and `eos_token`.
    pub fn new(source: &str, tokenizer: &Tokenizer) -> Self {
        let text = |id| String::from_utf8_lossy(tokenizer.piece(id)).into_owned();
        Self {
            source: source.to_owned(),
            environment: compile(source),
            bos: tokenizer.bos().map(text).unwrap_or_default(),
            eos: tokenizer.eos().first().copied().map(text).unwrap_or_default(),
        }
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders `messages`, a JSON array of objects with `role` and `content`, to a prompt.
    ///
    /// `tools` is a JSON array of functions. `add_generation_prompt` asks for the head of the
    /// assistant's turn at the end.
    pub fn render(
        &self,
        messages: &serde_json::Value,
        tools: Option<&serde_json::Value>,
        add_generation_prompt: bool,
    ) -> Result<String, ModelError> {
        self.render_with(messages, tools, add_generation_prompt, &serde_json::Map::new())
    }

    /// Renders as [`Self::render`] does, with further `variables`; none replaces its own.
    pub fn render_with(
        &self,
        messages: &serde_json::Value,
        tools: Option<&serde_json::Value>,
        add_generation_prompt: bool,
        variables: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<String, ModelError> {
        let environment =
            self.environment.as_ref().map_err(|error| ModelError::Template(error.clone()))?;
        let context = context! {
            messages => Value::from_serialize(messages),
            tools => tools.map(Value::from_serialize),
            bos_token => self.bos,
            eos_token => self.eos,
            add_generation_prompt,
            ..Value::from_serialize(variables)
        };
        run(environment, context).map_err(|error| ModelError::Template(explain(&error)))
    }
}

fn compile(source: &str) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(WHITESPACE.trim_blocks);
    environment.set_lstrip_blocks(WHITESPACE.lstrip_blocks);
    environment.set_fuel(Some(MAX_STEPS));
    environment.set_recursion_limit(MAX_RECURSION);
    environment.set_debug(false);
    environment.set_path_join_callback(|_, _| NOWHERE.into());
    environment.set_formatter(python_repr::write_value);
    builtins::install(&mut environment);
    checked::install(&mut environment);
    python::install(&mut environment);
    let source = source::prepared(source, WHITESPACE)?;
    environment.add_template_owned(NAME, source).map_err(|error| one_line(&error))?;
    Ok(environment)
}

/// Runs the template with its checks.
fn run(environment: &Environment<'_>, context: Value) -> Result<String, minijinja::Error> {
    let template = environment.get_template(NAME)?;
    let compiled = get_compiled_template(&template);
    let instructions = checked::with_checks(&compiled.instructions);
    let blocks = checked::blocks_with_checks(&compiled.blocks);
    let mut text = String::new();
    let mut output = make_string_output(&mut text);
    Vm::new(environment).eval(&instructions, context, &blocks, &mut output, AutoEscape::None)?;
    Ok(text)
}

fn explain(error: &minijinja::Error) -> String {
    match (limits::exceeded(error), error.kind()) {
        (Some(limit), _) => limit.to_string(),
        (None, ErrorKind::OutOfFuel) => format!("it takes more than {MAX_STEPS} steps"),
        (None, _) => one_line(error),
    }
}

/// A template's own refusal is its bare text, anything else says where it happened.
fn one_line(error: &minijinja::Error) -> String {
    let detail = error.detail().unwrap_or_default();
    match (error.kind(), error.line()) {
        (ErrorKind::InvalidOperation, _) if python::is_refusal(error) => detail.to_owned(),
        (kind, Some(line)) if detail.is_empty() => format!("{kind} in line {line}"),
        (kind, Some(line)) => format!("{kind}: {detail} in line {line}"),
        (kind, None) => format!("{kind}: {detail}"),
    }
}
