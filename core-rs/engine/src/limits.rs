//! From the configuration and the backend's capacity to the limits that hold.

use tgi_backend::{Capacity, PAGE_TOKENS};

use crate::{config::EngineConfig, engine::EngineError, prepare::TokenLimits};

/// Limits of a scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// KV pages to give out.
    pub pages: usize,
    /// Running sequences; each step can hold a token and a row of each.
    pub running: usize,
    /// Prompt tokens in one step.
    pub prefill_tokens: usize,
    /// Tokens in one step.
    pub batch_tokens: usize,
    /// Wanted rows in one step.
    pub logit_rows: usize,
    /// Drafted tokens in one decode.
    pub speculate: usize,
    /// Whether pages are shared between requests.
    pub prefix_caching: bool,
}

impl Limits {
    /// What `config` allows and `capacity` can hold.
    ///
    /// # Errors
    /// [`EngineError::TooSmall`] when nothing at all could run.
    pub fn new(config: &EngineConfig, capacity: &Capacity) -> Result<Self, EngineError> {
        let budget =
            config.max_batch_total_tokens.map_or(usize::MAX, |tokens| tokens / PAGE_TOKENS);
        let most_running = config.max_batch_size.unwrap_or(usize::MAX);
        let limits = Self {
            pages: budget.min(capacity.pages),
            running: most_running.min(capacity.batch_tokens).min(capacity.logit_rows),
            prefill_tokens: config.max_batch_prefill_tokens.min(capacity.batch_tokens),
            batch_tokens: capacity.batch_tokens,
            logit_rows: capacity.logit_rows,
            speculate: config.speculate.min(capacity.logit_rows),
            prefix_caching: config.prefix_caching,
        };
        at_least("the number of KV pages", limits.pages, 1)?;
        at_least("the number of running sequences", limits.running, 1)?;
        at_least("max_batch_prefill_tokens", limits.prefill_tokens, 1)?;
        Ok(limits)
    }

    /// The longest prompt and sequence: what is configured, the model knows, and the pages hold.
    ///
    /// # Errors
    /// [`EngineError::TooSmall`] when there is no room for one prompt token and one more.
    pub fn tokens(
        &self,
        config: &EngineConfig,
        capacity: &Capacity,
    ) -> Result<TokenLimits, EngineError> {
        let pages = self.pages.saturating_mul(PAGE_TOKENS);
        let total = config.max_total_tokens.min(capacity.context).min(pages);
        at_least("the longest sequence", total, 2)?;
        at_least("max_input_tokens", config.max_input_tokens, 1)?;
        let input = config.max_input_tokens.min(total - 1);
        Ok(TokenLimits { input, total, adapters: capacity.adapters })
    }
}

fn at_least(limit: &'static str, value: usize, least: usize) -> Result<(), EngineError> {
    if value < least { Err(EngineError::TooSmall { limit, value, least }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Profile;

    const CAPACITY: Capacity = Capacity {
        pages: 8,
        batch_tokens: 64,
        logit_rows: 4,
        vocab: 512,
        context: 200,
        adapters: 0,
    };

    fn config() -> EngineConfig {
        EngineConfig {
            max_input_tokens: 1000,
            max_total_tokens: 2000,
            max_batch_prefill_tokens: 4096,
            max_batch_total_tokens: None,
            max_batch_size: None,
            prefix_caching: true,
            speculate: 0,
            validation_workers: 1,
            pause_limit: Duration::from_secs(30),
            profile: Profile::V0_3,
        }
    }

    fn both(config: &EngineConfig) -> Result<(Limits, TokenLimits), EngineError> {
        let limits = Limits::new(config, &CAPACITY)?;
        Ok((limits, limits.tokens(config, &CAPACITY)?))
    }

    #[test]
    fn the_capacity_bounds_what_is_configured() {
        let (limits, tokens) = both(&config()).unwrap();
        assert_eq!((limits.pages, limits.running, limits.prefill_tokens), (8, 4, 64));
        assert_eq!(tokens, TokenLimits { input: 199, total: 200, adapters: 0 });
    }

    #[test]
    fn a_token_budget_takes_pages_away() {
        let config = EngineConfig { max_batch_total_tokens: Some(100), ..config() };
        let (limits, tokens) = both(&config).unwrap();
        assert_eq!(limits.pages, 3);
        assert_eq!(tokens.total, 96, "what can never fit is refused");
    }

    #[test]
    fn limits_that_leave_no_room_are_named() {
        let broken = EngineConfig { max_batch_total_tokens: Some(31), ..config() };
        assert!(both(&broken).unwrap_err().to_string().contains("KV pages is 0, the least is 1"));
        let broken = EngineConfig { max_batch_size: Some(0), ..config() };
        assert!(both(&broken).unwrap_err().to_string().contains("running sequences is 0"));
        let broken = EngineConfig { max_total_tokens: 1, ..config() };
        assert!(both(&broken).unwrap_err().to_string().contains("longest sequence is 1"));
    }
}
