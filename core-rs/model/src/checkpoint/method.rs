//! How weights of few bits are stored, by `quantization_config` and its like.

use serde_json::{Map, Value};

use super::packed::Packer;
use crate::error::Defect;

/// How weights of few bits are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Packed into words.
    Words(Packer),
    /// One by one, with scales beside them.
    Scaled {
        /// Rows and columns that share a scale, where the settings say so.
        block: Option<[usize; 2]>,
    },
}

/// What else is read of compressed-tensors than its floats.
const COMPRESSED: [&str; 3] = ["float-quantized", "int-quantized", "naive-quantized"];

impl Method {
    /// Reads the settings of a checkpoint.
    pub fn read(settings: &Map<String, Value>) -> Result<Self, Defect> {
        match text(settings, "quant_method") {
            "awq" | "gptq" => packer(settings).map(Self::Words),
            "fp8" | "fbgemm_fp8" => {
                Ok(Self::Scaled { block: settings.get("weight_block_size").and_then(block) })
            }
            "compressed-tensors" => compressed(settings),
            other => refuse(format!(
                "its quantization is {other:?}, this version reads awq, gptq, fp8 and \
                 compressed-tensors"
            )),
        }
    }
}

fn refuse<T>(found: String) -> Result<T, Defect> {
    Err(Defect { found, fix: "take the model with float weights and quantize it by --quantize" })
}

fn text<'a>(settings: &'a Map<String, Value>, key: &str) -> &'a str {
    settings.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn packer(settings: &Map<String, Value>) -> Result<Packer, Defect> {
    let is_awq = text(settings, "quant_method") == "awq";
    let known: &[u64] = if is_awq { &[4] } else { &[4, 8] };
    // AutoAWQ's own files say `w_bit`.
    let bits = ["bits", "w_bit"].iter().find_map(|key| settings.get(*key));
    let Some(number) = bits.and_then(Value::as_u64).filter(|bits| known.contains(bits)) else {
        let bits = bits.map_or("missing".to_owned(), Value::to_string);
        let known = if is_awq { "4" } else { "4 and 8" };
        return refuse(format!("its quantization has bits {bits}, this version reads {known}"));
    };
    if !is_awq {
        let zero = u8::from(text(settings, "checkpoint_format") != "gptq_v2");
        return Ok(Packer::Gptq { zero, bits: number as usize });
    }
    let version = text(settings, "version");
    if !(version.is_empty() || version.eq_ignore_ascii_case("gemm")) {
        return refuse(format!("its AWQ layout is {version:?}, this version reads \"gemm\""));
    }
    Ok(Packer::Awq)
}

fn compressed(settings: &Map<String, Value>) -> Result<Method, Defect> {
    let format = text(settings, "format");
    if !COMPRESSED.contains(&format) {
        let known = COMPRESSED.join(", ");
        return refuse(format!(
            "its compressed-tensors have the format {format:?}, this version reads {known}"
        ));
    }
    let sparsity = settings.get("sparsity_config").and_then(|it| it.get("format")?.as_str());
    if let Some(sparsity) = sparsity.filter(|format| *format != "dense") {
        return refuse(format!("its weights are sparse ({sparsity}), which is not served"));
    }
    let groups = settings.get("config_groups").and_then(Value::as_object);
    let mut weights = groups.into_iter().flat_map(Map::values);
    let block = weights.find_map(|group| block(group.get("weights")?.get("block_structure")?));
    Ok(Method::Scaled { block })
}

/// Two sizes.
fn block(value: &Value) -> Option<[usize; 2]> {
    let sizes: Vec<usize> = value
        .as_array()?
        .iter()
        .map(|size| Some(size.as_u64()? as usize))
        .collect::<Option<_>>()?;
    sizes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: &Value) -> Result<Method, String> {
        let settings = settings.as_object().cloned().unwrap_or_default();
        Method::read(&settings).map_err(|defect| defect.to_string())
    }

    #[test]
    fn every_method_is_known_by_its_settings() {
        let gptq = |zero, bits| Ok(Method::Words(Packer::Gptq { zero, bits }));
        assert_eq!(
            read(&json!({"quant_method": "awq", "bits": 4})),
            Ok(Method::Words(Packer::Awq))
        );
        assert_eq!(read(&json!({"quant_method": "gptq", "bits": 8})), gptq(1, 8));
        let second = json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "gptq_v2"});
        assert_eq!(read(&second), gptq(0, 4));
        let blocks = json!({"quant_method": "fp8", "weight_block_size": [128, 64]});
        assert_eq!(read(&blocks), Ok(Method::Scaled { block: Some([128, 64]) }));
        let fbgemm = json!({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0});
        assert_eq!(read(&fbgemm), Ok(Method::Scaled { block: None }));
        let weights = json!({"strategy": "block", "block_structure": [32, 16]});
        let compressed = json!({"quant_method": "compressed-tensors", "format": "float-quantized",
            "config_groups": {"group_0": {"weights": weights}}});
        assert_eq!(read(&compressed), Ok(Method::Scaled { block: Some([32, 16]) }));
    }

    #[test]
    fn what_is_not_read_is_refused_by_its_name() {
        for (settings, expected) in [
            (json!({"quant_method": "exl2", "bits": 4.0}), "its quantization is \"exl2\", this"),
            (json!({"quant_method": "bitsandbytes"}), "its quantization is \"bitsandbytes\""),
            (json!({"quant_method": "awq", "bits": 8}), "has bits 8, this version reads 4;"),
            (json!({"quant_method": "gptq", "bits": 3}), "has bits 3, this version reads 4 and 8;"),
            (json!({"quant_method": "gptq"}), "has bits missing, this version reads 4 and 8;"),
            (
                json!({"quant_method": "awq", "bits": 4, "version": "gemv"}),
                "layout is \"gemv\", this",
            ),
            (
                json!({"quant_method": "compressed-tensors", "format": "pack-quantized"}),
                "have the format \"pack-quantized\", this",
            ),
            (
                json!({"quant_method": "compressed-tensors", "format": "int-quantized",
                    "sparsity_config": {"format": "sparse-24-bitmask"}}),
                "its weights are sparse (sparse-24-bitmask)",
            ),
        ] {
            let refusal = read(&settings).unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
            assert!(refusal.ends_with("quantize it by --quantize"), "{refusal}");
        }
    }
}
