//! `adapter_config.json` of PEFT (`LoraConfig` in `peft/tuners/lora/config.py`).

use std::path::Path;

use serde_json::{Map, Value};

use super::json;
use crate::error::{Defect, ModelError};

const FILE: &str = "adapter_config.json";
/// Largest file; target modules may be listed one by one.
const MAX_BYTES: u64 = 1 << 20;

/// Settings that change what the model computes in a way that this version does not know, unless
/// they are absent, null, false, empty or `none`.
const FOREIGN: [&str; 12] = [
    "modules_to_save",
    "use_dora",
    "bias",
    "lora_bias",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "use_qalora",
    "use_bdlora",
    "alora_invocation_tokens",
    "arrow_config",
    "alpha_pattern",
];

/// Ways to begin a training that leave the model's own weights as they are; others shift them.
const PLAIN_BEGINNINGS: [&str; 4] = ["gaussian", "eva", "orthogonal", "true"];

/// What is used of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    rank: Option<usize>,
    alpha: f64,
    /// Scale by the root of the rank (Kalajdzievski 2023, <https://arxiv.org/abs/2312.03732>).
    by_root: bool,
    /// Whether modules may differ in rank.
    has_rank_pattern: bool,
}

impl Settings {
    /// Reads and checks the file in `folder`.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(FILE);
        let file = path.display().to_string();
        let object = json::object(&path, MAX_BYTES)?.ok_or_else(|| {
            let defect = Defect {
                found: format!("it is no folder with {FILE}"),
                fix: "give the folder of a LoRA adapter as PEFT saves it",
            };
            defect.of(&folder.display().to_string())
        })?;
        Self::of(&object).map_err(|defect| defect.of(&file))
    }

    pub fn of(object: &Map<String, Value>) -> Result<Self, Defect> {
        let refuse = |found: String| {
            let fix =
                "choose a plain LoRA adapter, without DoRA, biases, embeddings or saved modules";
            Err(Defect { found, fix })
        };
        match object.get("peft_type").and_then(Value::as_str) {
            Some("LORA") => {}
            other => return refuse(format!("its peft_type is {other:?}, expected \"LORA\"")),
        }
        if let Some(key) = FOREIGN.iter().find(|key| object.get(**key).is_some_and(is_set)) {
            return refuse(format!("it sets {key} to {}, which is not served", object[*key]));
        }
        let beginning = object.get("init_lora_weights").and_then(Value::as_str);
        if let Some(other) = beginning.filter(|name| !PLAIN_BEGINNINGS.contains(name)) {
            return refuse(format!(
                "its init_lora_weights is {other:?}, which changes the model's own weights"
            ));
        }
        let alpha = object.get("lora_alpha").and_then(Value::as_f64);
        let Some(alpha) = alpha.filter(|alpha| alpha.is_finite()) else {
            return Err(Defect::damaged("lora_alpha is no number"));
        };
        let rank = object.get("r").and_then(Value::as_u64);
        Ok(Self {
            rank: rank.and_then(|rank| usize::try_from(rank).ok()),
            alpha,
            by_root: object.get("use_rslora").and_then(Value::as_bool).unwrap_or(false),
            has_rank_pattern: object.get("rank_pattern").is_some_and(is_set),
        })
    }

    /// What `B A` is multiplied with, for a module whose matrices have this rank.
    pub fn scale(&self, module: &str, rank: usize) -> Result<f32, Defect> {
        if !self.has_rank_pattern && self.rank.is_some_and(|known| known != rank) {
            let r = self.rank.unwrap_or(0);
            return Err(Defect::damaged(format!(
                "its matrices for {module} have rank {rank}, {FILE} says {r}"
            )));
        }
        let rank = rank as f64;
        Ok((self.alpha / if self.by_root { rank.sqrt() } else { rank }) as f32)
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty() && text != "none",
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(changes: &Value) -> Result<Settings, String> {
        let mut object = json!({"peft_type": "LORA", "r": 16, "lora_alpha": 32, "bias": "none",
            "use_dora": false, "modules_to_save": null, "init_lora_weights": true});
        for (key, value) in changes.as_object().into_iter().flatten() {
            object[key] = value.clone();
        }
        let object = object.as_object().cloned().unwrap_or_default();
        Settings::of(&object).map_err(|defect| defect.to_string())
    }

    fn scale(changes: &Value, rank: usize) -> Result<f32, String> {
        settings(changes)?.scale("q_proj", rank).map_err(|defect| defect.to_string())
    }

    #[test]
    fn the_scale_is_alpha_by_the_rank_or_by_its_root() {
        assert_eq!(scale(&json!({}), 16), Ok(2.0));
        assert_eq!(scale(&json!({"use_rslora": true}), 16), Ok(8.0));
        assert_eq!(scale(&json!({"rank_pattern": {"q_proj": 8}}), 8), Ok(4.0));
    }

    #[test]
    fn a_rank_that_the_file_does_not_say_is_refused() {
        assert!(scale(&json!({}), 8).unwrap_err().contains("have rank 8, adapter_config.json"));
    }

    #[test]
    fn what_is_more_than_a_low_rank_update_is_refused_by_name() {
        for (key, value) in [
            ("use_dora", json!(true)),
            ("modules_to_save", json!(["lm_head"])),
            ("bias", json!("all")),
            ("alpha_pattern", json!({"q_proj": 3})),
            ("trainable_token_indices", json!([1])),
        ] {
            let refusal = settings(&json!({ key: value })).unwrap_err();
            assert!(refusal.starts_with(&format!("it sets {key} to ")), "{refusal}");
        }
        let refusal = settings(&json!({"peft_type": "LOHA"})).unwrap_err();
        assert!(refusal.contains("Some(\"LOHA\"), expected"), "{refusal}");
        let refusal = settings(&json!({"init_lora_weights": "pissa"})).unwrap_err();
        assert!(refusal.contains("\"pissa\", which changes the model's own"), "{refusal}");
        let refusal = settings(&json!({"lora_alpha": "x"})).unwrap_err();
        assert!(refusal.starts_with("lora_alpha is no number"), "{refusal}");
    }
}
