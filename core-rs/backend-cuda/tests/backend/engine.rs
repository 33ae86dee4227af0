//! The engine over this backend: what it says is the same whether steps begin ahead or one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::step_by_step::StepByStep;
use crate::common::{device, options, repository_tests, slow_device};
use tgi_backend::Backend;
use tgi_backend_cuda::{CudaBackend, CudaOptions, Device};
use tgi_engine::{Core, EngineConfig, Event, EventSink, Parameters, Profile, Progress, Request};
use tgi_model::Model;

/// The tokens of each request, with the bits of their log-probabilities and the top tokens.
type Told = BTreeMap<u32, Vec<(u32, u32, Vec<u32>)>>;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Told>>);

impl EventSink for Sink {
    fn emit(&mut self, event: Event<'_>) {
        match event {
            Event::Token { request, token, top, .. } => {
                let top = top.iter().map(|token| token.id).collect();
                let told = (token.id, token.logprob.to_bits(), top);
                self.0.lock().unwrap().entry(request).or_default().push(told);
            }
            Event::Failed { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
    fn publish(&mut self) {}
}

/// Greedy and sampled requests, with penalties, and one that the host samples.
fn requests() -> Vec<Request> {
    let new = |max_new_tokens, parameters| Parameters {
        max_new_tokens: Some(max_new_tokens),
        ignore_eos: true,
        ..parameters
    };
    let plain = Parameters::default;
    let seed = Some(5);
    [
        new(30, plain()),
        new(40, Parameters { temperature: Some(1.3), top_p: Some(0.9), seed, ..plain() }),
        new(9, Parameters { top_k: Some(8), top_n_tokens: 3, seed, ..plain() }),
        new(20, Parameters { repetition_penalty: Some(1.5), ..plain() }),
        new(12, Parameters { typical_p: Some(0.8), seed, ..plain() }),
        new(35, plain()),
    ]
    .into_iter()
    .zip(["a", "The quick brown fox", "one two", "Hello there", "x y z", "so it goes on"])
    .map(|(parameters, inputs)| Request {
        inputs: inputs.to_owned(),
        input_ids: None,
        parameters,
        cache_salt: None,
        adapter: None,
    })
    .collect()
}

/// What the engine tells of all requests; every two steps another one arrives.
fn told(model: Model, backend: Box<dyn Backend>) -> Told {
    let config = EngineConfig {
        max_input_tokens: 64,
        max_total_tokens: 128,
        max_batch_prefill_tokens: 16,
        max_batch_total_tokens: None,
        max_batch_size: None,
        prefix_caching: true,
        speculate: 0,
        validation_workers: 1,
        pause_limit: Duration::from_mins(1),
        profile: Profile::V3_3,
    };
    let sink = Sink::default();
    let told = Arc::clone(&sink.0);
    let tokenizer = Arc::new(model.tokenizer);
    let (mut core, intake) = Core::open(backend, tokenizer, &config, Box::new(sink)).unwrap();
    for (id, request) in (1..).zip(requests()) {
        let sequence = intake.prepare(intake.open(id).unwrap(), &request).unwrap();
        assert!(intake.push(sequence));
        core.step();
        core.step();
    }
    while core.step() == Progress::Worked {}
    told.lock().unwrap().clone()
}

fn backend<D: Device + 'static>(device: D, model: &Model) -> CudaBackend<D> {
    let options = CudaOptions {
        has_graphs: true,
        is_batch_invariant: true,
        logit_rows: 8,
        ..options(24, 64)
    };
    CudaBackend::load(device, &model.spec, model, &options, &mut |_| {}).unwrap()
}

#[test]
fn an_engine_that_runs_ahead_tells_the_same() {
    let open = || Model::open(&repository_tests("fixtures/tiny-llama.gguf")).unwrap();
    let model = open();
    let one_by_one = StepByStep(Box::new(backend(device(), &model)));
    let expected = told(model, Box::new(one_by_one));
    let lengths: Vec<usize> = expected.values().map(Vec::len).collect();
    assert_eq!(lengths, [30, 40, 9, 20, 12, 35]);
    let model = open();
    let ahead = backend(slow_device(), &model);
    assert_eq!(told(model, Box::new(ahead)), expected);
}
