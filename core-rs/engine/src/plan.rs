//! What the next step computes: all decodes, then prompts cut to the budget, then drafts.

use std::ops::Range;

use tgi_backend::Batch;

use crate::{
    draft::FREE_TOKENS,
    scheduler::{AdmissionCursor, CopyPage, Scheduler},
    sequence::Sequence,
};

/// What a step can still take.
#[derive(Clone, Copy, Debug)]
struct Budget {
    /// Prompt tokens.
    prompt: usize,
    /// Tokens.
    tokens: usize,
    /// Wanted rows.
    rows: usize,
    /// Prompts that do not end in this step.
    unfinished: usize,
}

impl Budget {
    fn spend(&mut self, tokens: usize, rows: usize) {
        self.tokens -= tokens;
        self.rows -= rows;
        self.prompt = self.prompt.min(self.tokens);
    }

    /// Drafted tokens that a decode may take: they never take a page.
    fn draft_room(&self, sequence: &Sequence) -> usize {
        (sequence.max_new_tokens - sequence.generated() - 1)
            .min(sequence.page_room() - sequence.tokens.len())
            .min(self.tokens)
            .min(self.rows)
    }

    /// Takes the last `drafted` tokens of a decode as drafts.
    fn spend_drafts(&mut self, sequence: &mut Sequence, drafted: usize) {
        sequence.drafted = drafted;
        sequence.take += drafted;
        self.spend(drafted, drafted);
    }
}

impl Scheduler {
    /// Plans a step into `batch`, and returns how many sequences were admitted.
    ///
    /// The sequences of the batch are the running ones whose `take` is above 0, in their order.
    pub(crate) fn plan(&mut self, batch: &mut Batch, copy: &mut CopyPage<'_>) -> u32 {
        self.grow_decodes();
        self.requeue_displaced();
        let mut budget = self.take_decodes();
        for index in 0..self.running.len() {
            self.take_prompt(index, &mut budget);
        }
        let (mut admitted, mut cursor) = (0, AdmissionCursor::default());
        self.may_admit = true;
        while budget.prompt > 0 && budget.rows > 0 {
            // Of prompts that do not end in this step, two at a time are enough.
            let longest = if budget.unfinished < 2 { usize::MAX } else { budget.prompt };
            let Some(index) = self.admit_next(&mut cursor, longest, copy) else {
                self.may_admit = false;
                break;
            };
            self.take_prompt(index, &mut budget);
            admitted += 1;
        }
        self.take_rest(&mut budget);
        self.take_forced(&mut budget);
        self.take_drafts(&mut budget);
        self.requeue_displaced();
        self.fill(batch);
        admitted
    }

    /// One token of each decode.
    fn take_decodes(&mut self) -> Budget {
        let mut decodes = 0;
        for sequence in &mut self.running {
            sequence.take = usize::from(sequence.is_decoding() && !sequence.is_paused());
            decodes += sequence.take;
        }
        let tokens = self.limits.batch_tokens - decodes;
        Budget {
            prompt: tokens.min(self.limits.prefill_tokens),
            tokens,
            rows: self.limits.logit_rows - decodes,
            unfinished: 0,
        }
    }

    /// All pending tokens of a prompt that can end in this step. Of those that cannot, the oldest
    /// leaves half of what is left to those behind it, so that it never holds up small ones.
    fn take_prompt(&mut self, index: usize, budget: &mut Budget) {
        let sequence = &self.running[index];
        if !sequence.is_unfinished() {
            return;
        }
        let pending = sequence.pending();
        if pending <= budget.prompt && sequence.rows_for(pending) <= budget.rows {
            self.take_chunk(index, budget, budget.prompt, budget.rows);
        } else {
            if budget.unfinished == 0 {
                let half = (budget.prompt.div_ceil(2), budget.rows.div_ceil(2));
                self.take_chunk(index, budget, half.0, half.1);
            }
            budget.unfinished += 1;
        }
    }

    /// What is left of the budget: to the second oldest prompt that does not end in this step, to
    /// those behind it, and last to the oldest, which has its half.
    fn take_rest(&mut self, budget: &mut Budget) {
        let oldest = self.running.iter().position(Sequence::is_unfinished);
        let Some(oldest) = oldest else { return };
        for index in (oldest + 1..self.running.len()).chain([oldest]) {
            if self.running[index].is_unfinished() {
                self.take_chunk(index, budget, budget.prompt, budget.rows);
            }
        }
    }

