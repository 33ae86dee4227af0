//! Checkpoints of AWQ, GPTQ, fp8 and compressed-tensors against what their tensors stand for in float32, by
//! `scripts/tiny_checkpoints/packed.py`.

mod support;

use std::collections::{BTreeMap, HashMap};

use half::f16;
use safetensors::Dtype;
use serde_json::json;
use support::folder::{Folder, Stored, fixture};
use tgi_model::{Model, Role, StorageType, WeightFormat};

const PROJECTIONS: [(Role, &str); 7] = [
    (Role::Query, "self_attn.q_proj"),
    (Role::Key, "self_attn.k_proj"),
    (Role::Value, "self_attn.v_proj"),
    (Role::AttentionOutput, "self_attn.o_proj"),
    (Role::Gate, "mlp.gate_proj"),
    (Role::Up, "mlp.up_proj"),
    (Role::Down, "mlp.down_proj"),
];

/// Calls `check` with each projection: its name, its storage type, the largest difference from the
/// golden rows in steps of the quantization, and the largest relative one.
fn projections(name: &str, check: impl Fn(&str, StorageType, f32, f32)) {
    let model = Model::open(&fixture(name)).unwrap();
    let golden = std::fs::read(fixture(name).join("golden.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
    let golden: HashMap<String, [Vec<f32>; 2]> =
        serde_json::from_value(golden["weights"].clone()).unwrap();
    assert_eq!(golden.len(), 2 * PROJECTIONS.len());
    for layer in 0..2 {
        for (role, stem) in PROJECTIONS {
            let name = format!("model.layers.{layer}.{stem}.weight");
            let view = model.tensor(role, Some(layer)).unwrap();
            assert_eq!(view.name, name);
            let numbers = view.dequantize().unwrap();
            let columns = view.shape[1];
            let (mut steps, mut relative) = (0.0f32, 0.0f32);
            for (row, expected) in [0, view.shape[0] - 1].into_iter().zip(&golden[&name]) {
                let found = &numbers[row * columns..][..columns];
                for (column, (found, expected)) in found.iter().zip(expected).enumerate() {
                    let off = (found - expected).abs();
                    let block = (row * columns + column) / 32 * 20;
                    let bytes = [view.bytes[block], view.bytes[block + 1]];
                    steps = steps.max(off / f16::from_le_bytes(bytes).to_f32().abs());
                    relative = relative.max(off / expected.abs().max(1e-6));
                }
            }
            check(&name, view.dtype, steps, relative);
        }
    }
}

#[test]
fn awq_is_within_a_256th_of_a_step() {
    projections("tiny-llama-awq", |name, dtype, steps, _| {
        assert_eq!(dtype.to_string(), "Q4_1", "{name}");
        assert!(steps <= 1.0 / 256.0, "{name}: {steps} steps");
    });
}

#[test]
fn symmetric_gptq_is_exact_and_any_other_is_within_a_256th_of_a_step() {
    projections("tiny-llama-gptq", |name, dtype, steps, relative| {
        if name.contains("down_proj") {
            // In the order of its activations: half precision.
            assert_eq!(dtype.to_string(), "F16", "{name}");
            assert!(relative <= 1.0 / 2048.0, "{name}: {relative}");
        } else {
            assert_eq!(dtype.to_string(), "Q4_1", "{name}");
            let limit = if name.contains("q_proj") { 0.0 } else { 1.0 / 256.0 };
            assert!(steps <= limit, "{name}: {steps} steps");
        }
    });
}

#[test]
fn packed_compressed_tensors_are_exact() {
    projections("tiny-llama-w4a16", |name, dtype, steps, _| {
        assert_eq!(dtype.to_string(), "Q4_1", "{name}");
        assert!(steps == 0.0, "{name}: {steps} steps");
    });
    let folder = Folder::copy("tiny-llama-w4a16");
    let mut tensors = folder.tensors();
    let name = "model.layers.0.mlp.up_proj.weight_scale";
    tensors.get_mut(name).unwrap().1 = vec![2, 96];
    folder.store("model.safetensors", &tensors);
    assert!(folder.refusal().contains("do not fit together: weight_packed [96, 8]"));
    tensors.remove(name);
    folder.store("model.safetensors", &tensors);
    assert!(folder.refusal().contains("up_proj.weight_packed lacks weight_zero_point or"));
}

#[test]
fn gptq_of_8_bits_is_exact_when_symmetric_and_else_half_precision() {
    projections("tiny-llama-gptq-8bit", |name, dtype, _, relative| {
        let (expected, limit) =
            if name.contains("q_proj") { ("Q8_0", 0.0) } else { ("F16", 1.0 / 2048.0) };
        assert_eq!(dtype.to_string(), expected, "{name}");
        assert!(relative <= limit, "{name}: {relative}");
    });
}

#[test]
fn floats_and_integers_with_scales_become_half_precision() {
    for name in ["tiny-llama-fp8", "tiny-llama-compressed"] {
        projections(name, |name, dtype, _, relative| {
            assert_eq!(dtype.to_string(), "F16", "{name}");
            assert!(relative <= 1.0 / 2048.0, "{name}: {relative}");
        });
    }
}

#[test]
fn weights_with_scales_may_be_quantized_at_load() {
    let model = Model::open(&fixture("tiny-llama-fp8")).unwrap();
    let model = model.with_format(WeightFormat::quantized("q8_0").unwrap()).unwrap();
    assert_eq!(model.tensor(Role::Up, Some(1)).unwrap().dtype.to_string(), "Q8_0");
}

#[test]
fn scales_that_are_missing_or_do_not_fit_are_refused() {
    let scale = "model.layers.0.mlp.up_proj.weight_scale_inv";
    let spoil = |change: &dyn Fn(&mut BTreeMap<String, Stored>)| {
        let folder = Folder::copy("tiny-llama-fp8");
        let mut tensors = folder.tensors();
        change(&mut tensors);
        folder.store("model.safetensors", &tensors);
        folder.refusal()
    };
    let refusal = spoil(&|tensors| {
        tensors.remove(scale);
    });
    assert!(refusal.contains("up_proj.weight lacks its scales"), "{refusal}");
    let refusal = spoil(&|tensors| {
        tensors.insert(scale.to_owned(), (Dtype::F32, vec![7, 2], vec![0; 56]));
    });
    assert!(refusal.contains("its scales [7, 2], which do not fit together"), "{refusal}");
    let refusal = spoil(&|tensors| {
        tensors.insert(scale.to_owned(), (Dtype::I32, vec![3, 2], vec![0; 24]));
    });
    assert!(refusal.contains("do not fit together"), "{refusal}");
    let folder = Folder::copy("tiny-llama-fp8");
    folder.set("quantization_config", json!(null));
    assert!(folder.refusal().contains("has type F8_E4M3, this version reads"));
}

#[test]
fn the_second_format_of_gptq_stores_zeros_as_they_are() {
    let folder = Folder::copy("tiny-llama-gptq");
    let settings = json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "gptq_v2"});
    folder.set("quantization_config", settings);
    let first = Model::open(&fixture("tiny-llama-gptq")).unwrap();
    let second = folder.open();
    let numbers = |model: &Model| model.tensor(Role::Query, Some(0)).unwrap().dequantize().unwrap();
    let view = first.tensor(Role::Query, Some(0)).unwrap();
    let scale = f16::from_le_bytes([view.bytes[0], view.bytes[1]]).to_f32();
    // Zeros of 7 and not of 8: every weight is a step larger.
    let (first, second) = (numbers(&first), numbers(&second));
    assert!((second[0] - first[0] - scale).abs() <= scale / 256.0);
}

