//! How one request's tokens are chosen, decoded and ended.

use crate::{
    config::Profile, detokenizer::Detokenizer, prepare::Prepared, request::Parameters,
    sampler::Sampler, stop::StopRules,
};

/// The state of one request's generation.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) sampler: Sampler,
    pub(crate) detokenizer: Detokenizer,
    pub(crate) stop: StopRules,
}

impl Generation {
    /// Takes the memory for all tokens that the request may generate.
    pub(crate) fn new(parameters: &Parameters, prepared: &Prepared, profile: Profile) -> Self {
        let most = prepared.max_new_tokens as u32;
        let seed = prepared.seed.unwrap_or_default();
        Self {
            sampler: Sampler::new(parameters, profile, &prepared.tokens, most, seed),
            detokenizer: Detokenizer::new(),
            stop: StopRules::new(parameters, most),
        }
    }
}
