//! The memory plan: how many KV pages, and how long a sequence, before anything is taken.

use tgi_backend::PAGE_TOKENS;
use tgi_engine::FREE_TOKENS;

use crate::config::Config;
use crate::errors::{Mebibytes, OpenError};

/// Prompt tokens in one step unless asked for: decodes wait no longer than for these.
const DEFAULT_PREFILL_TOKENS: usize = 512;
/// The same for a GPU, which takes some 50 ms for these.
const GPU_PREFILL_TOKENS: usize = 2048;
/// Pages take half of a host's memory: the page cache and the server live there too.
const HOST_SHARE: usize = 2;
/// Least rows of logits in one step, so that prompt logprobs come in few steps.
const MIN_LOGIT_ROWS: usize = 64;
/// Least length that a sequence may have when nothing is asked for, tokens.
const MIN_TOTAL_TOKENS: usize = 256;

/// What a backend needs for a model.
#[derive(Debug)]
pub struct Needs<A> {
    /// Positions that the model knows, tokens.
    pub context: usize,
    /// All weights, as the backend holds them.
    pub weights_bytes: u64,
    /// K and V of one token, all layers.
    pub kv_bytes_per_token: u64,
    /// Whether the memory is a GPU's: pages take all of it that is left.
    pub is_gpu: bool,
    /// Pages, where the backend has its own number of them.
    pub pages: Option<usize>,
    /// Activations and logits of the largest step, bytes.
    pub arena_bytes: A,
}

/// The largest step that a plan allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargestStep {
    /// Tokens over all sequences.
    pub batch_tokens: usize,
    /// Wanted rows of logits.
    pub logit_rows: usize,
    /// Pages of the longest sequence.
    pub pages: usize,
}

/// What the core will take and promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Longest prompt, tokens.
    pub max_input_tokens: usize,
    /// Longest prompt plus generation, tokens.
    pub max_total_tokens: usize,
    /// Most prompt tokens in one step.
    pub max_batch_prefill_tokens: usize,
    /// Most KV tokens over all running sequences.
    pub max_batch_total_tokens: usize,
    /// Most running sequences.
    pub max_batch_size: usize,
    /// KV pages.
    pub pages: usize,
    /// Most tokens in one step: prefill, decodes and speculated rows.
    pub batch_tokens: usize,
    /// Most wanted rows of logits in one step.
    pub logit_rows: usize,
    /// All weights, bytes.
    pub weights_bytes: u64,
    /// All pages, bytes.
    pub kv_bytes: u64,
    /// K and V of one token, bytes.
    pub kv_bytes_per_token: u64,
    /// Activations and logits, bytes.
    pub arena_bytes: u64,
    /// What this process may still take, bytes.
    pub available_bytes: u64,
}

impl Plan {
    /// The largest step, whose longest sequence has `max_total_tokens`.
    pub fn largest_step(&self) -> LargestStep {
        LargestStep {
            batch_tokens: self.batch_tokens,
            logit_rows: self.logit_rows,
            pages: self.max_total_tokens.div_ceil(PAGE_TOKENS),
        }
    }
}

/// Plans for `config` with `available` bytes.
///
/// # Errors
/// [`OpenError::Memory`] when it does not fit; [`OpenError::Context`] and
/// [`OpenError::Argument`] when the limits contradict the model or each other.
pub fn plan<A: Fn(LargestStep) -> u64>(
    config: &Config,
    needs: &Needs<A>,
    available: u64,
) -> Result<Plan, OpenError> {
    let plan = draft(config, needs, available)?;
    check(&plan, config)?;
    Ok(plan)
}

/// Says why a draft cannot be carried out.
///
/// # Errors
/// [`OpenError::Memory`] and [`OpenError::Argument`], as [`plan`] has them.
pub fn check(plan: &Plan, config: &Config) -> Result<(), OpenError> {
    check_memory(plan, config)?;
    check_limits(plan)
}

