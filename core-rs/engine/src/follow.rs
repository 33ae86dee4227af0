//! The step behind the one that is begun: the same sequences, each with the token that the device
//! will have chosen.
//!
//! Nobody enters, and no page changes hands but free ones: whatever needs more waits for a step that
//! [`Scheduler::plan`] makes when none is begun.

use tgi_backend::Batch;

use crate::{draft::FREE_TOKENS, flight::Flight, scheduler::Scheduler, sequence::Sequence};

/// What a sequence does in the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It decodes the token that the step before chooses.
    Joins,
    /// Nothing: it is paused, or surely ends.
    Leaves,
    /// What only a plan can say.
    Unknown,
}

impl Scheduler {
    /// Plans into `batch` the step behind `before`, and marks its sequences; false when there can be
    /// none.
    pub(crate) fn follow(&mut self, before: &Flight, batch: &mut Batch) -> bool {
        let Some(joining) = self.joining().filter(|&count| count > 0) else { return false };
        if self.wants_drafts(joining) || !self.grow_joining() {
            return false;
        }
        for index in 0..self.running.len() {
            let follows = self.next_of(&self.running[index]) == Next::Joins;
            self.running[index].follows = follows;
        }
        batch.clear();
        for sequence in self.running.iter().filter(|sequence| sequence.follows) {
            let Some(row) = before.row_of(sequence) else { continue };
            let length = sequence.tokens.len();
            let token = batch.push_sequence(&[0], &sequence.pages, length);
            batch.set_adapter(sequence.adapter);
            batch.handed.push(row as u32);
            let row = batch.logit_rows.len() as u32;
            batch.logit_rows.push(token as u32);
            self.choose_rows(sequence, row..row + 1, length + 1, batch);
        }
        true
    }

    /// How many sequences join the next step; none when a plan must make it.
    fn joining(&self) -> Option<usize> {
        if !self.waiting.is_empty() && self.may_admit {
            return None;
        }
        self.running.iter().try_fold(0, |count, sequence| match self.next_of(sequence) {
            Next::Joins => Some(count + 1),
            Next::Leaves => Some(count),
            Next::Unknown => None,
        })
    }

    fn next_of(&self, sequence: &Sequence) -> Next {
        if sequence.take == 0 {
            return if sequence.is_paused() { Next::Leaves } else { Next::Unknown };
        }
        // With a step behind it, a row has no logits to sample from, and a draw that counts tokens may
        // count too many for the device.
        let draws = self.draws && sequence.takes_draws(self.limits.speculate);
        let counts = sequence.generation.sampler.counts_tokens();
        let chosen = sequence.takes_peaks() || draws && !counts;
        if !chosen || sequence.drafted > 0 || !sequence.samples() || sequence.undecided {
            Next::Unknown
        } else if sequence.generated() + 1 >= sequence.max_new_tokens {
            // Who waits may have its place.
            if self.waiting.is_empty() { Next::Leaves } else { Next::Unknown }
        } else if sequence.is_paused() {
            Next::Leaves
        } else {
            Next::Joins
        }
    }

    /// Whether speculation may add to a step of so many decodes. If it rests, it has rested for one
    /// more.
    fn wants_drafts(&mut self, decodes: usize) -> bool {
        if self.limits.speculate == 0 || decodes >= FREE_TOKENS {
            return false;
        }
        if self.running.iter().any(|sequence| sequence.take > 0 && !sequence.drafter.rests()) {
            return true;
        }
        for sequence in self.running.iter_mut().filter(|sequence| sequence.take > 0) {
            sequence.drafter.rest();
        }
        false
    }

    /// Gives all that join the page of their next token, if there are enough. The pages come from
    /// the free ones and the cache; whatever was computed before uses them earlier, for steps keep
    /// their order.
    fn grow_joining(&mut self) -> bool {
        for index in 0..self.running.len() {
            let sequence = &self.running[index];
            let short = sequence.page_room() <= sequence.tokens.len();
            if short && self.next_of(sequence) == Next::Joins {
                let Some(page) = self.allocate() else { return false };
                self.running[index].pages.push(page);
            }
        }
        true
    }
}
