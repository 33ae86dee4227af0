//! The tests: what they are called, what they need, and how often they run.

use std::time::Instant;

use tgi_backend::Backend;

use crate::error::BenchError;
use crate::streams::{Streams, pages_for};

/// One test, named as llama-bench names its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// One prompt, from nothing to its first token.
    Prefill {
        /// Of the prompt.
        tokens: usize,
    },
    /// Streams that decode together, behind prompts that are not part of the time.
    Decode {
        /// New tokens of each stream.
        tokens: usize,
        /// Streams.
        streams: usize,
        /// Tokens of each stream's prompt.
        prompt: usize,
    },
}

impl Case {
    /// `pp512`, `tg128 s16`.
    pub fn name(&self) -> String {
        match self {
            Self::Prefill { tokens } => format!("pp{tokens}"),
            Self::Decode { tokens, streams, .. } => format!("tg{tokens} s{streams}"),
        }
    }

    /// Sequences that run together.
    pub fn streams(&self) -> usize {
        match self {
            Self::Prefill { .. } => 1,
            Self::Decode { streams, .. } => *streams,
        }
    }

    /// Positions of each sequence.
    pub fn positions(&self) -> usize {
        match self {
            Self::Prefill { tokens } => *tokens,
            Self::Decode { tokens, prompt, .. } => prompt + tokens,
        }
    }

    /// KV pages of all sequences.
    pub fn pages(&self) -> usize {
        self.streams() * pages_for(self.positions())
    }

    /// Refuses sequences longer than the model's context.
    ///
    /// # Errors
    /// [`BenchError::Context`].
    pub fn check(&self, context: usize) -> Result<(), BenchError> {
        let needed = self.positions();
        if needed <= context {
            return Ok(());
        }
        Err(BenchError::Context { test: self.name(), needed, context })
    }

    /// Runs the test `repetitions` times after a short warm-up; tokens a second of each run.
    ///
    /// # Errors
    /// What the backend says.
    pub fn measure(
        &self,
        backend: &mut dyn Backend,
        chunk: usize,
        repetitions: usize,
    ) -> Result<Rates, BenchError> {
        self.warm_up(backend, chunk)?;
        let mut rates = Vec::with_capacity(repetitions);
        for _ in 0..repetitions {
            rates.push(self.run(backend, chunk)?);
        }
        Ok(Rates::new(rates))
    }

    fn warm_up(&self, backend: &mut dyn Backend, chunk: usize) -> Result<(), BenchError> {
        let short = match *self {
            Self::Prefill { tokens } => Self::Prefill { tokens: tokens.min(chunk) },
            Self::Decode { tokens, streams, prompt } => {
                Self::Decode { tokens: tokens.min(4), streams, prompt: prompt.min(8) }
            }
        };
        short.run(backend, chunk).map(drop)
    }

    /// One run, tokens a second.
    fn run(&self, backend: &mut dyn Backend, chunk: usize) -> Result<f64, BenchError> {
        let (start, tokens) = match *self {
            Self::Prefill { tokens } => {
                let mut streams = Streams::new(backend, chunk, 1, tokens, 0);
                let start = Instant::now();
                streams.prefill()?;
                (start, tokens)
            }
            Self::Decode { tokens, streams: count, prompt } => {
                let mut streams = Streams::new(backend, chunk, count, prompt, tokens);
                streams.prefill()?;
                let start = Instant::now();
                streams.decode(tokens)?;
                (start, tokens * count)
            }
        };
        Ok(tokens as f64 / start.elapsed().as_secs_f64())
    }
}

/// Tokens a second over the runs of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Middle one; of an even number the mean of the two middle ones.
    pub median: f64,
    /// Largest.
    pub best: f64,
}

impl Rates {
    /// From at least one run.
    pub fn new(mut rates: Vec<f64>) -> Self {
        rates.sort_by(f64::total_cmp);
        let middle = rates.len() / 2;
        let median = if rates.len().is_multiple_of(2) {
            f64::midpoint(rates[middle - 1], rates[middle])
        } else {
            rates[middle]
        };
        Self { median, best: rates[rates.len() - 1] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_named_after_what_they_compute() {
        assert_eq!(Case::Prefill { tokens: 512 }.name(), "pp512");
        assert_eq!(Case::Decode { tokens: 128, streams: 16, prompt: 64 }.name(), "tg128 s16");
    }

    #[test]
    fn pages_hold_all_sequences() {
        assert_eq!(Case::Prefill { tokens: 512 }.pages(), 16);
        assert_eq!(Case::Decode { tokens: 1, streams: 3, prompt: 64 }.pages(), 9);
    }

    #[test]
    fn a_test_longer_than_the_context_is_refused_with_the_flags() {
        let case = Case::Decode { tokens: 100, streams: 1, prompt: 64 };
        case.check(164).unwrap();
        assert_eq!(
            case.check(163).unwrap_err().to_string(),
            "Cannot run tg100 s1: it needs 164 positions, the model has 163; lower -p, -n or \
             --stream-prompt"
        );
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(Rates::new(vec![4.0, 1.0, 3.0]), Rates { median: 3.0, best: 4.0 });
        assert_eq!(Rates::new(vec![8.0, 1.0, 3.0, 2.0]), Rates { median: 2.5, best: 8.0 });
    }
}
