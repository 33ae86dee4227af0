//! How to open the core: the `EngineConfig` of `ffi/types.ts`, as JSON.

use serde::Deserialize;
use tgi_backend_scripted::ScriptedOptions;
use tgi_model::{FilePart, WeightFormat};

use crate::device::{DEVICES, Place};
use crate::errors::OpenError;

/// Most threads that check requests.
const MAX_WORKERS: u32 = 1024;
/// Most tokens that speculation may propose at once.
const MAX_SPECULATE: u32 = 64;

/// Choices of the operator; `None` takes the default that the plan finds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// `cpu`, `cuda`, `candle` or `scripted`.
    pub backend: String,
    /// A `.gguf` file, or a folder of safetensors; none for the scripted backend.
    pub model_path: Option<String>,
    /// First byte of the model in that file; `None` is the whole file.
    pub model_offset: Option<u64>,
    /// Bytes of the model from there on.
    pub model_length: Option<u64>,
    /// `cpu`, `cuda` or `cuda:N`; `None` is the first.
    pub device: Option<String>,
    /// `avx512-vnni`, `avx2` or `portable`; `None` takes the best that the processor has.
    pub cpu_isa: Option<String>,
    /// What weights of floats are rounded to at load, by `PyTorch`'s name, and what a GPU computes
    /// in; `None` is as stored, and `float32`.
    pub dtype: Option<String>,
    /// What they are quantized to at load, by ggml's name; `None` is as stored.
    pub quantize: Option<String>,
    /// Number format of the KV cache.
    pub kv_cache_dtype: Option<KvCacheDtype>,
    /// Share of a GPU's memory that may be taken, 0 to 1; `None` is all of it.
    pub cuda_memory_fraction: Option<f64>,
    /// Whether a GPU must give a request the same bytes whatever else it computes.
    #[serde(default)]
    pub batch_invariant: bool,
    /// Threads that compute; one for each core unless given.
    pub threads: Option<u32>,
    /// Longest prompt, tokens.
    pub max_input_tokens: Option<u32>,
    /// Longest prompt plus generation, tokens.
    pub max_total_tokens: Option<u32>,
    /// Most prompt tokens in one step.
    pub max_batch_prefill_tokens: Option<u32>,
    /// Most KV tokens over all running sequences.
    pub max_batch_total_tokens: Option<u32>,
    /// Most running sequences.
    pub max_batch_size: Option<u32>,
    /// Most requests that the server lets in.
    pub max_concurrent_requests: u32,
    /// Whether equal prefixes share their pages.
    pub prefix_caching: bool,
    /// Tokens proposed by n-gram look-up in each decode; 0 is off.
    pub speculate: u32,
    /// Threads that tokenize and check requests.
    pub validation_workers: u32,
    /// A paused request is given up after this, ms.
    pub pause_limit_millis: u32,
    /// Which TGI generation's sampling rules hold where they differ.
    pub profile: Profile,
    /// `LoRA` adapters beside the model; requests name them by their places in the list.
    #[serde(default)]
    pub adapters: Vec<AdapterSource>,
    /// Behaviour of the scripted backend.
    pub scripted: Option<ScriptedOptions>,
}

/// An adapter by its name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct AdapterSource {
    /// What requests call it.
    pub id: String,
    /// A folder as PEFT saves it; the scripted backend invents its own.
    pub path: String,
}

/// Number formats of the KV cache, by the names that an operator gives.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum KvCacheDtype {
    /// The backend's own.
    #[default]
    Auto,
    /// IEEE half precision.
    F16,
    /// Bytes with a scale for each token, head and 32 elements.
    Int8,
}

impl KvCacheDtype {
    /// The operator's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }
}

/// The profiles by the names that an operator gives.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Profile {
    /// TGI 0.3.1.
    #[serde(rename = "0.3.1")]
    V0_3,
    /// TGI 3.3.
    #[serde(rename = "3.3")]
    V3_3,
}

impl From<Profile> for tgi_engine::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::V0_3 => Self::V0_3,
            Profile::V3_3 => Self::V3_3,
        }
    }
}

impl Config {
    /// Reads and checks what needs no model. Where TGI checks the same, the words are TGI's
    /// (`router/src/main.rs`).
    pub fn from_json(json: &[u8]) -> Result<Self, OpenError> {
        let config: Self = serde_json::from_slice(json)?;
        config.check()?;
        Ok(config)
    }

    /// The part of the file that is the model; `None` is the whole file.
    pub fn model_part(&self) -> Option<FilePart> {
        let (offset, length) = (self.model_offset?, self.model_length.unwrap_or(0));
        Some(FilePart { offset, length })
    }

