use std::sync::Arc;

use tgi_backend::Batch;

use super::*;
use crate::{
    Parameters, Profile, generation::Generation, prepare::Prepared, registry::Registry, salt::Salt,
    sequence::Sequence,
};

const ROOMY: Limits = Limits {
    pages: 64,
    running: 16,
    prefill_tokens: 64,
    batch_tokens: 64,
    logit_rows: 32,
    speculate: 0,
    prefix_caching: false,
};

/// A scheduler whose batches are "computed" by the test.
struct Fixture {
    scheduler: Scheduler,
    registry: Arc<Registry>,
    batch: Batch,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        let scheduler = Scheduler::new(limits);
        Self { scheduler, registry: Arc::default(), batch: Batch::default() }
    }

    fn submit(&mut self, id: u32, prompt: usize, new: usize) {
        self.submit_with(id, prompt, new, false);
    }

    fn submit_with(&mut self, id: u32, prompt: usize, new: usize, details: bool) {
        let tokens = (0..prompt as u32).map(|place| place + 1000 * id).collect();
        let prepared = Prepared {
            tokens,
            max_new_tokens: new,
            seed: None,
            salt: Salt::default(),
            adapter: None,
        };
        let generation = Generation::new(&Parameters::default(), &prepared, Profile::V0_3, &[]);
        let ticket = self.registry.open(id).unwrap();
        self.scheduler.enqueue(Sequence::new(ticket, prepared, 0, details, generation));
    }

    /// Plans a step, and returns what each sequence of it computes.
    fn plan(&mut self) -> Vec<(u32, usize)> {
        self.scheduler.plan(&mut self.batch, &mut |_, _| true);
        let running = self.scheduler.running.iter().filter(|sequence| sequence.take > 0);
        running.map(|sequence| (sequence.id(), sequence.take)).collect()
    }

    /// Takes the step as computed; sequences with all their tokens retire.
    fn complete(&mut self) {
        for index in (0..self.scheduler.running.len()).rev() {
            let sequence = &mut self.scheduler.running[index];
            sequence.kv_len += sequence.take;
            if sequence.details {
                sequence.reported = (sequence.kv_len + 1).min(sequence.prompt_tokens);
            }
            if sequence.pending() == 0 {
                sequence.tokens.push(7);
                if sequence.generated() == sequence.max_new_tokens {
                    self.scheduler.retire(index, true);
                }
            }
        }
    }

    /// Runs until everything ended; returns the ids in the order of their first steps.
    fn starts(&mut self) -> Vec<u32> {
        let mut first = Vec::new();
        for _ in 0..10_000 {
            let taken = self.plan();
            if taken.is_empty() {
                assert!(self.scheduler.waiting.is_empty() && self.scheduler.running.is_empty());
                return first;
            }
            let new = taken.iter().map(|&(id, _)| id).filter(|id| !first.contains(id));
            first.extend(new.collect::<Vec<_>>());
            self.complete();
        }
        panic!("someone starves");
    }

    fn waiting(&self) -> Vec<u32> {
        self.scheduler.waiting.iter().map(Sequence::id).collect()
    }

    fn pause(&mut self, id: u32) {
        let running = self.scheduler.running.iter_mut().find(|sequence| sequence.id() == id);
        running.unwrap().paused_since = Some(Instant::now());
    }
}

#[test]
fn a_long_prompt_is_cut_to_the_budget_and_every_decode_goes_on() {
    let mut fixture = Fixture::new(Limits { prefill_tokens: 20, ..ROOMY });
    fixture.submit(1, 10, 99);
    assert_eq!(fixture.plan(), [(1, 10)]);
    fixture.complete();
    fixture.submit(2, 50, 9);
    for chunk in [20, 20, 10] {
        assert_eq!(fixture.plan(), [(1, 1), (2, chunk)]);
        fixture.complete();
    }
    assert_eq!(fixture.plan(), [(1, 1), (2, 1)]);
}

