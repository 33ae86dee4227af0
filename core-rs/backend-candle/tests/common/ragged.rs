//! The ragged-batch suite: whatever shares a step, however a prompt is cut, wherever its pages lie, the
//! logits are those of one plain pass. It runs through the trait, on any backend.

use proptest::prelude::*;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_model::ModelSpec;

use super::random_model::VOCAB;
use super::{Sequence, forward, largest_difference, plain_pass};

const SEQUENCES: usize = 3;
const LONGEST: usize = 80;
const PAGES_EACH: usize = LONGEST.div_ceil(PAGE_TOKENS);
/// Pages to move to besides those of the sequences.
const SPARE: usize = 2;
const PAGES: usize = SEQUENCES * PAGES_EACH + SPARE;

/// What happens to one sequence in one step.
#[derive(Clone, Debug)]
struct Turn {
    /// Tokens that it gets; 0 leaves it out.
    tokens: usize,
    /// One of its pages moves to a spare one first.
    moved_page: Option<usize>,
}

/// Prompts, and how they come into steps.
#[derive(Clone, Debug)]
pub struct Schedule {
    prompts: Vec<Vec<u32>>,
    /// The pages of all sequences, then the spare ones.
    placement: Vec<u32>,
    /// A turn for each sequence.
    steps: Vec<Vec<Turn>>,
}

/// Any schedule.
pub fn schedule() -> impl Strategy<Value = Schedule> {
    let prompt = prop::collection::vec(0..VOCAB as u32, 1..=LONGEST);
    let tokens = prop_oneof![2 => Just(0), 3 => Just(1), 3 => 2..50usize];
    let turn = (tokens, prop::option::weighted(0.3, 0..PAGES_EACH))
        .prop_map(|(tokens, moved_page)| Turn { tokens, moved_page });
    let step = prop::collection::vec(turn, SEQUENCES);
    (
        prop::collection::vec(prompt, SEQUENCES),
        Just((0..PAGES as u32).collect::<Vec<_>>()).prop_shuffle(),
        prop::collection::vec(step, 0..12),
    )
        .prop_map(|(prompts, placement, steps)| Schedule { prompts, placement, steps })
}

/// Runs a schedule to the end of every prompt; logits after each token, by sequence.
fn run(backend: &mut impl Backend, schedule: &Schedule) -> Vec<Vec<Vec<f32>>> {
    let mut spare = schedule.placement[SEQUENCES * PAGES_EACH..].to_vec();
    let pages = schedule.placement.chunks_exact(PAGES_EACH);
    let mut sequences: Vec<Sequence> =
        pages.map(|pages| Sequence { pages: pages.to_vec(), length: 0 }).collect();
    let mut found = vec![Vec::new(); SEQUENCES];
    let last = vec![Turn { tokens: LONGEST, moved_page: None }; SEQUENCES];
    for turns in schedule.steps.iter().chain([&last]) {
        let mut batch = Batch::default();
        let mut owners = Vec::new();
        for (index, turn) in turns.iter().enumerate() {
            let (sequence, prompt) = (&mut sequences[index], &schedule.prompts[index]);
            if let Some(page) = turn.moved_page {
                move_page(backend, &mut sequence.pages[page], &mut spare);
            }
            let end = prompt.len().min(sequence.length + turn.tokens);
            let tokens = &prompt[sequence.length..end];
            if !tokens.is_empty() {
                sequence.push(&mut batch, tokens, tokens.len());
                owners.extend(std::iter::repeat_n(index, tokens.len()));
            }
        }
        for (owner, row) in owners.into_iter().zip(forward(backend, &batch)) {
            found[owner].push(row);
        }
    }
    found
}

/// Copies a page to the oldest spare one; the page itself becomes spare and may be overwritten.
fn move_page(backend: &mut impl Backend, page: &mut u32, spare: &mut Vec<u32>) {
    let target = spare.remove(0);
    backend.copy_page(*page, target).unwrap();
    spare.push(std::mem::replace(page, target));
}

/// Checks that a schedule gives the logits of plain passes on backends of so many pages.
pub fn schedule_is_invisible<B: Backend>(
    make: impl Fn(&ModelSpec, usize) -> B,
    (spec, schedule): (&ModelSpec, &Schedule),
    tolerance: f32,
) -> Result<(), TestCaseError> {
    let found = run(&mut make(spec, PAGES), schedule);
    for (prompt, found) in schedule.prompts.iter().zip(found) {
        let expected = plain_pass(&mut make(spec, PAGES_EACH), prompt);
        let difference = largest_difference(&found, &expected);
        let name = &spec.architecture;
        prop_assert!(difference <= tolerance, "{name}: logits differ by up to {difference}");
    }
    Ok(())
}

/// Checks two sequences that share a page, and go on from a copy of another.
pub fn sharing_a_prefix_is_invisible<B: Backend>(
    make: impl Fn(&ModelSpec, usize) -> B,
    spec: &ModelSpec,
    tolerance: f32,
) {
    let prompt: Vec<u32> = (0..40).map(|n| n * 7 % VOCAB as u32).collect();
    let (left, right) = ([1, 2, 3], [4, 5, 6]);
    let mut backend = make(spec, 4);
    let mut batch = Batch::default();
    let mut first = Sequence { pages: vec![2, 0], length: 0 };
    first.push(&mut batch, &prompt, 0);
    forward(&mut backend, &batch);
    // The full page is shared, the one that both go on to write is copied.
    backend.copy_page(0, 3).unwrap();
    let mut second = Sequence { pages: vec![2, 3], length: prompt.len() };
    batch.clear();
    first.push(&mut batch, &left, 3);
    second.push(&mut batch, &right, 3);
    let found = forward(&mut backend, &batch);
    for (own, found) in [left, right].iter().zip(found.chunks_exact(3)) {
        let whole = [&prompt[..], own].concat();
        let expected = plain_pass(&mut make(spec, 2), &whole);
        assert!(largest_difference(found, &expected[40..]) <= tolerance);
    }
}
