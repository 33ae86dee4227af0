//! What this machine offers, as JSON: for `tgi doctor`.

use serde::Serialize;
use tgi_backend_cpu::isa::Isa;

use crate::backends::candle_isa;
use crate::memory::available_bytes;

/// Facts of the processor and the memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// `x86_64`, `aarch64`.
    architecture: &'static str,
    /// Threads that may run at a time, heeding affinity and control groups.
    cores: usize,
    /// Instructions that a backend here can use and the processor has.
    features: Vec<&'static str>,
    /// Those that it lacks.
    missing: Vec<&'static str>,
    /// Instruction set of the `cpu` backend.
    cpu_isa: &'static str,
    /// Instruction set of the `candle` backend.
    candle_isa: &'static str,
    /// What this process may still take.
    available_bytes: u64,
}

/// [`Machine`] as JSON.
pub fn describe() -> String {
    let (has, lacks): (Vec<_>, Vec<_>) = features().into_iter().partition(|(_, has)| *has);
    let names = |features: Vec<(&'static str, bool)>| {
        features.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let machine = Machine {
        architecture: std::env::consts::ARCH,
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        features: names(has),
        missing: names(lacks),
        cpu_isa: Isa::best().name(),
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
    use super::*;

    #[test]
    fn a_machine_has_a_core_memory_and_an_instruction_set() {
        let machine: serde_json::Value = serde_json::from_str(&describe()).unwrap();
        assert!(machine["cores"].as_u64().unwrap() >= 1);
        assert!(machine["availableBytes"].as_u64().unwrap() > 1 << 20);
        assert!(["avx512-vnni", "avx2", "portable"].contains(&machine["cpuIsa"].as_str().unwrap()));
    }

    #[test]
    fn a_feature_is_there_or_missing() {
        let machine: serde_json::Value = serde_json::from_str(&describe()).unwrap();
        let count = |key: &str| machine[key].as_array().unwrap().len();
        assert_eq!(count("features") + count("missing"), features().len());
    }
}
