//! The GPU backend, on the GPU and in the number format that a configuration names.

use std::sync::Arc;

use tgi_backend_cuda::{
    CudaBackend, CudaOptions, Driver, Element, Gpu, Progress, WeightSource, adapter_bytes,
    arena_bytes, check_spec, kv_bytes_per_token, weight_bytes,
};
use tgi_model::{Adapter, Model, Role, StorageType};

use crate::backends::{Loaded, open_adapters, open_model};
use crate::capturing;
use crate::config::Config;
use crate::device::Place;
use crate::errors::OpenError;
use crate::plan::{LargestStep, Needs, plan};

/// Where the backend computes, and in what.
pub struct Site {
    gpu: Gpu,
    element: Element,
    is_batch_invariant: bool,
    memory_fraction: f64,
}

impl Site {
    /// Looks at the GPU, and whether it can compute the model.
    ///
    /// # Errors
    /// [`OpenError::Cuda`]: no driver, no GPU, no kernels for it, or a model that it does not
    /// compute.
    pub fn open(config: &Config, model: &Model) -> Result<Self, OpenError> {
        let ordinal = match config.place()? {
            Place::Cuda(ordinal) => ordinal,
            Place::Cpu => return Err(OpenError::OnlyOnGpu(config.backend.clone())),
        };
        check_spec(&model.spec)?;
        Ok(Self {
            gpu: Gpu::look_at(ordinal)?,
            element: element(config.dtype.as_deref(), stored(model)),
            is_batch_invariant: config.batch_invariant,
            memory_fraction: config.cuda_memory_fraction.unwrap_or(1.0),
        })
    }

    /// The kernels' instruction set: `sm_90` for compute capability 9.0.
    pub fn isa(&self) -> String {
        format!("sm_{}", self.gpu.capability)
    }

    /// Number format of activations, by `PyTorch`'s name.
    pub fn dtype_name(&self) -> &'static str {
        match self.element {
            Element::F16 => "float16",
            Element::Bf16 => "bfloat16",
            Element::F32 => "float32",
        }
    }

    /// What may be taken of the GPU's memory, bytes.
    pub fn available(&self) -> u64 {
        self.gpu.usable_bytes(self.memory_fraction)
    }

    /// What the backend needs for `model` with `adapters` here.
    pub fn needs(&self, model: &Model, adapters: &[Adapter]) -> Needs<impl Fn(LargestStep) -> u64> {
        Needs {
            context: model.spec.context,
            weights_bytes: weight_bytes(model, self.element)
                + adapter_bytes(adapters, model.spec.layers, self.element),
            kv_bytes_per_token: kv_bytes_per_token(&model.spec, self.element),
            is_gpu: true,
            pages: None,
            arena_bytes: |step: LargestStep| {
                let options = self.options(step).with_adapters(adapters);
                arena_bytes(&model.spec, &options, self.gpu.multiprocessors)
            },
        }
    }

    fn options(&self, step: LargestStep) -> CudaOptions {
        CudaOptions {
            element: self.element,
            is_batch_invariant: self.is_batch_invariant,
            ..CudaOptions::new(step.pages, step.batch_tokens, step.logit_rows)
        }
    }

    /// Which GPU, and who multiplies matrices.
    fn reason(&self, driver: &Driver) -> String {
        let Gpu { ordinal, name, .. } = &self.gpu;
        let products = match driver.blas() {
            Ok(path) => format!("products by {}", path.display()),
            Err(_) if self.is_batch_invariant => "products by own kernels".to_owned(),
            Err(reason) => reason.to_owned(),
        };
        format!("cuda:{ordinal} is an {name}, {products}")
    }
}

/// How the file stores its projections.
fn stored(model: &Model) -> Option<StorageType> {
    model.tensors().find(|(role, _)| *role == Role::Query).map(|(_, info)| info.dtype)
}

/// What is computed in: what the operator named, else what the file has where that is a half, else
/// bf16, which has the range of f32.
fn element(named: Option<&str>, stored: Option<StorageType>) -> Element {
    match named {
        Some("float32") => Element::F32,
        Some("float16") => Element::F16,
        Some("bfloat16") => Element::Bf16,
        _ if stored.is_some_and(|dtype| dtype.to_string() == "F16") => Element::F16,
        _ => Element::Bf16,
    }
}

/// Plans with the GPU's memory and loads.
pub fn load(config: &Config) -> Result<Loaded, OpenError> {
    let model = open_model(config)?;
    let site = Site::open(config, &model)?;
    let adapters = open_adapters(config, &model)?;
    let plan = plan(config, &site.needs(&model, &adapters), site.available())?;
    let driver = Driver::open(site.gpu.ordinal, !site.is_batch_invariant)?;
    let isa_reason = site.reason(&driver);
    let options = CudaOptions { pages: plan.pages, ..site.options(plan.largest_step()) };
    let mut progress = |Progress { captured, graphs }| capturing::note(captured, graphs);
    let source = (&model as &dyn WeightSource, adapters.as_slice());
    let backend = CudaBackend::load_adapted(driver, &model.spec, source, &options, &mut progress)?;
    Ok(Loaded {
        backend: Box::new(backend),
        plan,
        device: config.place()?.kind(),
        isa: site.isa(),
        isa_reason,
        dtype: site.dtype_name(),
        architecture: model.spec.architecture,
        tokenizer: Arc::new(model.tokenizer),
        template: model.chat_template.map(Arc::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored_as(name: &str) -> StorageType {
        let path = format!("{}/../../tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        stored(&Model::open(std::path::Path::new(&path)).unwrap()).unwrap()
    }

    #[test]
    fn the_operator_or_the_file_says_in_what_is_computed() {
        let float = stored_as("tiny-llama.gguf");
        assert_eq!(element(Some("float32"), Some(float)), Element::F32);
        assert_eq!(element(Some("float16"), Some(float)), Element::F16);
        assert_eq!(element(None, None), Element::Bf16);
    }
}