/// Plans like [`plan`], also where there is too little memory.
///
/// # Errors
/// [`OpenError::Context`] when the limits contradict the model.
pub fn draft<A: Fn(LargestStep) -> u64>(
    config: &Config,
    needs: &Needs<A>,
    available: u64,
) -> Result<Plan, OpenError> {
    let given = |value: Option<u32>| value.map(|value| value as usize);
    let total = given(config.max_total_tokens);
    if let Some(given) = total.filter(|&total| total > needs.context) {
        return Err(OpenError::Context { given, context: needs.context });
    }
    let max_batch_size = config.max_batch_size.unwrap_or(config.max_concurrent_requests) as usize;
    // Drafts fill a step only as far as its tokens are free.
    let drafting = (max_batch_size * (1 + config.speculate as usize)).min(FREE_TOKENS);
    let rows = max_batch_size.max(drafting);
    let wanted_prefill = given(config.max_batch_prefill_tokens)
        .unwrap_or_else(|| default_prefill(needs.is_gpu).min(needs.context));
    let (batch_tokens, logit_rows) = (wanted_prefill + rows, rows.max(MIN_LOGIT_ROWS));
    let batch_total = given(config.max_batch_total_tokens);
    let longest = total.unwrap_or(needs.context).min(batch_total.unwrap_or(usize::MAX));
    let longest = longest.div_ceil(PAGE_TOKENS);
    let arena_bytes = (needs.arena_bytes)(LargestStep { batch_tokens, logit_rows, pages: longest });

    let page_bytes = needs.kv_bytes_per_token.saturating_mul(PAGE_TOKENS as u64);
    let room = available.saturating_sub(needs.weights_bytes.saturating_add(arena_bytes));
    let pages = batch_total
        .map(|tokens| tokens.div_ceil(PAGE_TOKENS))
        .or(needs.pages)
        .unwrap_or_else(|| {
            let share = if needs.is_gpu { 1 } else { HOST_SHARE };
            default_pages(config, needs.context, (room / page_bytes.max(1), share))
        });
    let max_batch_total_tokens = batch_total.unwrap_or(pages * PAGE_TOKENS);

    let max_total_tokens = total.unwrap_or(needs.context.min(max_batch_total_tokens));
    Ok(Plan {
        max_input_tokens: given(config.max_input_tokens)
            .unwrap_or(max_total_tokens.saturating_sub(1)),
        max_total_tokens,
        max_batch_prefill_tokens: given(config.max_batch_prefill_tokens)
            .unwrap_or(wanted_prefill.min(max_batch_total_tokens)),
        max_batch_total_tokens,
        max_batch_size,
        pages,
        batch_tokens,
        logit_rows,
        weights_bytes: needs.weights_bytes,
        kv_bytes: page_bytes.saturating_mul(pages as u64),
        kv_bytes_per_token: needs.kv_bytes_per_token,
        arena_bytes,
        available_bytes: available,
    })
}

fn default_prefill(is_gpu: bool) -> usize {
    if is_gpu { GPU_PREFILL_TOKENS } else { DEFAULT_PREFILL_TOKENS }
}

/// A `share`th of the pages that fit; at least one sequence of full length when that fits, at most
/// one for each request that is let in.
fn default_pages(config: &Config, context: usize, (fitting, share): (u64, usize)) -> usize {
    let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
    let pages_of = |tokens: usize| tokens.div_ceil(PAGE_TOKENS);
    let asked = config.max_total_tokens.map(|tokens| tokens as usize);
    let longest = pages_of(asked.unwrap_or(context));
    let least = pages_of(asked.unwrap_or(context.min(MIN_TOTAL_TOKENS)));
    let most = longest.saturating_mul(config.max_concurrent_requests as usize);
    (fitting / share).max(longest.min(fitting)).min(most).max(least)
}

/// TGI's checks of its arguments, in TGI's words and order (`router/src/server.rs`).
fn check_limits(plan: &Plan) -> Result<(), OpenError> {
    let (total, batch_total) = (plan.max_total_tokens, plan.max_batch_total_tokens);
    let prefill = plan.max_batch_prefill_tokens;
    let broken = if plan.max_input_tokens >= total {
        "`max_input_tokens` must be < `max_total_tokens`".to_owned()
    } else if prefill > batch_total {
        format!(
            "`max_batch_prefill_tokens` must be <= `max_batch_total_tokens`. \
             Given: {prefill} and {batch_total}"
        )
    } else if total > batch_total {
        format!(
            "`max_total_tokens` must be <= `max_batch_total_tokens`. \
             Given: {total} and {batch_total}"
        )
    } else {
        return Ok(());
    };
    Err(OpenError::Argument(broken))
}

fn smaller_model(config: &Config) -> String {
    let fix = "choose a smaller model by --model-id";
    match config.cuda_memory_fraction {
        Some(share) if share < 1.0 => format!("raise --cuda-memory-fraction or {fix}"),
        _ => fix.to_owned(),
    }
}

fn check_memory(plan: &Plan, config: &Config) -> Result<(), OpenError> {
    let fixed = plan.weights_bytes.saturating_add(plan.arena_bytes);
    let needed = fixed.saturating_add(plan.kv_bytes);
    if needed <= plan.available_bytes {
        return Ok(());
    }
    let room = plan.available_bytes.saturating_sub(fixed);
    let fitting = room / plan.kv_bytes_per_token.saturating_mul(PAGE_TOKENS as u64).max(1)
        * PAGE_TOKENS as u64;
    let fix = if plan.weights_bytes > plan.available_bytes {
        smaller_model(config)
    } else if fitting < MIN_TOTAL_TOKENS as u64 {
        "lower --max-batch-size, --max-batch-prefill-tokens or --max-total-tokens".to_owned()
    } else if config.max_batch_total_tokens.is_some() {
        format!("lower --max-batch-total-tokens to {fitting} or less")
    } else {
        format!("lower --max-total-tokens to {fitting} or less")
    };
    Err(OpenError::Memory {
        weights: Mebibytes(plan.weights_bytes),
        kv: Mebibytes(plan.kv_bytes),
        tokens: plan.pages * PAGE_TOKENS,
        arena: Mebibytes(plan.arena_bytes),
        needed: Mebibytes(needed),
        available: Mebibytes(plan.available_bytes),
        fix,
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
