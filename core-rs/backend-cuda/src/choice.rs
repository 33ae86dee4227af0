//! Tokens that are chosen and handed over on the device: what travels there behind a step's input,
//! and the launches.

use tgi_backend::{Batch, Draw};
use tgi_cuda_kernels::signatures::{
    HandOverParams, Kernel, SampleParams, SampleSettings, TopParams,
};

use crate::CudaError;
use crate::arena::Arena;
use crate::device::Device;
use crate::flight::{Flight, MOST_SEEN};
use crate::launch::launch;
use crate::step::{Layout, StepShape};

/// Words of [`SampleSettings`], and of a seen token.
const SETTINGS_WORDS: usize = size_of::<SampleSettings>() / size_of::<u32>();
const SEEN_WORDS: usize = 2;

/// Most words that follow the input of a step of `rows` rows, `wanted` of them wanted.
pub(crate) const fn most_words(rows: usize, wanted: usize) -> usize {
    2 * rows + 2 + wanted * (SETTINGS_WORDS + 1 + MOST_SEEN * SEEN_WORDS)
}

/// Where the parts lie, in words of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices {
    /// Tokens that are handed over: rows of the step before, then places of this one's tokens.
    handed: (usize, usize),
    /// [`SampleSettings`], where their pairs of words are aligned.
    settings: usize,
    draws: usize,
    /// Rows whose best tokens are wanted.
    lists: (usize, usize),
    list_length: usize,
    seen: usize,
    /// Words of the whole input.
    pub words: usize,
}

impl Choices {
    /// Writes what a checked batch has behind the first `words` words of its input.
    pub fn write(batch: &Batch, flight: &Flight, words: usize, input: &mut [u32]) -> Self {
        let handed = || batch.handed.iter().zip(0u32..).filter(|(row, _)| **row != Batch::KNOWN);
        let count = handed().count();
        let settings = (words + 2 * count).next_multiple_of(2);
        let lists = settings + flight.draws * SETTINGS_WORDS;
        let seen = (lists + flight.lists).next_multiple_of(2);
        for (place, (&row, token)) in handed().enumerate() {
            input[words + place] = row;
            input[words + count + place] = token;
        }
        let (mut entry, mut list) = (0, lists);
        for (index, draw) in batch.draws.iter().filter(|draw| Flight::takes(draw)).enumerate() {
            let place = settings + index * SETTINGS_WORDS;
            let own = settings_of(draw, entry as u32);
            input[place..place + SETTINGS_WORDS].copy_from_slice(&own);
            for token in &batch.seen[draw.seen.clone()] {
                let place = seen + entry * SEEN_WORDS;
                input[place..place + SEEN_WORDS].copy_from_slice(&[token.id, token.count]);
                entry += 1;
            }
            if draw.top > 0 {
                input[list] = draw.row;
                list += 1;
            }
        }
        Self {
            handed: (words, count),
            settings,
            draws: flight.draws,
            lists: (lists, flight.lists),
            list_length: flight.list_length,
            seen,
            words: seen + entry * SEEN_WORDS,
        }
    }

    /// Before a step: puts the tokens in their places that the step before has chosen. Its peaks
    /// hold them until this step finds its own, further down the stream.
    pub fn hand_over<D: Device>(&self, device: &mut D, arena: &Arena) -> Result<(), CudaError> {
        let (first, count) = self.handed;
        if count == 0 {
            return Ok(());
        }
        let params = HandOverParams {
            peaks: arena.chosen.address,
            sources: Layout::address(arena.input, first),
            targets: Layout::address(arena.input, first + count),
            // Tokens come first in every layout.
            tokens: Layout::address(arena.input, 0),
            count: count as u32,
            reserved: 0,
        };
        launch(device, Kernel::HandOver, params.launch(), &params)
    }

    /// Behind a step: draws. These launches are in no graph, since how many rows draw changes from
    /// step to step.
    pub fn draw<D: Device>(
        &self,
        device: &mut D,
        arena: &Arena,
        shape: &StepShape,
        vocab: usize,
    ) -> Result<(), CudaError> {
        if self.draws == 0 {
            return Ok(());
        }
        let logits = arena.logits(shape.logits, vocab).address;
        let params = SampleParams {
            logits,
            settings: Layout::address(arena.input, self.settings),
            seen: Layout::address(arena.input, self.seen),
            out: arena.chosen.address + arena.places.samples as u64,
            peaks: arena.chosen.address,
            rows: self.draws as u32,
            vocab: vocab as u32,
        };
        launch(device, Kernel::Sample, params.launch(), &params)?;
        let (first, count) = self.lists;
        if count == 0 {
            return Ok(());
        }
        let params = TopParams {
            logits,
            row_list: Layout::address(arena.input, first),
            out: arena.chosen.address + arena.places.tops as u64,
            rows: count as u32,
            vocab: vocab as u32,
            count: self.list_length as u32,
            reserved: 0,
        };
        launch(device, Kernel::Top, params.launch(), &params)
    }
}

/// The words of a [`SampleSettings`].
fn settings_of(draw: &Draw, first_seen: u32) -> [u32; SETTINGS_WORDS] {
    let seed = draw.seed.unwrap_or(0);
    [
        seed as u32,
        (seed >> 32) as u32,
        draw.row,
        draw.position,
        u32::from(draw.seed.is_some()),
        draw.top_k,
        draw.temperature.to_bits(),
        draw.top_p.to_bits(),
        draw.min_p.to_bits(),
        draw.repetition.to_bits(),
        draw.frequency.to_bits(),
        draw.presence.to_bits(),
        first_seen,
        draw.seen.len() as u32,
    ]
}

#[cfg(test)]
mod tests {
    use tgi_backend::SeenToken;

    use super::*;

    #[test]
    fn settings_seen_tokens_and_places_lie_where_they_are_looked_for() {
        let seen = |id| SeenToken { id, count: id + 1 };
        let batch = Batch {
            tokens: vec![0; 3],
            logit_rows: vec![0, 1, 2],
            handed: vec![5, Batch::KNOWN, 4],
            draws: vec![
                Draw { seed: Some(7 << 32 | 3), seen: 1..3, top: 2, ..Draw::greedy(0, 40) },
                Draw { top_k: 9, seen: 0..1, ..Draw::greedy(2, 41) },
            ],
            seen: vec![seen(10), seen(20), seen(30)],
            ..Batch::default()
        };
        let mut flight = Flight::new(3);
        flight.plan(&batch);
        let mut input = vec![77; 100];
        let choices = Choices::write(&batch, &flight, 3, &mut input);
        assert_eq!(input[3..7], [5, 4, 0, 2], "rows of the step before, places of the tokens");
        assert_eq!((choices.settings, choices.lists, choices.seen), (8, (36, 1), 38));
        assert_eq!(input[8..14], [3, 7, 0, 40, 1, 0]);
        assert_eq!(input[20..22], [0, 2]);
        assert_eq!(input[22..28], [0, 0, 2, 41, 0, 9]);
        assert_eq!(input[34..36], [2, 1]);
        assert_eq!(input[36], 0, "the row of the list");
        assert_eq!(input[38..choices.words], [20, 21, 30, 31, 10, 11]);
        assert!(choices.words <= 3 + most_words(3, 3));
    }
}
