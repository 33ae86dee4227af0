//! From a configuration to a backend: the one place that knows which backends there are.

use std::path::Path;
use std::sync::Arc;

use tgi_backend::Backend;
use tgi_backend_cpu::isa::choice::Choice;
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_backend_scripted::{self as scripted, ScriptedBackend, ScriptedOptions};
use tgi_model::{Adapter, ChatTemplate, Model, Tokenizer};

use crate::candle;
use crate::config::{AdapterSource, Config, KvCacheDtype};
use crate::errors::OpenError;
use crate::plan::{LargestStep, Needs, Plan, plan};

/// K and V of one token in the scripted backend: the token itself.
const SCRIPTED_KV_BYTES: u64 = 4;

/// A backend that is ready, and what the operator should know of it.
pub struct Loaded {
    /// Computes.
    pub backend: Box<dyn Backend>,
    /// The model's.
    pub tokenizer: Arc<Tokenizer>,
    /// Messages to a prompt, if the model says how.
    pub template: Option<Arc<ChatTemplate>>,
    /// What was planned and taken.
    pub plan: Plan,
    /// Where it computes: one of [`crate::device::DEVICES`].
    pub device: &'static str,
    /// Instruction set of the kernels.
    pub isa: String,
    /// Why that one.
    pub isa_reason: String,
    /// Type of weights and activations.
    pub dtype: &'static str,
    /// Of the model.
    pub architecture: String,
}

/// Plans with `available` bytes, then loads the backend that `config` names.
pub fn load(config: &Config, available: u64) -> Result<Loaded, OpenError> {
    let format = config.kv_cache_dtype.unwrap_or_default();
    if format != KvCacheDtype::Auto
        && matches!(config.backend.as_str(), "candle" | "cuda" | "scripted")
    {
        let (format, backend) = (format.name(), config.backend.clone());
        return Err(OpenError::KvCacheDtype { format, backend });
    }
    match config.backend.as_str() {
        "candle" => candle::load(config, available),
        "cpu" => load_cpu(config, available),
        #[cfg(feature = "cuda")]
        "cuda" => crate::cuda::load(config),
        "scripted" => load_scripted(config, available),
        other => Err(OpenError::Backend(other.to_owned())),
    }
}

fn load_cpu(config: &Config, available: u64) -> Result<Loaded, OpenError> {
    let choice = Choice::new(config.cpu_isa.as_deref())?;
    let model = open_model(config)?;
    let adapters = open_adapters(config, &model)?;
    let plan = plan(config, &cpu_needs(config, &model, &adapters), available)?;
    let options = cpu_options(config, plan.largest_step(), plan.pages);
    let backend = CpuBackend::from_source(&model.spec, &model, &options, choice.isa)?
        .with_adapters(&adapters)?;
    Ok(Loaded {
        isa: backend.isa().to_owned(),
        isa_reason: choice.reason,
        backend: Box::new(backend),
        plan,
        device: "cpu",
        dtype: "int8",
        architecture: model.spec.architecture,
        tokenizer: Arc::new(model.tokenizer),
        template: model.chat_template.map(Arc::new),
    })
}

/// What the CPU backend needs for `model` with `adapters`.
pub fn cpu_needs(
    config: &Config,
    model: &Model,
    adapters: &[Adapter],
) -> Needs<impl Fn(LargestStep) -> u64> {
    Needs {
        context: model.spec.context,
        weights_bytes: tgi_backend_cpu::weight_bytes(model)
            + tgi_backend_cpu::adapter_bytes(adapters),
        kv_bytes_per_token: tgi_backend_cpu::kv_bytes_per_token(&model.spec, kv_format(config)),
        is_gpu: false,
        pages: None,
        arena_bytes: |step: LargestStep| {
            tgi_backend_cpu::arena_bytes(&model.spec, &cpu_options(config, step, step.pages))
                + tgi_backend_cpu::adapter_arena_bytes(adapters, step.batch_tokens)
        },
    }
}

fn cpu_options(config: &Config, step: LargestStep, pages: usize) -> CpuOptions {
    CpuOptions {
        pages,
        batch_tokens: step.batch_tokens,
        logit_rows: step.logit_rows,
        threads: config.threads.map(|threads| threads as usize),
        kv: kv_format(config),
    }
}

fn kv_format(config: &Config) -> KvFormat {
    match config.kv_cache_dtype.unwrap_or_default() {
        KvCacheDtype::Auto | KvCacheDtype::F16 => KvFormat::F16,
        KvCacheDtype::Int8 => KvFormat::Int8,
    }
}

/// The model's file or folder, checked.
pub fn open_model(config: &Config) -> Result<Model, OpenError> {
    let no_model = || OpenError::NoModel(config.backend.clone());
    let path = config.model_path.as_deref().ok_or_else(no_model)?;
    let model = match config.model_part() {
        Some(part) => Model::open_part(Path::new(path), part)?,
        None => Model::open(Path::new(path))?,
    };
    Ok(match config.weight_format()? {
        Some(format) => model.with_format(format)?,
        None => model,
    })
}

/// The adapters of the configuration, checked against the model.
pub fn open_adapters(config: &Config, model: &Model) -> Result<Vec<Adapter>, OpenError> {
    let open = |source: &AdapterSource| {
        Adapter::open(Path::new(&source.path), &model.spec)
            .map_err(|error| OpenError::Adapter { id: source.id.clone(), error })
    };
    config.adapters.iter().map(open).collect()
}

