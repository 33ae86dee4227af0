//! From a configuration to a backend: the one place that knows which backends there are.

use std::path::Path;
use std::sync::Arc;

use tgi_backend::Backend;
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::{CpuBackend, CpuOptions};
use tgi_backend_scripted::{self as scripted, ScriptedBackend};
use tgi_model::{Model, Tokenizer};

use crate::config::Config;
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
    /// What was planned and taken.
    pub plan: Plan,
    /// Where it computes.
    pub device: &'static str,
    /// Instruction set of the kernels.
    pub isa: &'static str,
    /// Type of weights and activations.
    pub dtype: &'static str,
    /// Of the model.
    pub architecture: String,
}

/// Plans with `available` bytes, then loads the backend that `config` names.
pub fn load(config: &Config, available: u64) -> Result<Loaded, OpenError> {
    match config.backend.as_str() {
        "candle" => load_candle(config, available),
        "cpu" => load_cpu(config, available),
        "scripted" => load_scripted(config, available),
        other => Err(OpenError::Backend(other.to_owned())),
    }
}

fn load_candle(config: &Config, available: u64) -> Result<Loaded, OpenError> {
    let model = open_model(config)?;
    let options =
        |step: LargestStep, pages| CandleOptions::cpu(pages, step.batch_tokens, step.logit_rows);
    let needs = Needs {
        context: model.spec.context,
        weights_bytes: tgi_backend_candle::weight_bytes(&model),
        kv_bytes_per_token: tgi_backend_candle::kv_bytes_per_token(&model.spec),
        pages: None,
        arena_bytes: |step: LargestStep| {
            tgi_backend_candle::arena_bytes(&model.spec, &options(step, step.pages))
        },
    };
    let plan = plan(config, &needs, available)?;
    let backend = CandleBackend::load(&model, &options(plan.largest_step(), plan.pages))?;
    Ok(Loaded {
        backend: Box::new(backend),
        plan,
        device: "cpu",
        isa: instruction_set(),
        dtype: "float32",
        architecture: model.spec.architecture,
        tokenizer: Arc::new(model.tokenizer),
    })
}

fn load_cpu(config: &Config, available: u64) -> Result<Loaded, OpenError> {
    let isa = Isa::named(config.cpu_isa.as_deref())?;
    let model = open_model(config)?;
    let options = |step: LargestStep, pages| CpuOptions {
        pages,
        batch_tokens: step.batch_tokens,
        logit_rows: step.logit_rows,
        threads: None,
    };
    let needs = Needs {
        context: model.spec.context,
        weights_bytes: tgi_backend_cpu::weight_bytes(&model),
        kv_bytes_per_token: tgi_backend_cpu::kv_bytes_per_token(&model.spec),
        pages: None,
        arena_bytes: |step: LargestStep| {
            tgi_backend_cpu::arena_bytes(&model.spec, &options(step, step.pages))
        },
    };
    let plan = plan(config, &needs, available)?;
    let options = options(plan.largest_step(), plan.pages);
    let backend = CpuBackend::from_source(&model.spec, &model, &options, isa)?;
    Ok(Loaded {
        isa: backend.isa(),
        backend: Box::new(backend),
        plan,
        device: "cpu",
        dtype: "int8",
        architecture: model.spec.architecture,
        tokenizer: Arc::new(model.tokenizer),
    })
}

fn open_model(config: &Config) -> Result<Model, OpenError> {
    let no_model = || OpenError::NoModel(config.backend.clone());
    let path = config.model_path.as_deref().ok_or_else(no_model)?;
    Ok(match config.model_part() {
        Some(part) => Model::open_part(Path::new(path), part)?,
        None => Model::open(Path::new(path))?,
    })
}

fn load_scripted(config: &Config, available: u64) -> Result<Loaded, OpenError> {
    let mut options = config.scripted.clone().unwrap_or_default();
    let needs = Needs {
        context: options.context,
        weights_bytes: 0,
        kv_bytes_per_token: SCRIPTED_KV_BYTES,
        pages: Some(options.pages),
        arena_bytes: |step: LargestStep| (step.logit_rows * scripted::VOCAB * 4) as u64,
    };
    let plan = plan(config, &needs, available)?;
    options.pages = plan.pages;
    options.batch_tokens = plan.batch_tokens;
    options.logit_rows = plan.logit_rows;
    Ok(Loaded {
        backend: Box::new(ScriptedBackend::new(&options)),
        tokenizer: Arc::new(scripted::tokenizer()),
        plan,
        device: "cpu",
        isa: "none",
        dtype: "float32",
        architecture: "scripted".to_owned(),
    })
}

/// The widest vector instructions of this processor, which candle's matrix product picks at run
/// time.
fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "avx512f";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "avx2+fma";
        }
    }
    std::env::consts::ARCH
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
    fn an_unknown_backend_is_refused_with_those_that_there_are() {
        assert_eq!(
            refusal(&json!({"backend": "tpu"})),
            "Cannot open backend \"tpu\": this library has `cpu`, `candle` and `scripted`; set --backend"
        );
    }

    #[test]
    fn an_instruction_set_that_there_is_not_is_refused() {
        let message = refusal(&json!({"backend": "cpu", "cpuIsa": "sse9"}));
        assert!(message.starts_with("Cannot compute with \"sse9\": "), "{message}");
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
