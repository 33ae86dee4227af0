//! Broken folders: none makes the process crash, each is refused in one sentence or opens.

mod support;

use proptest::prelude::*;
use support::folder::Folder;
use tgi_model::{Model, WeightFormat};

/// What a byte becomes, and where, counted from the front.
fn changes() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((0..6_000usize, any::<u8>()), 1..4)
}

fn spoil(folder: &Folder, name: &str, changes: &[(usize, u8)], length: Option<usize>) {
    let mut bytes = std::fs::read(folder.path.join(name)).unwrap();
    for &(at, byte) in changes {
        let at = at % bytes.len();
        bytes[at] = byte;
    }
    bytes.truncate(length.map_or(bytes.len(), |length| length % bytes.len()));
    folder.write(name, bytes);
}

/// Opens the folder and reads every weight, as stored and quantized.
fn exercise(folder: &Folder) {
    for format in [None, WeightFormat::quantized("q4_0")] {
        let model = Model::open(&folder.path).and_then(|model| match format {
            Some(format) => model.with_format(format),
            None => Ok(model),
        });
        match model {
            Ok(model) => {
                for (role, layer, _) in tgi_model::tensor_shapes(&model.spec) {
                    drop(model.tensor(role, layer).and_then(|tensor| tensor.dequantize()));
                }
                drop(model.tokenizer.encode("The river", true));
            }
            Err(error) => {
                let sentence = error.to_string();
                assert!(sentence.starts_with("Cannot ") && !sentence.contains('\n'), "{sentence}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_header_makes_it_crash(changes in changes(), length in prop::option::weighted(0.2, any::<usize>())) {
        let folder = Folder::copy("tiny-llama");
        spoil(&folder, "model.safetensors", &changes, length);
        exercise(&folder);
    }

    #[test]
    fn no_packed_weights_make_it_crash(changes in changes()) {
        let folder = Folder::copy("tiny-llama-gptq");
        spoil(&folder, "model.safetensors", &changes, None);
        exercise(&folder);
    }

    #[test]
    fn no_configuration_makes_it_crash(changes in changes(), length in prop::option::weighted(0.2, any::<usize>())) {
        let folder = Folder::copy("tiny-llama-awq");
        spoil(&folder, "config.json", &changes, length);
        exercise(&folder);
    }
}
