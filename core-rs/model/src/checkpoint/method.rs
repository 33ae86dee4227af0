//! How weights of few bits are stored, by `quantization_config` and its like.

use serde_json::{Map, Value};

use super::packer::Packer;
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

/// Formats of compressed-tensors whose weights are stored one by one.
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
    let groups = settings.get("config_groups").and_then(Value::as_object);
    let mut weights =
        groups.into_iter().flat_map(Map::values).filter_map(|group| group.get("weights"));
    if format == "pack-quantized" {
        return packed_compressed(weights).map(Method::Words);
    }
    if !COMPRESSED.contains(&format) {
        let known = [&COMPRESSED[..], &["pack-quantized"]].concat().join(", ");
        return refuse(format!(
            "its compressed-tensors have the format {format:?}, this version reads {known}"
        ));
    }
    let sparsity = settings.get("sparsity_config").and_then(|it| it.get("format")?.as_str());
    if let Some(sparsity) = sparsity.filter(|format| *format != "dense") {
        return refuse(format!("its weights are sparse ({sparsity}), which is not served"));
    }
    Ok(Method::Scaled { block: weights.find_map(|it| block(it.get("block_structure")?)) })
}

/// Words of 4 or 8 bits, the same for all layers, without zeros.
fn packed_compressed<'a>(weights: impl Iterator<Item = &'a Value>) -> Result<Packer, Defect> {
    let is_symmetric = |it: &Value| it.get("symmetric").and_then(Value::as_bool).unwrap_or(true);
    let bits = |it: &Value| it.get("num_bits").and_then(Value::as_u64).filter(|_| is_symmetric(it));
    let mut all: Vec<Option<u64>> = weights.map(bits).collect();
    all.dedup();
    match all[..] {
        [Some(bits @ (4 | 8))] => Ok(Packer::Compressed { bits: bits as usize }),
        _ => refuse(
            "its packed compressed-tensors are not all symmetric and of 4 or of 8 bits, which this \
             version reads"
                .to_owned(),
        ),
    }
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
        let weights = json!({"num_bits": 4, "type": "int", "symmetric": true});
        let packed = json!({"quant_method": "compressed-tensors", "format": "pack-quantized",
            "config_groups": {"group_0": {"weights": weights}}});
        assert_eq!(read(&packed), Ok(Method::Words(Packer::Compressed { bits: 4 })));
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
                json!({"quant_method": "compressed-tensors", "format": "marlin-24"}),
                "have the format \"marlin-24\", this",
            ),
            (
                json!({"quant_method": "compressed-tensors", "format": "pack-quantized",
                    "config_groups": {"a": {"weights": {"num_bits": 4, "symmetric": false}}}}),
                "are not all symmetric and of 4 or of 8 bits",
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
