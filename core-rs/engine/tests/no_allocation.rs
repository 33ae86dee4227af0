//! A steady decode step allocates nothing. A binary of its own, for its global allocator.

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use common::{Circular, config, greedy, letters};
use tgi_backend::Backend;
use tgi_backend_scripted::{ScriptedBackend, ScriptedOptions, tokenizer};
use tgi_engine::{Core, EngineConfig, Event, EventSink, Profile, Progress, Request, Watermark};

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

/// What a core has told.
#[derive(Default)]
struct Told {
    /// Sequences that decoded, of all steps.
    decodes: AtomicUsize,
    tokens: AtomicUsize,
}

/// Counts, and takes no memory itself.
#[derive(Default)]
struct Silent(Arc<Told>);

impl EventSink for Silent {
    fn emit(&mut self, event: Event<'_>) {
        match event {
            Event::Step(report) => {
                self.0.decodes.fetch_add(report.decode_sequences as usize, Ordering::Relaxed);
            }
            Event::Token { .. } => {
                self.0.tokens.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn publish(&mut self) {}
}

/// Steps that must not allocate.
const STEPS: usize = 200;

/// [`allocations_over`] a backend that leaves the choice of tokens to the engine.
fn allocations(config: &EngineConfig, requests: &[Request]) -> usize {
    let backend = Circular(ScriptedBackend::new(&ScriptedOptions::default()));
    allocations_over(Box::new(backend), config, requests)
}

/// [`allocations_over`] a backend that draws, and runs ahead where it can.
fn allocations_ahead(config: &EngineConfig, requests: &[Request]) -> usize {
    let options = ScriptedOptions { draws: true, ahead: true, ..ScriptedOptions::default() };
    allocations_over(Box::new(ScriptedBackend::new(&options)), config, requests)
}

/// Runs `requests` until all decode, and counts the allocations of the [`STEPS`] after.
fn allocations_over(
    backend: Box<dyn Backend>,
    config: &EngineConfig,
    requests: &[Request],
) -> usize {
    let sink = Silent::default();
    let told = Arc::clone(&sink.0);
    let (mut core, intake) =
        Core::open(backend, Arc::new(tokenizer()), config, Box::new(sink)).unwrap();
    for (id, request) in (0..).zip(requests) {
        let sequence = intake.prepare(intake.open(id).unwrap(), request).unwrap();
        assert!(intake.push(sequence));
    }
    // The prompts, and what grows once: the list of top tokens.
    for _ in 0..40 {
        core.step();
    }
    let decodes = || told.decodes.load(Ordering::Relaxed);
    let (before, decoded) = (ALLOCATIONS.get(), decodes());
    let tokens = told.tokens.load(Ordering::Relaxed);
    for _ in 0..STEPS {
        assert_eq!(core.step(), Progress::Worked);
    }
    // A step decodes each sequence once at most.
    assert_eq!(decodes() - decoded, STEPS * requests.len(), "all of them decode in every step");
    assert!(told.tokens.load(Ordering::Relaxed) > tokens);
    ALLOCATIONS.get() - before
}

#[test]
fn greedy_decodes_allocate_nothing() {
    let requests: Vec<_> = (1..17).map(|id| greedy(letters(id * 9), 2000)).collect();
    assert_eq!(allocations(&config(), &requests), 0);
}

/// Sampling with a stop sequence and top tokens.
fn sampling(id: usize) -> Request {
    let mut request = greedy(letters(id * 9), 2000);
    let parameters = &mut request.parameters;
    parameters.do_sample = true;
    parameters.seed = Some(id as u64);
    parameters.temperature = Some(1.3);
    parameters.top_k = Some(40);
    parameters.top_p = Some(0.9);
    parameters.top_n_tokens = 5;
    parameters.stop = vec!["never said".to_owned()];
    request
}

fn penalized(id: usize) -> Request {
    let mut request = sampling(id);
    request.parameters.repetition_penalty = Some(1.1);
    request
}

#[test]
fn sampling_penalties_stops_and_top_tokens_allocate_nothing() {
    let requests: Vec<_> = (1..9).map(penalized).collect();
    assert_eq!(allocations(&config(), &requests), 0);
}

#[test]
fn steps_ahead_and_draws_allocate_nothing() {
    let config = EngineConfig { profile: Profile::V3_3, prefix_caching: true, ..config() };
    let greedy = (1..9).map(|id| greedy(letters(id * 20), 2000));
    let ahead: Vec<_> = greedy.chain((1..9).map(sampling)).collect();
    assert_eq!(allocations_ahead(&config, &ahead), 0);
    let counting: Vec<_> = (1..9).map(penalized).collect();
    assert_eq!(allocations_ahead(&config, &counting), 0);
}

#[test]
fn bias_watermark_and_held_tokens_allocate_nothing() {
    let requests: Vec<_> = (1..9)
        .map(|id| {
            let mut request = greedy(letters(id * 9), 2000);
            let parameters = &mut request.parameters;
            parameters.min_p = Some(0.05);
            parameters.seed = Some(id as u64);
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