#[test]
fn older_files_say_how_weights_are_packed() {
    for (name, file, settings) in [
        ("tiny-llama-gptq", "quantize_config.json", json!({"bits": 4, "desc_act": true})),
        ("tiny-llama-awq", "quant_config.json", json!({"w_bit": 4, "version": "GEMM"})),
    ] {
        let folder = Folder::copy(name);
        folder.set("quantization_config", json!(null));
        assert!(folder.refusal().contains("weight is missing"), "{}", folder.refusal());
        folder.write(file, settings.to_string());
        let up = |model: &Model| model.tensor(Role::Up, Some(0)).unwrap().bytes.into_owned();
        assert_eq!(up(&folder.open()), up(&Model::open(&fixture(name)).unwrap()), "{name}");
    }
}

#[test]
fn biases_of_zeros_are_passed_over_and_others_are_not() {
    let folder = Folder::copy("tiny-llama-gptq");
    let mut tensors = folder.tensors();
    let name = "model.layers.1.mlp.down_proj.bias".to_owned();
    tensors.insert(name.clone(), (Dtype::F16, vec![64], vec![0; 128]));
    folder.store("model.safetensors", &tensors);
    assert_eq!(folder.open().spec.layers, 2);
    tensors.insert(name, (Dtype::F16, vec![64], vec![1; 128]));
    folder.store("model.safetensors", &tensors);
    assert!(folder.refusal().contains("down_proj.bias has no use"), "{}", folder.refusal());
}

