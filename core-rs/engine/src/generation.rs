//! How one request's tokens are chosen, decoded and ended.

use crate::{
    config::Profile, detokenizer::Detokenizer, held::HeldTokens, prepare::Prepared,
    request::Parameters, sampler::Sampler, stop::StopRules,
};

/// The state of one request's generation.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) sampler: Sampler,
    pub(crate) detokenizer: Detokenizer,
    pub(crate) stop: StopRules,
    /// Where a stop sequence is also found inside a token.
    pub(crate) held: Option<Box<HeldTokens>>,
}

impl Generation {
    /// Takes the memory for all tokens that the request may generate.
    /// `ends` are the tokens that end a text.
    pub(crate) fn new(
        parameters: &Parameters,
        prepared: &Prepared,
        profile: Profile,
        ends: &[u32],
    ) -> Self {
        let most = prepared.max_new_tokens as u32;
        let seed = prepared.seed.unwrap_or_default();
        let constrained = parameters.grammar.is_some();
        // Under a grammar the end of the text is the end, so it must not come by itself.
        let ban =
            if constrained && parameters.ignore_eos { most } else { parameters.min_new_tokens };
        let sampler = Sampler::new(parameters, profile, &prepared.tokens, most, seed);
        let held = parameters.stop_anywhere && !parameters.stop.is_empty();
        Self {
            sampler: sampler.without_end_before(ban, ends),
            detokenizer: Detokenizer::new(),
            stop: StopRules::new(parameters, most),
            held: held.then(|| Box::new(HeldTokens::new(parameters))),
        }
    }
}