#[test]
fn a_giant_prompt_leaves_room_for_small_ones_behind_it() {
    let mut fixture = Fixture::new(Limits { prefill_tokens: 40, ..ROOMY });
    fixture.submit(1, 400, 1);
    fixture.submit(2, 300, 1);
    fixture.submit(3, 8, 1);
    assert_eq!(fixture.plan(), [(1, 20), (2, 12), (3, 8)]);
}

#[test]
fn a_request_without_pages_lets_a_bounded_number_pass() {
    let mut fixture = Fixture::new(Limits { pages: 12, ..ROOMY });
    fixture.submit(1, 60, 100);
    fixture.plan();
    fixture.complete();
    fixture.submit(2, 350, 10);
    let small = 3..3 + 2 * MOST_OVERTAKEN;
    for id in small.clone() {
        fixture.submit(id, 20, 1);
    }
    let starts = fixture.starts();
    let passed = starts.iter().take_while(|&&id| id != 2).filter(|id| small.contains(id)).count();
    assert_eq!(passed, MOST_OVERTAKEN as usize);
}

#[test]
fn the_youngest_gives_its_pages_when_none_is_left() {
    let mut fixture = Fixture::new(Limits { pages: 4, ..ROOMY });
    fixture.submit(1, 31, 60);
    fixture.submit(2, 31, 60);
    for _ in 0..34 {
        fixture.plan();
        fixture.complete();
    }
    assert_eq!(fixture.scheduler.pool.free(), 0);
    let mut preempted = false;
    for _ in 0..40 {
        let taken = fixture.plan();
        assert!(taken.contains(&(1, 1)) || preempted, "the oldest goes on: {taken:?}");
        preempted |= fixture.waiting() == [2];
        fixture.complete();
    }
    assert!(preempted);
    fixture.starts();
    assert_eq!(fixture.scheduler.pool.free(), 4);
}

#[test]
fn a_paused_sequence_gives_its_pages_before_any_other() {
    let mut fixture = Fixture::new(Limits { pages: 4, ..ROOMY });
    fixture.submit(1, 40, 60);
    fixture.submit(2, 20, 60);
    fixture.plan();
    fixture.complete();
    fixture.pause(1);
    fixture.submit(3, 60, 10);
    let taken = fixture.plan();
    assert_eq!(fixture.waiting(), [1], "{taken:?}");
    assert_eq!(taken, [(2, 1), (3, 60)]);
}

#[test]
fn every_decode_has_its_page_when_an_older_paused_one_gives_way() {
    let mut fixture = Fixture::new(Limits { pages: 8, ..ROOMY });
    for (id, prompt) in [(1, 64), (2, 32), (3, 32)] {
        fixture.submit(id, prompt, 60);
        fixture.plan();
        fixture.complete();
    }
    assert_eq!(fixture.scheduler.running.len(), 3);
    while fixture.scheduler.pool.allocate().is_some() {}
    fixture.pause(1);
    for _ in 0..3 {
        let taken = fixture.plan();
        assert_eq!(taken, [(2, 1), (3, 1)]);
        let mut running = fixture.scheduler.running.iter();
        assert!(running.all(|sequence| sequence.page_room() >= sequence.tokens.len()));
        fixture.complete();
    }
}

#[test]
fn admission_leaves_a_page_to_each_running_sequence() {
    let mut fixture =
        Fixture::new(Limits { pages: 4, prefill_tokens: 99, batch_tokens: 99, ..ROOMY });
    fixture.submit(1, 20, 10);
    fixture.plan();
    fixture.complete();
    fixture.submit(2, 65, 1);
    fixture.submit(3, 64, 1);
    assert_eq!(fixture.plan(), [(1, 1), (3, 64)]);
}

