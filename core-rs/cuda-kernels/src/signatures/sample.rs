//! The choice of tokens on the device.

use super::{Launch, params};

/// Threads of a block that has a row of logits.
const ROW_THREADS: u32 = 1024;

/// How the token of a row is chosen.
///
/// In this order: penalties, temperature, top-k, top-p, min-p. Of equal logits the lower id is the
/// better; top-k keeps all that tie with its last.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleSettings {
    /// Key of the Philox generator.
    pub seed: u64,
    /// Row of the logits.
    pub row: u32,
    /// Position of the token to choose, the generator's counter.
    pub position: u32,
    /// 0 for the most likely token; then only the penalties apply.
    pub sampling: u32,
    /// Tokens to keep, 0 for all.
    pub top_k: u32,
    /// Divides the logits, above 0.
    pub temperature: f32,
    /// Share of the probability to keep; from 1 on all.
    pub top_p: f32,
    /// Least share of the best token's probability; 0 for none.
    pub min_p: f32,
    /// Divides the positive logits of seen tokens and multiplies the negative ones; 1 for none.
    pub repetition: f32,
    /// Taken off for each time a token was seen.
    pub frequency: f32,
    /// Taken off the logits of seen tokens.
    pub presence: f32,
    /// First entry of [`SampleParams::seen`] that counts.
    pub first_seen: u32,
    /// Entries that count.
    pub seen: u32,
}

impl Default for SampleSettings {
    /// The most likely token of the first row.
    fn default() -> Self {
        Self {
            seed: 0,
            row: 0,
            position: 0,
            sampling: 0,
            top_k: 0,
            temperature: 1.0,
            top_p: 1.0,
            min_p: 0.0,
            repetition: 1.0,
            frequency: 0.0,
            presence: 0.0,
            first_seen: 0,
            seen: 0,
        }
    }
}

/// A token of the text so far; in a row's entries no id is twice.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenToken {
    /// Its id.
    pub id: u32,
    /// How often it was seen.
    pub count: u32,
}

/// What was chosen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeviceSample {
    /// Sum of `exp(logit - max)` over the tokens that were left.
    pub sum_exp: f64,
    /// The largest logit after penalties and temperature.
    pub max: f32,
    /// Natural log-probability of the token among those left.
    pub logprob: f32,
    /// The token.
    pub id: u32,
    /// 0.
    pub reserved: u32,
}

/// Chooses a token of each row. Rows are changed in place: what did not survive becomes minus
/// infinity. NaN is impossible, plus infinity `1e30`, and a row without any number all zeros.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SampleParams {
    /// `f32 [.., vocab]`.
    pub logits: u64,
    /// [`SampleSettings`], `[rows]`, of different rows of `logits`.
    pub settings: u64,
    /// [`SeenToken`]s of all rows.
    pub seen: u64,
    /// [`DeviceSample`]s, `[rows]`.
    pub out: u64,
    /// [`super::DevicePeak`]s of all rows of `logits`, whose tokens become the chosen ones: what is
    /// handed over then has one place. 0 for none.
    pub peaks: u64,
    /// Rows.
    pub rows: u32,
    /// Width of a row of logits.
    pub vocab: u32,
}

impl SampleParams {
    /// A block a row.
    pub fn launch(&self) -> Launch {
        Launch::new([self.rows, 1, 1], ROW_THREADS, 0)
    }
}

/// One of the best tokens of a row.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeviceTop {
    /// The token; `u32::MAX` where there are no more possible ones.
    pub id: u32,
    /// Its logit.
    pub logit: f32,
}

/// Finds the best tokens of rows, best first, of equal ones the lower id first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TopParams {
    /// `f32 [.., vocab]`.
    pub logits: u64,
    /// Rows of `logits` to search, `u32 [rows]`, or 0 for all in order.
    pub row_list: u64,
    /// [`DeviceTop`]s, `[rows, count]`.
    pub out: u64,
    /// Rows.
    pub rows: u32,
    /// Width of a row of logits.
    pub vocab: u32,
    /// Tokens to find; each takes a pass over the row.
    pub count: u32,
    /// 0.
    pub reserved: u32,
}

impl TopParams {
    /// A block a row.
    pub fn launch(&self) -> Launch {
        Launch::new([self.rows, 1, 1], ROW_THREADS, 0)
    }
}

params! {
    SampleSettings: 56,
    SeenToken: 8,
    DeviceSample: 24,
    SampleParams: 48,
    DeviceTop: 8,
    TopParams: 40,
}
