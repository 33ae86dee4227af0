//! From a request to tokens: everything that only the tokenizer or the model can check.
//!
//! The texts are TGI's (`router/src/validation.rs`), without the prefix that the server adds. The
//! server has checked shapes and ranges; whatever reaches an index, an allocation or the sampler
//! is checked again.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use tgi_model::Tokenizer;

use crate::{
    request::{Parameters, Request},
    salt::Salt,
};

/// Most `top_n_tokens`: what an event can carry.
const MOST_TOP_TOKENS: u32 = 1000;
/// Most stop sequences: each is looked for after each token.
const MOST_STOP_SEQUENCES: usize = 256;

/// Most tokens with a logit bias: each is looked up at each token.
const MOST_BIASES: usize = 1024;

/// Why a request cannot be served, in TGI's words.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// A number that must be above 0 is not.
    #[error("`{0}` must be strictly positive")]
    NotPositive(&'static str),
    /// `frequency_penalty` is out of range.
    #[error("`frequency_penalty` must be >= -2.0 and <= 2.0")]
    FrequencyPenalty,
    /// `top_p` is out of range.
    #[error("`top_p` must be > 0.0 and <= 1.0")]
    TopP,
    /// `typical_p` is out of range.
    #[error("`typical_p` must be > 0.0 and < 1.0")]
    TypicalP,
    /// Too many stop sequences.
    #[error("`stop` supports up to {MOST_STOP_SEQUENCES} stop sequences. Given: {0}")]
    StopSequences(usize),
    /// Too many top tokens.
    #[error("`top_n_tokens` must be >= 0 and <= {MOST_TOP_TOKENS}. Given: {0}")]
    TopTokens(u32),
    /// `truncate` is 0.
    #[error("`truncate` must be strictly positive and less than {limit}. Given: {given}")]
    Truncate {
        /// Longest prompt.
        limit: usize,
        /// What was asked for.
        given: u32,
    },
    /// The prompt has no token.
    #[error("`inputs` cannot be empty")]
    Empty,
    /// A share is out of range.
    #[error("`{0}` must be >= 0.0 and <= 1.0")]
    Share(&'static str),
    /// A penalty of `OpenAI`'s is out of range.
    #[error("`{0}` must be >= -2.0 and <= 2.0")]
    Penalty(&'static str),
    /// A logit bias is out of range.
    #[error("`logit_bias` must be >= -100 and <= 100. Given: {bias} for token {id}")]
    LogitBias {
        /// Token id.
        id: u32,
        /// What was to be added.
        bias: f32,
    },
    /// Too many logit biases.
    #[error("`logit_bias` supports up to {MOST_BIASES} tokens. Given: {0}")]
    LogitBiases(usize),
    /// The watermark's numbers are out of range.
    #[error("`watermark` needs a gamma >= 0.0 and <= 1.0 and a finite delta")]
    Watermark,
    /// The least length is above the most.
    #[error("`min_new_tokens` must be <= `max_new_tokens`. Given: {least} and {most}")]
    LeastTooLong {
        /// `min_new_tokens`.
        least: u32,
        /// `max_new_tokens`, or what is left for it.
        most: usize,
    },
    /// A token id is not the model's.
    #[error("{place} token ids must be < {vocab}. Given: {id}")]
    TokenId {
        /// The parameter.
        place: &'static str,
        /// The id.
        id: u32,
        /// Tokens that the model knows.
        vocab: usize,
    },
    /// There is no adapter of that number.
    #[error("`adapter` must be < {loaded}. Given: {given}")]
    Adapter {
        /// Its number.
        given: u32,
        /// Adapters that there are.
        loaded: usize,
    },
    /// Prompt as text and as ids.
    #[error("`inputs` must be empty when `input_ids` is given")]
    TwoPrompts,
    /// The grammar cannot be used.
    #[error("grammar is not valid: {0}")]
    Grammar(String),
    /// The tokenizer failed.
    #[error("tokenizer error {0}")]
    Tokenizer(String),
    /// The prompt is too long.
    #[error("`inputs` must have less than {limit} tokens. Given: {given}")]
    TooLong {
        /// Longest prompt.
        limit: usize,
        /// Its length.
        given: usize,
    },
    /// Prompt and generation together are too long.
    #[error(
        "`inputs` tokens + `max_new_tokens` must be <= {limit}. Given: {prompt} `inputs` tokens \
         and {new} `max_new_tokens`"
    )]
    TotalTooLong {
        /// Longest sequence.
        limit: usize,
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens to generate.
        new: usize,
    },
}

/// The limits that hold for every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLimits {
    /// Longest prompt, tokens.
    pub input: usize,
    /// Longest prompt plus generation, tokens.
    pub total: usize,
    /// Adapters that there are.
    pub adapters: usize,
}

/// A request that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The prompt, special tokens included, after `truncate`.
    pub tokens: Vec<u32>,
    /// Tokens to generate at most.
    pub max_new_tokens: usize,
    /// The seed, when it samples.
    pub seed: Option<u64>,
    /// Whose prompts it may find in the prefix cache.
    pub(crate) salt: Salt,
    /// The adapter that answers.
    pub(crate) adapter: Option<u32>,
}

