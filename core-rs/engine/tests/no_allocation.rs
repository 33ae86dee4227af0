//! A steady decode step allocates nothing. A binary of its own, for its global allocator.

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
};

use common::{Circular, config, greedy, letters};
use tgi_backend_scripted::{ScriptedBackend, ScriptedOptions, tokenizer};
use tgi_engine::{Core, EngineConfig, Event, EventSink, Progress, Request, Watermark};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread takes.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts tokens, and takes no memory itself.
#[derive(Default)]
struct Silent(Arc<std::sync::atomic::AtomicUsize>);

impl EventSink for Silent {
    fn emit(&mut self, event: Event<'_>) {
        if let Event::Token { .. } = event {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn publish(&mut self) {}
}

/// Tokens of a request that may be held back at the end: their text begins its stop sequence.
const MOST_HELD: usize = 10;

/// Runs `requests` until all decode, and counts the allocations of the 200 steps after.
fn allocations(config: &EngineConfig, requests: &[Request]) -> usize {
    let backend = Circular(ScriptedBackend::new(&ScriptedOptions::default()));
    let sink = Silent::default();
    let tokens = Arc::clone(&sink.0);
    let (mut core, intake) =
        Core::open(Box::new(backend), Arc::new(tokenizer()), config, Box::new(sink)).unwrap();
    for (id, request) in (0..).zip(requests) {
        let sequence = intake.prepare(intake.open(id).unwrap(), request).unwrap();
        assert!(intake.push(sequence));
    }
    // The prompts, and what grows once: the list of top tokens.
    for _ in 0..40 {
        core.step();
    }
    let told = || tokens.load(std::sync::atomic::Ordering::Relaxed);
    let (before, told_before) = (ALLOCATIONS.get(), told());
    for _ in 0..200 {
        assert_eq!(core.step(), Progress::Worked);
    }
    let least = told_before + (200 - MOST_HELD) * requests.len();
    assert!(told() >= least, "all of them decode in every step: {} of {least}", told());
    ALLOCATIONS.get() - before
}

#[test]
fn greedy_decodes_allocate_nothing() {
    let requests: Vec<_> = (1..17).map(|id| greedy(letters(id * 9), 2000)).collect();
    assert_eq!(allocations(&config(), &requests), 0);
}

#[test]
fn sampling_penalties_stops_and_top_tokens_allocate_nothing() {
    let requests: Vec<_> = (1..9)
        .map(|id| {
            let mut request = greedy(letters(id * 9), 2000);
            let parameters = &mut request.parameters;
            parameters.do_sample = true;
            parameters.temperature = Some(1.3);
            parameters.top_k = Some(40);
            parameters.top_p = Some(0.9);
            parameters.repetition_penalty = Some(1.1);
            parameters.top_n_tokens = 5;
            parameters.stop = vec!["never said".to_owned()];
            request
        })
        .collect();
    assert_eq!(allocations(&config(), &requests), 0);
}

#[test]
fn bias_watermark_and_held_tokens_allocate_nothing() {
    let requests: Vec<_> = (1..9)
        .map(|id| {
            let mut request = greedy(letters(id * 9), 2000);
            let parameters = &mut request.parameters;
            parameters.min_p = Some(0.05);
            parameters.logit_bias = [(300, -3.0), (301, 2.0)].into();
            parameters.presence_penalty = Some(0.2);
            parameters.openai_frequency_penalty = Some(0.01);
            parameters.watermark = Some(Watermark { gamma: 0.5, delta: 2.0 });
            parameters.raw_logprobs = true;
            parameters.top_n_tokens = 3;
            parameters.stop = vec!["never said".to_owned()];
            parameters.stop_anywhere = true;
            parameters.include_stop_str = false;
            request
        })
        .collect();
    assert_eq!(allocations(&config(), &requests), 0);
}

#[test]
fn speculation_and_the_prefix_cache_allocate_nothing() {
    let config = EngineConfig { prefix_caching: true, speculate: 3, ..config() };
    let requests: Vec<_> = (1..9).map(|id| greedy(letters(id * 20), 2000)).collect();
    assert_eq!(allocations(&config, &requests), 0);
}
