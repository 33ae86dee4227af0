//! A step takes no memory, on any thread. A binary of its own, for its global allocator.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::quantized::GgmlDType;
use common::{Random, RandomWeights, VOCAB, backend_with, repository_tests, specs};
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_model::{Adapter, Model};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting what all threads take.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
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

/// A batch of sequences given by their KV length and their tokens in the step, over pages of their
/// own; the last row of each is wanted.
fn batch(sequences: &[(usize, usize)]) -> Batch {
    let (mut batch, mut random, mut next_page) = (Batch::default(), Random(9), 0);
    for &(kv_len, count) in sequences {
        let tokens: Vec<u32> = (0..count).map(|_| random.below(VOCAB) as u32).collect();
        let end = next_page + (kv_len + count).div_ceil(PAGE_TOKENS) as u32;
        let pages: Vec<u32> = (next_page..end).collect();
        next_page = end;
        let first = batch.push_sequence(&tokens, &pages, kv_len);
        batch.logit_rows.push((first + count - 1) as u32);
    }
    batch
}

/// A tiny model with adapters, and the steps with an adapter for all sequences but the first.
fn adapted() -> CpuBackend {
    let fixtures = repository_tests("fixtures");
    let model = Model::open(&fixtures.join("tiny-llama")).unwrap();
    let adapters = ["every", "attention"].map(|name| {
        Adapter::open(&fixtures.join("tiny-llama-adapters").join(name), &model.spec).unwrap()
    });
    let options = CpuOptions {
        pages: 64,
        batch_tokens: 512,
        logit_rows: 64,
        threads: Some(3),
        kv: KvFormat::F16,
    };
    let backend = CpuBackend::from_source(&model.spec, &model, &options, Isa::best()).unwrap();
    backend.with_adapters(&adapters).unwrap()
}

// One test: the counter is the whole process's.
#[test]
fn prefill_decode_and_mixed_steps_allocate_nothing_from_the_first_on() {
    let steps = [
        ("prefill", batch(&[(0, 300), (0, 100)])),
        ("chunk", batch(&[(64, 130)])),
        ("decode", batch(&[(350, 1), (3, 1), (31, 1), (200, 1)])),
        ("long decode", batch(&[(390, 1)])),
        ("mixed", batch(&[(100, 1), (0, 90), (7, 5), (380, 1), (128, 3)])),
    ];
    for (name, spec) in specs() {
        for (dtype, kv) in [(GgmlDType::Q8_0, KvFormat::Int8), (GgmlDType::F32, KvFormat::F16)] {
            let weights = RandomWeights::new(&spec, dtype, 3);
            let mut backend = backend_with(&spec, &weights, Isa::best(), 3, kv);
            for (step, batch) in &steps {
                let before = ALLOCATIONS.load(Ordering::SeqCst);
                let rows = backend.forward(batch).unwrap().rows();
                let taken = ALLOCATIONS.load(Ordering::SeqCst) - before;
                assert_eq!((taken, rows), (0, batch.sequences.len()), "{name}, {dtype:?}, {step}");
            }
        }
    }
    let mut backend = adapted();
    for lengths in [&[(0, 200), (0, 40)][..], &[(150, 1), (3, 1), (31, 1), (200, 1)]] {
        let mut batch = batch(lengths);
        batch.tokens.iter_mut().for_each(|token| *token %= 300);
        for (index, span) in batch.sequences.iter_mut().enumerate().skip(1) {
            span.adapter = Some(index as u32 % 2);
        }
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        let rows = backend.forward(&batch).unwrap().rows();
        let taken = ALLOCATIONS.load(Ordering::SeqCst) - before;
        assert_eq!((taken, rows), (0, batch.sequences.len()), "adapters, {lengths:?}");
    }
}