/// Tokenizes a request and checks it; the first failure in TGI's order wins.
pub fn prepare(
    request: &Request,
    tokenizer: &Tokenizer,
    limits: TokenLimits,
) -> Result<Prepared, Invalid> {
    let parameters = &request.parameters;
    check_ranges(parameters)?;
    check_extensions(parameters, tokenizer.vocab())?;
    let adapter = request.adapter;
    if let Some(given) = adapter.filter(|&number| number as usize >= limits.adapters) {
        return Err(Invalid::Adapter { given, loaded: limits.adapters });
    }
    let empty = request.inputs.is_empty();
    if empty && request.input_ids.is_none() {
        return Err(Invalid::Empty);
    }
    if !empty && request.input_ids.is_some() {
        return Err(Invalid::TwoPrompts);
    }
    if let Some(given @ 0) = parameters.truncate {
        return Err(Invalid::Truncate { limit: limits.input, given });
    }
    let mut tokens = match &request.input_ids {
        Some(ids) => {
            check_ids("`input_ids`", ids.iter().copied(), tokenizer.vocab())?;
            ids.clone()
        }
        None => tokenizer
            .encode(&request.inputs, parameters.add_special_tokens)
            .map_err(|error| Invalid::Tokenizer(error.to_string()))?,
    };
    if let Some(last) = parameters.truncate {
        tokens.drain(..tokens.len().saturating_sub(last as usize));
    }
    let prompt = tokens.len();
    if prompt == 0 {
        return Err(Invalid::Empty);
    }
    if prompt > limits.input {
        return Err(Invalid::TooLong { limit: limits.input, given: prompt });
    }
    let room = limits.total.saturating_sub(prompt);
    let new = parameters.max_new_tokens.map_or(room, |new| new as usize);
    if new > room || new == 0 {
        return Err(Invalid::TotalTooLong { limit: limits.total, prompt, new });
    }
    let least = parameters.min_new_tokens;
    if least as usize > new {
        return Err(Invalid::LeastTooLong { least, most: new });
    }
    let seed = parameters.is_sampling().then(|| parameters.seed.unwrap_or_else(draw_seed));
    let salt = Salt::of(request.cache_salt.as_deref(), adapter);
    Ok(Prepared { tokens, max_new_tokens: new, seed, salt, adapter })
}

fn check_ranges(parameters: &Parameters) -> Result<(), Invalid> {
    let positive = |value: Option<f32>, name| {
        let fine = value.is_none_or(|value| value > 0.0 && value.is_finite());
        if fine { Ok(()) } else { Err(Invalid::NotPositive(name)) }
    };
    positive(parameters.temperature, "temperature")?;
    positive(parameters.repetition_penalty, "repetition_penalty")?;
    if parameters.frequency_penalty.is_some_and(|value| !(-2.0..=2.0).contains(&value)) {
        return Err(Invalid::FrequencyPenalty);
    }
    if parameters.top_p.is_some_and(|value| !(value > 0.0 && value <= 1.0)) {
        return Err(Invalid::TopP);
    }
    if parameters.typical_p.is_some_and(|value| !(value > 0.0 && value < 1.0)) {
        return Err(Invalid::TypicalP);
    }
    if parameters.top_k == Some(0) {
        return Err(Invalid::NotPositive("top_k"));
    }
    if parameters.max_new_tokens == Some(0) {
        return Err(Invalid::NotPositive("max_new_tokens"));
    }
    if parameters.stop.len() > MOST_STOP_SEQUENCES {
        return Err(Invalid::StopSequences(parameters.stop.len()));
    }
    if parameters.top_n_tokens > MOST_TOP_TOKENS {
        return Err(Invalid::TopTokens(parameters.top_n_tokens));
    }
    Ok(())
}

/// The same for what TGI does not have.
fn check_extensions(parameters: &Parameters, vocab: usize) -> Result<(), Invalid> {
    if parameters.min_p.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(Invalid::Share("min_p"));
    }
    for (name, penalty) in [
        ("presence_penalty", parameters.presence_penalty),
        ("openai_frequency_penalty", parameters.openai_frequency_penalty),
    ] {
        if penalty.is_some_and(|value| !(-2.0..=2.0).contains(&value)) {
            return Err(Invalid::Penalty(name));
        }
    }
    let biases = &parameters.logit_bias;
    if biases.len() > MOST_BIASES {
        return Err(Invalid::LogitBiases(biases.len()));
    }
    if let Some((&id, &bias)) = biases.iter().find(|(_, bias)| !(-100.0..=100.0).contains(*bias)) {
        return Err(Invalid::LogitBias { id, bias });
    }
    check_ids("`logit_bias`", biases.keys().copied(), vocab)?;
    match parameters.watermark {
        Some(mark) if !((0.0..=1.0).contains(&mark.gamma) && mark.delta.is_finite()) => {
            Err(Invalid::Watermark)
        }
        _ => Ok(()),
    }
}

fn check_ids(
    place: &'static str,
    mut ids: impl Iterator<Item = u32>,
    vocab: usize,
) -> Result<(), Invalid> {
    match ids.find(|&id| id as usize >= vocab) {
        Some(id) => Err(Invalid::TokenId { place, id, vocab }),
        None => Ok(()),
    }
}

/// A seed that differs from request to request; the standard library keys its hash maps from the
/// system's entropy.
fn draw_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;