#[test]
fn quantizations_that_are_not_read_are_refused_with_what_to_do() {
    for (settings, expected) in [
        (json!({"quant_method": "exl2"}), "its quantization is \"exl2\", this version reads awq"),
        (json!({"quant_method": "gptq", "bits": 3}), "has bits 3, this version reads 4 and 8"),
        (json!({"quant_method": "awq"}), "has bits missing"),
        (json!({"quant_method": "awq", "bits": 4, "version": "gemv"}), "layout is \"gemv\""),
    ] {
        let folder = Folder::copy("tiny-llama-awq");
        folder.set("quantization_config", settings);
        let refusal = folder.refusal();
        assert!(refusal.contains(expected), "{refusal}");
        assert!(refusal.contains("quantize it by --quantize"), "{refusal}");
    }
}

#[test]
fn packed_tensors_that_do_not_fit_together_are_refused() {
    let stem = "model.layers.0.mlp.up_proj";
    let spoil = |end: &str, shape: &[usize]| {
        let folder = Folder::copy("tiny-llama-gptq");
        let mut tensors = folder.tensors();
        let (_, found, bytes) = tensors.get_mut(&format!("{stem}.{end}")).unwrap();
        *found = shape.to_vec();
        let size = shape.iter().product::<usize>() * if end == "scales" { 2 } else { 4 };
        bytes.resize(size, 9);
        folder.store("model.safetensors", &tensors);
        folder.refusal()
    };
    for (end, shape) in [
        ("qweight", &[8, 95][..]),
        ("qweight", &[768]),
        ("qweight", &[0, 96]),
        ("qzeros", &[2, 13]),
        ("scales", &[0, 96]),
        ("scales", &[3, 96]),
    ] {
        let refusal = spoil(end, shape);
        assert!(refusal.contains("do not fit together"), "{end} {shape:?}: {refusal}");
    }
    let refusal = spoil("g_idx", &[63]);
    assert!(refusal.contains("is no index of 64 inputs into 2 groups"), "{refusal}");
    let folder = Folder::copy("tiny-llama-gptq");
    let mut tensors = folder.tensors();
    tensors.remove(&format!("{stem}.scales"));
    folder.store("model.safetensors", &tensors);
    assert!(folder.refusal().contains("up_proj.qweight lacks qzeros or scales"));
}

#[test]
fn an_index_out_of_range_is_refused() {
    let folder = Folder::copy("tiny-llama-gptq");
    let mut tensors = folder.tensors();
    let (.., bytes) = tensors.get_mut("model.layers.1.mlp.down_proj.g_idx").unwrap();
    bytes[..4].copy_from_slice(&(-1i32).to_le_bytes());
    folder.store("model.safetensors", &tensors);
    assert!(folder.refusal().contains("is no index of 96 inputs into 3 groups"));
}
