//! What the core chose at load: the `EngineInfo` of `ffi/types.ts`, as JSON.

use serde::Serialize;

use crate::backends::Loaded;
use crate::plan::Plan;

/// Facts that hold as long as the core is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    backend: String,
    device: &'static str,
    isa: String,
    isa_reason: String,
    dtype: &'static str,
    architecture: String,
    vocab: usize,
    context: usize,
    max_input_tokens: usize,
    max_total_tokens: usize,
    max_batch_prefill_tokens: usize,
    max_batch_total_tokens: usize,
    max_batch_size: usize,
    batch_invariant: bool,
    chat_template_text: Option<String>,
    plan: MemoryPlan,
}

/// Bytes of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPlan {
    weights_bytes: u64,
    kv_bytes: u64,
    kv_bytes_per_token: u64,
    arena_bytes: u64,
    available_bytes: u64,
}

impl MemoryPlan {
    /// The bytes of a plan.
    pub fn new(plan: &Plan) -> Self {
        Self {
            weights_bytes: plan.weights_bytes,
            kv_bytes: plan.kv_bytes,
            kv_bytes_per_token: plan.kv_bytes_per_token,
            arena_bytes: plan.arena_bytes,
            available_bytes: plan.available_bytes,
        }
    }
}

impl EngineInfo {
    /// The facts of a loaded backend.
    pub fn new(loaded: &Loaded) -> Self {
        let capacity = loaded.backend.capacity();
        let plan = &loaded.plan;
        Self {
            backend: loaded.backend.name().to_owned(),
            device: loaded.device,
            isa: loaded.isa.clone(),
            isa_reason: loaded.isa_reason.clone(),
            dtype: loaded.dtype,
            architecture: loaded.architecture.clone(),
            vocab: capacity.vocab,
            context: capacity.context,
            max_input_tokens: plan.max_input_tokens,
            max_total_tokens: plan.max_total_tokens,
            max_batch_prefill_tokens: plan.max_batch_prefill_tokens,
            max_batch_total_tokens: plan.max_batch_total_tokens,
            max_batch_size: plan.max_batch_size,
            chat_template_text: loaded.template.as_ref().map(|one| one.source().to_owned()),
            batch_invariant: loaded.backend.is_batch_invariant(),
            plan: MemoryPlan::new(plan),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backends::load;
    use crate::config::tests::config;

    #[test]
    fn the_facts_have_the_names_that_the_bridge_reads() {
        let changes = json!({"scripted": {"pages": 16, "context": 300}, "maxBatchSize": 4});
        let loaded = load(&config(&changes), 1 << 30).unwrap();
        let info = serde_json::to_value(EngineInfo::new(&loaded)).unwrap();
        assert_eq!(
            info,
            json!({
                "backend": "scripted", "device": "cpu", "isa": "none", "isaReason": "no model is computed",
                "dtype": "float32",
                "architecture": "scripted", "vocab": 512, "context": 300,
                "maxInputTokens": 299, "maxTotalTokens": 300, "maxBatchPrefillTokens": 300,
                "maxBatchTotalTokens": 512, "maxBatchSize": 4, "batchInvariant": true,
                "chatTemplateText": null,
                "plan": {
                    "weightsBytes": 0, "kvBytes": 2048, "kvBytesPerToken": 4,
                    "arenaBytes": 131_072, "availableBytes": 1 << 30,
                },
            })
        );
    }
}
