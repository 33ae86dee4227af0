use serde::Deserialize;

/// Size and speed of a [`crate::ScriptedBackend`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct ScriptedOptions {
    /// KV pages of 32 tokens.
    pub pages: usize,
    /// Longest sequence, tokens.
    pub context: usize,
    /// Most tokens in one step.
    pub batch_tokens: usize,
    /// Most wanted logit rows in one step.
    pub logit_rows: usize,
    /// Adapters: with each of them the backend invents another text.
    pub adapters: usize,
    /// Time of each step, µs.
    pub step_micros: u64,
    /// Further time for each token of a step, µs.
    pub token_micros: u64,
    /// Whether it draws.
    pub draws: bool,
    /// Whether it gives peaks, and begins a step before the last one's result is taken.
    pub ahead: bool,
    /// One row in so many has neither its peak nor its draw, as where logits are not finite; 0 for
    /// none.
    pub undecided: u64,
}

impl Default for ScriptedOptions {
    fn default() -> Self {
        Self {
            pages: 4096,
            context: 8192,
            batch_tokens: 8192,
            logit_rows: 256,
            adapters: 0,
            step_micros: 0,
            token_micros: 0,
            draws: false,
            ahead: false,
            undecided: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_options_have_their_defaults() {
        let options: ScriptedOptions =
            serde_json::from_str(r#"{"pages": 8, "stepMicros": 250}"#).unwrap();
        assert_eq!(options.pages, 8);
        assert_eq!(options.step_micros, 250);
        assert_eq!(options.context, ScriptedOptions::default().context);
    }
}