    /// Where to compute.
    ///
    /// # Errors
    /// [`OpenError::Device`]: no such device in this library.
    pub fn place(&self) -> Result<Place, OpenError> {
        let Some(name) = self.device.as_deref() else { return Ok(Place::Cpu) };
        let place = Place::parse(name).filter(|place| DEVICES.contains(&place.kind()));
        place.ok_or_else(|| OpenError::Device(name.to_owned()))
    }

    /// How weights are held that the files have as floats; `None` is as stored. `quantize` counts
    /// before `dtype`.
    pub fn weight_format(&self) -> Result<Option<WeightFormat>, OpenError> {
        let dtype = self.dtype.as_deref().map(|name| {
            WeightFormat::rounded(name).ok_or_else(|| OpenError::Dtype(name.to_owned()))
        });
        let quantize = self.quantize.as_deref().map(|name| {
            WeightFormat::quantized(name).ok_or_else(|| OpenError::Quantize(name.to_owned()))
        });
        Ok(quantize.transpose()?.or(dtype.transpose()?))
    }

    /// Each backend computes on the processor or on a GPU, by what the library is built with.
    fn check_place(&self) -> Result<(), OpenError> {
        let is_gpu = self.place()? != Place::Cpu;
        let computes_there = match self.backend.as_str() {
            "cuda" => is_gpu,
            "candle" => !is_gpu || cfg!(feature = "candle-cuda"),
            _ => !is_gpu,
        };
        match (computes_there, is_gpu) {
            (true, _) => {}
            (false, true) => return Err(OpenError::NotOnGpu(self.backend.clone())),
            (false, false) => return Err(OpenError::OnlyOnGpu(self.backend.clone())),
        }
        match self.cuda_memory_fraction {
            Some(share) if !(share > 0.0 && share <= 1.0) => Err(OpenError::Argument(format!(
                "`cuda_memory_fraction` must be above 0 and at most 1. Given: {share}"
            ))),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), OpenError> {
        self.check_place()?;
        self.weight_format()?;
        let positive = [
            ("max_concurrent_requests", Some(self.max_concurrent_requests)),
            ("validation_workers", Some(self.validation_workers)),
            ("max_batch_size", self.max_batch_size),
            ("max_batch_prefill_tokens", self.max_batch_prefill_tokens),
            ("max_batch_total_tokens", self.max_batch_total_tokens),
            ("max_input_tokens", self.max_input_tokens),
            ("threads", self.threads),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == Some(0)) {
            return Err(OpenError::Argument(format!("`{name}` must be > 0")));
        }
        let limited = [
            ("validation_workers", self.validation_workers, MAX_WORKERS),
            ("speculate", self.speculate, MAX_SPECULATE),
            ("threads", self.threads.unwrap_or(1), MAX_WORKERS),
        ];
        match limited.iter().find(|(_, value, limit)| value > limit) {
            Some((name, value, limit)) => {
                Err(OpenError::Argument(format!("`{name}` must be <= {limit}. Given: {value}")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A valid configuration for the scripted backend, changed by `changes`.
    pub(crate) fn config_json(changes: &serde_json::Value) -> Vec<u8> {
        let mut json = serde_json::json!({
            "backend": "scripted", "modelPath": null, "dtype": null,
            "maxInputTokens": null, "maxTotalTokens": null, "maxBatchPrefillTokens": null,
            "maxBatchTotalTokens": null, "maxBatchSize": null, "maxConcurrentRequests": 128,
            "prefixCaching": true, "speculate": 0, "validationWorkers": 1,
            "pauseLimitMillis": 1000, "profile": "0.3.1", "scripted": null,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        serde_json::to_vec(&json).unwrap()
    }

    pub(crate) fn config(changes: &serde_json::Value) -> Config {
        Config::from_json(&config_json(changes)).unwrap()
    }

    fn refusal(changes: &serde_json::Value) -> String {
        Config::from_json(&config_json(changes)).unwrap_err().to_string()
    }

    #[test]
    fn every_field_is_read_by_its_camel_case_name() {
        let config = config(&serde_json::json!({
            "modelPath": "a.gguf", "maxBatchTotalTokens": 64, "profile": "3.3",
            "kvCacheDtype": "int8", "threads": 3,
            "scripted": {"pages": 8, "stepMicros": 5},
        }));
        assert_eq!(config.model_path.as_deref(), Some("a.gguf"));
        assert_eq!(config.max_batch_total_tokens, Some(64));
        assert_eq!(config.profile, Profile::V3_3);
        assert_eq!((config.kv_cache_dtype, config.threads), (Some(KvCacheDtype::Int8), Some(3)));
        let scripted = config.scripted.unwrap();
        assert_eq!((scripted.pages, scripted.step_micros), (8, 5));
    }

    #[test]
    fn zeros_are_refused_in_tgis_words() {
        let message = refusal(&serde_json::json!({"validationWorkers": 0}));
        assert_eq!(message, "`validation_workers` must be > 0");
        let message = refusal(&serde_json::json!({"maxBatchSize": 0}));
        assert_eq!(message, "`max_batch_size` must be > 0");
    }

    #[test]
    fn what_would_exhaust_the_machine_is_refused() {
        let message = refusal(&serde_json::json!({"validationWorkers": 4_000_000_000u32}));
        assert_eq!(message, "`validation_workers` must be <= 1024. Given: 4000000000");
        let message = refusal(&serde_json::json!({"maxTotalTokens": 5_000_000_000u64}));
        assert!(message.contains("5000000000"), "{message}");
    }

    #[test]
    fn weights_are_held_as_stored_unless_a_format_is_named() {
        let format = |changes| config(&changes).weight_format().unwrap();
        assert_eq!(format(serde_json::json!({})), None);
        let named = format(serde_json::json!({"dtype": "bfloat16"})).map(WeightFormat::name);
        assert_eq!(named, Some("bfloat16"));
        let both = serde_json::json!({"dtype": "bfloat16", "quantize": "q4_k"});
        assert_eq!(format(both).map(WeightFormat::name), Some("q4_k"));
    }

    #[test]
    fn a_part_of_a_file_needs_its_offset() {
        let part =
            config(&serde_json::json!({"modelOffset": 4096, "modelLength": 99})).model_part();
        assert_eq!(part, Some(FilePart { offset: 4096, length: 99 }));
        assert_eq!(config(&serde_json::json!({})).model_part(), None);
    }

    #[test]
    fn a_device_that_this_library_lacks_is_refused() {
        assert_eq!(config(&serde_json::json!({"device": "cpu"})).device.as_deref(), Some("cpu"));
        for device in ["tpu", "cuda:x"] {
            let message = refusal(&serde_json::json!({"device": device}));
            assert!(message.starts_with(&format!("Cannot compute on {device:?}: ")), "{message}");
        }
    }

    #[test]
    #[cfg(all(feature = "cuda", not(feature = "candle-cuda")))]
    fn candle_computes_on_a_gpu_in_its_own_library_alone() {
        assert_eq!(
            refusal(&serde_json::json!({"backend": "candle", "device": "cuda:1"})),
            "Cannot compute on a GPU with backend \"candle\": only `cuda` does; set --backend or --device"
        );
    }

    #[test]
    #[cfg(feature = "cuda")]
    fn the_cuda_backend_computes_on_a_gpu_and_nowhere_else() {
        let cuda = |device, share: f64| {
            serde_json::json!({"backend": "cuda", "device": device, "cudaMemoryFraction": share,
                "batchInvariant": true})
        };
        let config = config(&cuda("cuda:1", 0.5));
        assert_eq!(config.place().unwrap(), Place::Cuda(1));
        assert_eq!((config.cuda_memory_fraction, config.batch_invariant), (Some(0.5), true));
        assert_eq!(
            refusal(&cuda("cpu", 1.0)),
            "Cannot compute on the processor with backend \"cuda\"; set --device to cuda"
        );
        for share in [0.0, 1.1] {
            let message = refusal(&cuda("cuda", share));
            assert!(message.starts_with("`cuda_memory_fraction` must be above 0 "), "{message}");
        }
    }

    #[test]
    #[cfg(feature = "candle-cuda")]
    fn a_gpu_is_for_candle() {
        let message = refusal(&serde_json::json!({"backend": "cpu", "device": "cuda"}));
        assert!(message.starts_with("Cannot compute on a GPU with backend \"cpu\""), "{message}");
        let config = config(&serde_json::json!({"backend": "candle", "device": "cuda:1"}));
        assert_eq!(config.place().unwrap(), Place::Cuda(1));
    }

    #[test]
    fn other_dtypes_and_broken_json_are_refused_in_one_sentence() {
        let message = refusal(&serde_json::json!({"dtype": "int3"}));
        assert!(message.starts_with("Cannot hold weights in dtype \"int3\""), "{message}");
        let message = refusal(&serde_json::json!({"quantize": "exl2"}));
        assert!(message.contains("\"exl2\": this library knows q8_0, "), "{message}");
        let message = refusal(&serde_json::json!({"kvCacheDtype": "fp8"}));
        assert!(message.contains("unknown variant `fp8`"), "{message}");
        let message = Config::from_json(b"{\"backend\":").unwrap_err().to_string();
        assert!(message.starts_with("Cannot read the engine configuration: "), "{message}");
    }
}