fn load_scripted(config: &Config, available: u64) -> Result<Loaded, OpenError> {
    let mut options = config.scripted.clone().unwrap_or_default();
    let plan = plan(config, &scripted_needs(&options), available)?;
    options.pages = plan.pages;
    options.batch_tokens = plan.batch_tokens;
    options.logit_rows = plan.logit_rows;
    options.adapters = config.adapters.len();
    Ok(Loaded {
        backend: Box::new(ScriptedBackend::new(&options)),
        tokenizer: Arc::new(scripted::tokenizer()),
        template: None,
        plan,
        device: "cpu",
        isa: "none".to_owned(),
        isa_reason: "no model is computed".to_owned(),
        dtype: "float32",
        architecture: "scripted".to_owned(),
    })
}

/// What the scripted backend needs.
pub fn scripted_needs(options: &ScriptedOptions) -> Needs<impl Fn(LargestStep) -> u64 + use<>> {
    Needs {
        context: options.context,
        weights_bytes: 0,
        kv_bytes_per_token: SCRIPTED_KV_BYTES,
        is_gpu: false,
        pages: Some(options.pages),
        arena_bytes: |step: LargestStep| (step.logit_rows * scripted::VOCAB * 4) as u64,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::tests::config;

    fn refusal(changes: &serde_json::Value) -> String {
        match load(&config(changes), u64::MAX) {
            Ok(_) => panic!("it loads"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_scripted_backend_has_the_planned_capacity() {
        let changes = json!({"scripted": {"pages": 16, "context": 300}, "maxBatchSize": 100});
        let loaded = load(&config(&changes), u64::MAX).unwrap();
        let capacity = loaded.backend.capacity();
        assert_eq!((capacity.pages, capacity.context), (16, 300));
        assert_eq!((capacity.batch_tokens, capacity.logit_rows), (400, 100));
        assert_eq!(loaded.plan.max_total_tokens, 300);
        assert_eq!(loaded.tokenizer.vocab(), capacity.vocab);
    }

    #[test]
    #[cfg(feature = "cuda")]
    fn an_unknown_backend_is_refused_with_those_that_there_are() {
        assert_eq!(
            refusal(&json!({"backend": "tpu"})),
            "Cannot open backend \"tpu\": this library has `cpu`, `cuda`, `candle` and `scripted`; set --backend"
        );
    }

    #[test]
    fn a_kv_cache_in_bytes_needs_the_cpu_backend() {
        let changes = json!({"backend": "candle", "modelPath": "a.gguf", "kvCacheDtype": "int8"});
        assert_eq!(
            refusal(&changes),
            "Cannot keep the KV cache in `int8` with backend \"candle\": only `cpu` has it; set \
             --kv-cache-dtype to auto or --backend to cpu"
        );
        let changes = json!({"backend": "cpu", "kvCacheDtype": "int8"});
        assert!(refusal(&changes).ends_with("without a model file; set --model-id"));
    }

    #[test]
    fn an_instruction_set_that_there_is_not_is_refused() {
        let message = refusal(&json!({"backend": "cpu", "cpuIsa": "sse9"}));
        assert!(message.contains("\"sse9\": no instruction set has that name"), "{message}");
    }

    fn fixture(name: &str) -> String {
        format!("{}/../../tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn adapters_are_planned_and_loaded_beside_the_model() {
        for backend in ["cpu", "candle"] {
            let load = |names: &[&str]| {
                let source =
                    |name| json!({"id": name, "path": fixture("tiny-llama-adapters/every")});
                let adapters: Vec<_> = names.iter().map(source).collect();
                let changes = json!({"backend": backend, "modelPath": fixture("tiny-llama"),
                    "adapters": adapters});
                load(&config(&changes), 1 << 30).unwrap()
            };
            let (without, with) = (load(&[]), load(&["a", "b"]));
            assert_eq!(with.backend.capacity().adapters, 2);
            assert!(with.plan.weights_bytes > without.plan.weights_bytes + 2 * 4 * 7000);
        }
    }

    #[test]
    fn an_adapter_that_does_not_fit_is_refused_by_its_name() {
        for path in [fixture("tiny-llama"), fixture("tiny-llama-adapters/every")] {
            let changes = json!({"backend": "cpu",
                "modelPath": fixture("../goldens/architectures/gpt2"),
                "adapters": [{"id": "polite", "path": path}]});
            let message = refusal(&changes);
            assert!(message.starts_with("Cannot load the adapter `polite`: Cannot "), "{message}");
            assert!(message.ends_with("(--lora-adapters)"), "{message}");
        }
    }

    #[test]
    fn a_part_outside_the_file_is_refused() {
        let path = std::env::current_exe().unwrap();
        for backend in ["candle", "cpu"] {
            let part = json!({"backend": backend, "modelPath": path, "modelOffset": 1u64 << 62,
                "modelLength": 4096});
            let message = refusal(&part);
            assert!(
                message.contains("takes 4096 bytes from byte 4611686018427387904"),
                "{message}"
            );
        }
    }

    #[test]
    fn candle_without_a_file_is_refused() {
        let message = refusal(&json!({"backend": "candle"}));
        assert!(message.ends_with("without a model file; set --model-id"), "{message}");
        let message = refusal(&json!({"backend": "candle", "modelPath": "/nowhere/a.gguf"}));
        assert!(message.starts_with("Cannot open /nowhere/a.gguf"), "{message}");
    }
}
