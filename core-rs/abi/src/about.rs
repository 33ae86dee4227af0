//! What this library can do on this machine, before anything is opened: the `LibraryInfo` of
//! `ffi/types.ts`, as JSON.

use serde::Serialize;
use tgi_backend_cpu::isa::Isa;

use crate::config::DEVICES;

/// Facts of the library and of the processor it runs on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LibraryInfo {
    version: &'static str,
    /// What it can compute on.
    devices: &'static [&'static str],
    /// Instruction sets of the `cpu` backend that this processor has, the best first.
    cpu_isas: Vec<&'static str>,
}

/// The facts as JSON.
pub fn about() -> Result<String, serde_json::Error> {
    serde_json::to_string(&LibraryInfo {
        version: env!("CARGO_PKG_VERSION"),
        devices: &DEVICES,
        cpu_isas: Isa::available().iter().map(|isa| isa.name()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_instructions_are_always_there_and_come_last() {
        let info: serde_json::Value = serde_json::from_str(&about().unwrap()).unwrap();
        assert_eq!(info["cpuIsas"].as_array().unwrap().last().unwrap(), "portable");
        assert_eq!(info["devices"], serde_json::json!(["cpu"]));
        assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    }
}
