//! What this library can do on this machine, as JSON: for `tgi doctor` and `tgi --version`.

use serde::Serialize;
use tgi_backend_cpu::isa::Isa;

use crate::candle::candle_isa;
use crate::device::DEVICES;
use crate::memory::available_bytes;

/// Facts of the library, the processor and the memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Version of the library.
    version: &'static str,
    /// What it can compute on.
    devices: &'static [&'static str],
    /// GPUs of this machine that this library can be asked to compute on.
    gpus: Vec<GpuFacts>,
    /// Why there are none, where the driver says so.
    gpu_problem: Option<String>,
    /// `x86_64`, `aarch64`.
    architecture: &'static str,
    /// Threads that may run at a time, heeding affinity and control groups.
    cores: usize,
    /// Instructions that a backend here can use and the processor has.
    features: Vec<&'static str>,
    /// Those that it lacks.
    missing: Vec<&'static str>,
    /// Instruction sets of the `cpu` backend that this processor has, the widest first.
    cpu_isas: Vec<&'static str>,
    /// Instruction set of the `candle` backend.
    candle_isa: &'static str,
    /// What this process may still take.
    available_bytes: u64,
}

/// What the driver says of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct GpuFacts {
    /// As `--device` has it: `cuda:0`.
    device: String,
    /// The product's.
    name: String,
    /// `sm_90` for compute capability 9.0.
    isa: String,
    free_bytes: u64,
    total_bytes: u64,
}

#[cfg(feature = "cuda")]
use tgi_backend_cuda::Gpu;

#[cfg(not(feature = "cuda"))]
use tgi_backend_candle::gpu::{self as candle_gpu, Gpu};

impl From<Gpu> for GpuFacts {
    fn from(gpu: Gpu) -> Self {
        let Gpu { ordinal, name, capability, free_bytes, total_bytes, .. } = gpu;
        Self::new((ordinal, capability), name, (free_bytes, total_bytes))
    }
}

impl GpuFacts {
    fn new(
        (ordinal, capability): (usize, u32),
        name: String,
        (free_bytes, total_bytes): (u64, u64),
    ) -> Self {
        let (device, isa) = (format!("cuda:{ordinal}"), format!("sm_{capability}"));
        Self { device, name, isa, free_bytes, total_bytes }
    }
}

/// The GPUs, or why there are none. A machine without a driver has none, and nothing is wrong.
#[cfg(feature = "cuda")]
fn gpus() -> Result<Vec<Gpu>, String> {
    Gpu::all().map_err(|error| error.to_string())
}

/// The GPUs, or why there are none.
#[cfg(not(feature = "cuda"))]
fn gpus() -> Result<Vec<Gpu>, String> {
    candle_gpu::all().map_err(|error| error.to_string())
}

/// [`Machine`] as JSON.
pub fn describe() -> String {
    let (has, lacks): (Vec<_>, Vec<_>) = features().into_iter().partition(|(_, has)| *has);
    let names = |features: Vec<(&'static str, bool)>| {
        features.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let (gpus, gpu_problem) = match gpus() {
        Ok(gpus) => (gpus.into_iter().map(GpuFacts::from).collect(), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let machine = Machine {
        version: env!("CARGO_PKG_VERSION"),
        devices: DEVICES,
        gpus,
        gpu_problem,
        architecture: std::env::consts::ARCH,
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        features: names(has),
        missing: names(lacks),
        cpu_isas: Isa::available().iter().map(|isa| isa.name()).collect(),
        candle_isa: candle_isa(),
        available_bytes: available_bytes(),
    };
    // Numbers and fixed texts always have a JSON form.
    serde_json::to_string(&machine).unwrap_or_default()
}

/// The instructions that kernels here are written for, and whether the processor has them.
fn features() -> Vec<(&'static str, bool)> {
    #[cfg(target_arch = "x86_64")]
    {
        vec![
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("f16c", is_x86_feature_detected!("f16c")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
            ("avx512bw", is_x86_feature_detected!("avx512bw")),
            ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ]
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_machine_has_a_core_memory_and_an_instruction_set() {
        let machine: serde_json::Value = serde_json::from_str(&describe()).unwrap();
        assert!(machine["cores"].as_u64().unwrap() >= 1);
        assert!(machine["availableBytes"].as_u64().unwrap() > 1 << 20);
        assert_eq!(machine["cpuIsas"].as_array().unwrap().last().unwrap(), "portable");
        assert_eq!(machine["devices"], json!(DEVICES));
    }

    #[test]
    fn a_gpu_is_told_by_the_name_that_the_flag_has() {
        let name = "NVIDIA H200".to_owned();
        let facts = GpuFacts::new((1, 90), name, (5, 6));
        let expected = json!({
            "device": "cuda:1", "name": "NVIDIA H200", "isa": "sm_90", "freeBytes": 5, "totalBytes": 6,
        });
        assert_eq!(serde_json::to_value(facts).unwrap(), expected);
    }

    #[test]
    fn a_machine_has_gpus_or_a_reason_or_neither_and_never_a_panic() {
        let machine: serde_json::Value = serde_json::from_str(&describe()).unwrap();
        assert!(machine["gpuProblem"].is_null() || machine["gpus"] == json!([]));
    }

    #[test]
    fn a_feature_is_there_or_missing() {
        let machine: serde_json::Value = serde_json::from_str(&describe()).unwrap();
        let count = |key: &str| machine[key].as_array().unwrap().len();
        assert_eq!(count("features") + count("missing"), features().len());
    }
}
