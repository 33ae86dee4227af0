//! The cpu backend under the engine: a request's ids, texts and logprobs are the same bytes alone
//! and among others, whatever the arrivals, the batch, the chunks, the prefix hits, the
//! preemptions, the drafts and the cancels.

#[path = "../../engine/tests/common/mod.rs"]
mod common;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::schedule::{MOST_STEPS, TOTAL_TOKENS, Visit, check_against_alone, run_together, visit};
use common::{Bench, Story, config};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_engine::EngineConfig;
use tgi_model::{Adapter, Model};

/// A backend's sizes and an engine's choices.
#[derive(Clone, Debug)]
struct Machine {
    options: CpuOptions,
    config: EngineConfig,
}

fn machine() -> impl Strategy<Value = Machine> {
    let sizes = (5..60_usize, 4..130_usize, 2..70_usize, 1..3_usize);
    let budgets = (1..130_usize, prop::option::of(1..65_usize));
    (sizes, budgets, any::<bool>(), 0..5_usize).prop_map(
        |(
            (pages, batch_tokens, logit_rows, threads),
            (prefill, batch),
            prefix_caching,
            speculate,
        )| {
            Machine {
                options: options(pages, batch_tokens, logit_rows, threads),
                config: EngineConfig {
                    max_total_tokens: TOTAL_TOKENS,
                    max_batch_prefill_tokens: prefill,
                    max_batch_size: batch,
                    prefix_caching,
                    speculate,
                    ..config()
                },
            }
        },
    )
}

fn options(pages: usize, batch_tokens: usize, logit_rows: usize, threads: usize) -> CpuOptions {
    CpuOptions { pages, batch_tokens, logit_rows, threads: Some(threads), kv: KvFormat::F16 }
}

/// The machine with room for everything and nothing clever.
fn plain() -> Machine {
    let options = options(8, 256, 256, 1);
    let config = EngineConfig { max_total_tokens: TOTAL_TOKENS, ..config() };
    Machine { options, config }
}

/// Those that the tests have for a model.
fn adapters(path: &Path, model: &Model) -> Vec<Adapter> {
    let folders = ["every", "attention"].map(|name| fixture("tiny-llama-adapters").join(name));
    let folders = folders.iter().filter(|_| has_adapters(path));
    folders.map(|folder| Adapter::open(folder, &model.spec).unwrap()).collect()
}

fn has_adapters(path: &Path) -> bool {
    path.ends_with("tiny-llama.gguf")
}

fn bench(path: &Path, machine: &Machine) -> Bench {
    let model = Model::open(path).unwrap();
    let adapters = adapters(path, &model);
    let backend = CpuBackend::load(&model, &machine.options).unwrap();
    let backend = backend.with_adapters(&adapters).unwrap();
    Bench::of_model(Box::new(backend), Arc::new(model.tokenizer), &machine.config)
}

/// Runs requests one by one, each alone on an empty machine.
struct Alone {
    bench: Bench,
    next: u32,
}

impl Alone {
    fn on(path: &Path) -> Self {
        Self { bench: bench(path, &plain()), next: 0 }
    }

    fn story(&mut self, visit: &Visit) -> Story {
        let id = self.next;
        self.next += 1;
        self.bench.submit(id, &visit.request);
        self.bench.run(MOST_STEPS);
        self.bench.story(id)
    }
}

/// What the schedules have reached; a property that reaches nothing would hold for nothing.
#[derive(Debug, Default)]
struct Reached {
    accepted: Cell<u32>,
    cached: Cell<u32>,
    recomputed: Cell<u32>,
    together: Cell<u32>,
}

impl Reached {
    fn note(&self, bench: &Bench) {
        let log = bench.recorder.0.lock().unwrap();
        let usages = log.usages.values();
        let accepted: u32 = usages.clone().map(|usage| usage.accepted_tokens).sum();
        let cached: u32 = usages.clone().map(|usage| usage.cached_tokens).sum();
        let prompts: u32 = usages.map(|usage| usage.prompt_tokens - usage.cached_tokens).sum();
        let computed: u32 = log.steps.iter().map(|step| step.prefill_tokens).sum();
        let together = log.steps.iter().map(|step| step.decode_sequences).max().unwrap_or(0);
        self.accepted.set(self.accepted.get() + accepted);
        self.cached.set(self.cached.get() + cached);
        self.recomputed.set(self.recomputed.get() + computed.saturating_sub(prompts));
        self.together.set(self.together.get().max(together));
    }
}

/// Runs `cases` schedules of as many requests as `visits` says.
fn check(path: &Path, cases: u32, visits: std::ops::Range<usize>, longest: u32) -> Reached {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let (reached, alone) = (Reached::default(), std::cell::RefCell::new(Alone::on(path)));
    TestRunner::new(config)
        .run(&(machine(), prop::collection::vec(visit(), visits)), |(machine, mut visits)| {
            for Visit { request, .. } in &mut visits {
                let new = &mut request.parameters.max_new_tokens;
                *new = new.map(|new| new.min(longest));
                request.adapter = request.adapter.filter(|_| has_adapters(path));
            }
            let bench = run_together(bench(path, &machine), machine.options.pages, &visits)?;
            reached.note(&bench);
            check_against_alone(&bench, &visits, |visit| alone.borrow_mut().story(visit))
        })
        .unwrap();
    reached
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

#[test]
fn tiny_models_tell_a_request_the_same_alone_and_among_others() {
    for name in ["tiny-llama.gguf", "tiny-qwen2.gguf", "tiny-gemma3.gguf"] {
        let reached = check(&fixture(name), 16, 1..65, 40);
        assert!(reached.accepted.get() > 10 && reached.cached.get() > 100, "{name} {reached:?}");
        assert!(reached.recomputed.get() > 10 && reached.together.get() > 8, "{name} {reached:?}");
    }
}

#[test]
fn a_real_model_tells_a_request_the_same_alone_and_among_others() {
    let folder = std::env::var_os("TGI_TEST_MODELS").unwrap_or_default();
    let path = Path::new(&folder).join("smollm2-135m-instruct-q4_1.gguf");
    assert!(
        path.is_file(),
        "Cannot find it in the folder of TGI_TEST_MODELS, {}; run `deno task models`",
        folder.display()
    );
    let reached = check(&path, 3, 4..9, 6);
    assert!(reached.together.get() > 1, "{reached:?}");
}
