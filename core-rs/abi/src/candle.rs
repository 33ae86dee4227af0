//! The candle backend on the device and in the number format that a configuration names.

use std::sync::Arc;

use tgi_backend_candle::gpu::{self, Gpu};
use tgi_backend_candle::{CandleBackend, CandleOptions, DType, Device};
use tgi_model::{Adapter, Model};

use crate::backends::{Loaded, open_adapters, open_model};
use crate::config::Config;
use crate::device::Place;
use crate::errors::OpenError;
use crate::plan::{LargestStep, Needs, plan};

/// Where candle computes, and in what.
pub struct Site {
    device: Device,
    dtype: DType,
    /// Facts of the device when it is a GPU.
    gpu: Option<Gpu>,
}

impl Site {
    /// Opens the device.
    ///
    /// # Errors
    /// [`OpenError::Candle`]: the GPU cannot be had.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        let place = config.place()?;
        let dtype = dtype(place, config.dtype.as_deref());
        Ok(match place {
            Place::Cpu => Self { device: Device::Cpu, dtype, gpu: None },
            Place::Cuda(ordinal) => {
                let (device, gpu) = gpu::open(ordinal)?;
                Self { device, dtype, gpu: Some(gpu) }
            }
        })
    }

    /// The kernels' instruction set: a processor's, or `sm_90` for a GPU of compute capability 9.0.
    pub fn isa(&self) -> String {
        match &self.gpu {
            Some(Gpu { capability, .. }) => format!("sm_{capability}"),
            None => candle_isa().to_owned(),
        }
    }

    /// Number format of weights and activations, by `PyTorch`'s name.
    pub fn dtype_name(&self) -> &'static str {
        match self.dtype {
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            _ => "float32",
        }
    }

    /// What may be taken where the model will live, bytes; `host` is what the process may take.
    pub fn available(&self, host: u64) -> u64 {
        self.gpu.as_ref().map_or(host, |gpu| gpu.free_bytes)
    }

    /// What the backend needs for `model` with `adapters` here.
    pub fn needs(&self, model: &Model, adapters: &[Adapter]) -> Needs<impl Fn(LargestStep) -> u64> {
        let dtype = self.dtype;
        let adapter_bytes: u64 = adapters.iter().map(tgi_backend_candle::adapter_bytes).sum();
        Needs {
            context: model.spec.context,
            weights_bytes: tgi_backend_candle::weight_bytes(model, dtype) + adapter_bytes,
            kv_bytes_per_token: tgi_backend_candle::kv_bytes_per_token(&model.spec, dtype),
            is_gpu: self.gpu.is_some(),
            pages: None,
            arena_bytes: |step: LargestStep| {
                tgi_backend_candle::arena_bytes(&model.spec, &self.options(step, step.pages))
            },
        }
    }

    fn isa_reason(&self) -> String {
        match &self.gpu {
            Some(Gpu { ordinal, name, .. }) => format!("cuda:{ordinal} is an {name}"),
            None => "the widest that this processor has".to_owned(),
        }
    }

    fn options(&self, step: LargestStep, pages: usize) -> CandleOptions {
        CandleOptions {
            device: self.device.clone(),
            dtype: self.dtype,
            ..CandleOptions::cpu(pages, step.batch_tokens, step.logit_rows)
        }
    }
}

/// What is computed in: what the operator named, on a GPU; a processor computes in f32 whatever its
/// weights were rounded to.
fn dtype(place: Place, named: Option<&str>) -> DType {
    match (place, named) {
        (Place::Cuda(_), Some("float16")) => DType::F16,
        (Place::Cuda(_), Some("bfloat16")) => DType::BF16,
        _ => DType::F32,
    }
}

/// Plans and loads; `available` is what the process may take, bytes.
pub fn load(config: &Config, available: u64) -> Result<Loaded, OpenError> {
    let model = open_model(config)?;
    let adapters = open_adapters(config, &model)?;
    let site = Site::open(config)?;
    let plan = plan(config, &site.needs(&model, &adapters), site.available(available))?;
    let backend = CandleBackend::load(&model, &site.options(plan.largest_step(), plan.pages))?
        .with_adapters(&adapters)?;
    Ok(Loaded {
        backend: Box::new(backend),
        plan,
        device: config.place()?.kind(),
        isa: site.isa(),
        isa_reason: site.isa_reason(),
        dtype: site.dtype_name(),
        architecture: model.spec.architecture,
        tokenizer: Arc::new(model.tokenizer),
        template: model.chat_template.map(Arc::new),
    })
}

/// The widest vector instructions of this processor, which candle's matrix product picks at run
/// time.
pub fn candle_isa() -> &'static str {
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

    #[test]
    fn on_the_processor_its_memory_and_instructions_count() {
        let site = Site::open(&config(&json!({"backend": "candle", "dtype": "float16"}))).unwrap();
        assert_eq!(site.available(7), 7);
        assert_eq!(site.isa(), candle_isa());
        assert_eq!(site.dtype_name(), "float32");
    }

    #[test]
    fn on_a_gpu_its_memory_and_capability_count() {
        let name = "NVIDIA H200".to_owned();
        let gpu = Gpu { ordinal: 1, name, capability: 90, free_bytes: 5, total_bytes: 6 };
        let dtype = dtype(Place::Cuda(1), Some("bfloat16"));
        let site = Site { device: Device::Cpu, dtype, gpu: Some(gpu) };
        assert_eq!(site.available(7), 5);
        assert_eq!((site.isa().as_str(), site.dtype_name()), ("sm_90", "bfloat16"));
        assert_eq!(site.isa_reason(), "cuda:1 is an NVIDIA H200");
    }
}
