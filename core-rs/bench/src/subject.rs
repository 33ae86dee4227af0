//! A backend, loaded from a file or from random weights.

use std::path::Path;

use tgi_backend::Backend;
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_backend_cpu::isa::choice::{Choice, VARIABLE};
use tgi_backend_cpu::weights::TensorSource;
use tgi_backend_cpu::{CpuBackend, CpuOptions};
use tgi_model::{Model, ModelSpec};

use crate::arguments::{Arguments, BackendKind, Source};
use crate::case::Case;
use crate::error::BenchError;
use crate::random::RandomModel;

/// What is measured.
pub struct Subject {
    /// File name without its ending, or the random model's name.
    pub model: String,
    /// Weights as stored, bytes.
    pub weight_bytes: u64,
    /// Computes.
    pub backend: Box<dyn Backend>,
    /// Instruction set of the kernels; of candle, which picks its own, the processor's family.
    pub isa: &'static str,
}

/// Largest step and all pages that any of the tests needs.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    pages: usize,
    batch_tokens: usize,
    streams: usize,
}

impl Sizes {
    fn of(cases: &[Case], chunk: usize) -> Self {
        let most = |size: fn(&Case) -> usize| cases.iter().map(size).max().unwrap_or(1);
        let streams = most(Case::streams);
        Self { pages: most(Case::pages), batch_tokens: chunk.max(streams), streams }
    }
}

impl Subject {
    /// Loads the model with room for all tests.
    ///
    /// # Errors
    /// [`BenchError`]: the model is none, or a test does not fit into its context.
    pub fn load(arguments: &Arguments) -> Result<Self, BenchError> {
        match &arguments.source {
            Source::File(path) => {
                let model = Model::open(path)?;
                let candle = |options: &CandleOptions| Ok(CandleBackend::load(&model, options)?);
                let (name, bytes) = (stem(path), model.tensor_bytes());
                Self::over(arguments, name, bytes, &model.spec, &model, &candle)
            }
            Source::Random(model) => {
                let candle = |options: &CandleOptions| candle_of(model, options);
                let (name, bytes) = (model.name.clone(), model.tensor_bytes());
                Self::over(arguments, name, bytes, &model.spec, &**model, &candle)
            }
        }
    }

    fn over(
        arguments: &Arguments,
        model: String,
        weight_bytes: u64,
        spec: &ModelSpec,
        source: &dyn TensorSource,
        candle: &dyn Fn(&CandleOptions) -> Result<CandleBackend, BenchError>,
    ) -> Result<Self, BenchError> {
        for case in &arguments.cases {
            case.check(spec.context)?;
        }
        let Sizes { pages, batch_tokens, streams } = Sizes::of(&arguments.cases, arguments.chunk);
        let (backend, isa): (Box<dyn Backend>, _) = match arguments.backend {
            BackendKind::Cpu => {
                let (threads, kv) = (arguments.threads, arguments.kv);
                let options = CpuOptions { pages, batch_tokens, logit_rows: streams, threads, kv };
                let isa = Choice::new(std::env::var(VARIABLE).ok().as_deref())?.isa;
                let backend = CpuBackend::from_source(spec, source, &options, isa)?;
                let isa = backend.isa();
                (Box::new(backend), isa)
            }
            BackendKind::Candle => {
                let options = CandleOptions::cpu(pages, batch_tokens, streams);
                (Box::new(candle(&options)?), std::env::consts::ARCH)
            }
        };
        Ok(Self { model, weight_bytes, backend, isa })
    }
}

fn candle_of(model: &RandomModel, options: &CandleOptions) -> Result<CandleBackend, BenchError> {
    let read = |role, layer, shape: &[usize]| Ok(model.floats(role, layer, shape)?);
    Ok(CandleBackend::from_weights(&model.spec, options, read)?)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
