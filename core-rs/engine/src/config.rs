//! Limits and choices that hold for the whole life of an engine.

use std::time::Duration;

/// Which TGI generation's sampling rules hold where they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// 0.3.1: temperature, top-k, top-p, then repetition penalty.
    #[default]
    V0_3,
    /// 3.3: repetition, frequency, temperature, top-k, top-p, typical-p.
    V3_3,
}

/// Limits and choices of an engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EngineConfig {
    /// Longest prompt, tokens.
    pub max_input_tokens: usize,
    /// Longest prompt plus generation, tokens.
    pub max_total_tokens: usize,
    /// Most prompt tokens in one step, over all sequences; longer prompts are cut into chunks.
    pub max_batch_prefill_tokens: usize,
    /// Most KV tokens over all running sequences; the backend's pages when `None`.
    pub max_batch_total_tokens: Option<usize>,
    /// Most running sequences; what one step can hold when `None`.
    pub max_batch_size: Option<usize>,
    /// Whether equal prefixes share their pages.
    pub prefix_caching: bool,
    /// Tokens proposed by n-gram look-up in each decode; 0 is off.
    pub speculate: usize,
    /// Threads that tokenize and check requests.
    pub validation_workers: usize,
    /// A sequence paused for longer is given up.
    pub pause_limit: Duration,
    /// TGI generation.
    pub profile: Profile,
}