    /// Up to `tokens` further tokens of one prompt, as far as `rows` further rows suffice.
    fn take_chunk(&mut self, index: usize, budget: &mut Budget, tokens: usize, rows: usize) {
        let sequence = &mut self.running[index];
        let (tokens_before, rows_before) = (sequence.take, sequence.rows_for(sequence.take));
        let take = sequence.pending().min(tokens_before + tokens);
        sequence.take = sequence.fit_rows(take, rows_before + rows);
        budget.prompt -= sequence.take - tokens_before;
        let rows = sequence.rows_for(sequence.take) - rows_before;
        budget.spend(sequence.take - tokens_before, rows);
    }

    /// Tokens that a grammar forces on decodes: they are computed sooner or later, so that they may
    /// as well share a step.
    fn take_forced(&mut self, budget: &mut Budget) {
        for sequence in &mut self.running {
            let Some(grammar) = &sequence.grammar else { continue };
            let forced = grammar.forced();
            if forced.is_empty() || !sequence.is_decoding() || sequence.take == 0 {
                continue;
            }
            let count = forced.len().min(budget.draft_room(sequence));
            sequence.tokens.extend_from_slice(&forced[..count]);
            sequence.drafts_forced = true;
            budget.spend_drafts(sequence, count);
        }
    }

    /// Drafted tokens for decodes, in equal shares of what the step computes for nothing.
    fn take_drafts(&mut self, budget: &mut Budget) {
        let taken = self.limits.batch_tokens - budget.tokens;
        let mut free = FREE_TOKENS.saturating_sub(taken);
        if self.limits.speculate == 0 || free == 0 {
            return;
        }
        let drafts = |sequence: &&mut Sequence| {
            sequence.is_decoding() && sequence.take > 0 && !sequence.drafts_forced
        };
        let mut left = self.running.iter_mut().filter(drafts).count();
        for sequence in self.running.iter_mut().filter(drafts) {
            let limit = self.limits.speculate.min(free.div_ceil(left));
            let limit = limit.min(budget.draft_room(sequence));
            let drafted = sequence.drafter.propose(&mut sequence.tokens, limit);
            budget.spend_drafts(sequence, drafted);
            free -= drafted;
            left -= 1;
        }
    }

    fn fill(&self, batch: &mut Batch) {
        batch.clear();
        self.reserve_seen(batch);
        for sequence in self.running.iter().filter(|sequence| sequence.take > 0) {
            let positions = sequence.step_positions();
            let tokens = &sequence.tokens[positions.clone()];
            let first = batch.push_sequence(tokens, &sequence.pages, sequence.kv_len);
            batch.set_adapter(sequence.adapter);
            let wanted = positions.filter(|&position| sequence.wants_row(position));
            let rows = batch.logit_rows.len();
            batch
                .logit_rows
                .extend(wanted.map(|position| (first + position - sequence.kv_len) as u32));
            let rows = rows as u32..batch.logit_rows.len() as u32;
            self.choose_rows(sequence, rows, sequence.tokens.len() - sequence.drafted, batch);
        }
    }

    /// Says of a sequence's wanted `rows`, the first of which gives the token at `position`, how
    /// the backend chooses their tokens, if it does.
    pub(crate) fn choose_rows(
        &self,
        sequence: &Sequence,
        rows: Range<u32>,
        position: usize,
        batch: &mut Batch,
    ) {
        if sequence.takes_peaks() {
            batch.peak_rows.extend(rows);
        } else if self.draws && sequence.takes_draws(self.limits.speculate) {
            let sampler = &sequence.generation.sampler;
            for (row, position) in rows.zip(position as u32..) {
                batch.draws.push(sampler.draw(row, position, &mut batch.seen));
            }
        }
    }

    /// Takes the memory for all tokens that the running sequences will ever have seen, so that none
    /// is taken while they grow.
    fn reserve_seen(&self, batch: &mut Batch) {
        if self.draws {
            let most = |sequence: &Sequence| sequence.generation.sampler.most_seen();
            batch.seen.reserve(self.running.iter().map(most).sum());
        }
    }
}