#[test]
fn a_paused_sequence_is_not_computed_and_keeps_its_pages() {
    let mut fixture = Fixture::new(ROOMY);
    fixture.submit(1, 40, 60);
    fixture.plan();
    fixture.complete();
    fixture.pause(1);
    assert!(fixture.plan().is_empty());
    assert_eq!(fixture.scheduler.pool.used(), 2);
    fixture.scheduler.running[0].paused_since = None;
    assert_eq!(fixture.plan(), [(1, 1)]);
}

#[test]
fn prompt_logprobs_never_take_more_rows_than_there_are() {
    let limits = Limits { logit_rows: 8, running: 8, ..ROOMY };
    let mut fixture = Fixture::new(limits);
    fixture.submit(1, 4, 50);
    fixture.plan();
    fixture.complete();
    fixture.submit_with(2, 30, 2, true);
    fixture.submit(3, 20, 2);
    let mut rows = 0;
    for _ in 0..12 {
        let taken = fixture.plan();
        assert!(fixture.batch.logit_rows.len() <= 8, "{taken:?}");
        assert!(taken.contains(&(1, 1)), "{taken:?}");
        rows += fixture.batch.logit_rows.len() - 1;
        fixture.complete();
    }
    // 29 reported, 2 + 2 sampled.
    assert_eq!(rows, 33);
}

#[test]
fn a_shared_prompt_is_computed_once() {
    let mut fixture = Fixture::new(Limits { prefix_caching: true, ..ROOMY });
    fixture.submit(1, 50, 5);
    fixture.starts();
    assert_eq!((fixture.scheduler.pool.used(), fixture.scheduler.pool.idle()), (0, 2));
    drop(fixture.registry.open(1));
    fixture.submit(1, 50, 5);
    assert_eq!(fixture.plan(), [(1, 1)], "only the last token");
    assert_eq!(fixture.scheduler.running[0].usage.cached_tokens, 49);
    fixture.starts();
    assert_eq!(fixture.scheduler.pool.used(), 0);
}

#[test]
fn a_failed_page_copy_costs_only_its_tokens() {
    let mut fixture = Fixture::new(Limits { prefix_caching: true, ..ROOMY });
    fixture.submit(1, 50, 5);
    fixture.starts();
    fixture.submit(1, 50, 5);
    fixture.scheduler.plan(&mut fixture.batch, &mut |_, _| false);
    assert_eq!(fixture.scheduler.running[0].take, 50 - 32);
}

/// Steps with decodes only, of sequences whose text repeats; returns what each of them takes.
fn drafting(sequences: u32) -> Vec<usize> {
    let mut fixture =
        Fixture::new(Limits { speculate: 4, prefill_tokens: 256, batch_tokens: 256, ..ROOMY });
    for id in 1..=sequences {
        fixture.submit(id, 16, 99);
    }
    fixture.plan();
    fixture.complete();
    for sequence in &mut fixture.scheduler.running {
        for place in 0..sequence.tokens.len() {
            sequence.tokens[place] = place as u32 % 5;
        }
    }
    fixture.plan().into_iter().map(|(_, take)| take).collect()
}

#[test]
fn drafts_share_what_a_step_computes_for_nothing() {
    assert_eq!(drafting(1), [5]);
    assert_eq!(drafting(2), [4, 4]);
    assert_eq!(drafting(3), [3, 3, 2]);
    assert_eq!(drafting(7), [2, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_step_that_is_bound_by_computing_has_no_drafts() {
    assert_eq!(drafting(8), [1; 8]);
    let mut fixture = Fixture::new(Limits { speculate: 4, batch_tokens: 512, ..ROOMY });
    fixture.submit(1, 8, 99);
    fixture.plan();
    fixture.complete();
    fixture.scheduler.running[0].tokens.copy_from_slice(&[1, 2, 3, 1, 2, 3, 1, 2, 3]);
    fixture.submit(2, 50, 9);
    assert_eq!(fixture.plan(), [(1, 1), (2, 50)], "a prompt fills the step");
}
