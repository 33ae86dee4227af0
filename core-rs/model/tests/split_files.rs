//! Models in several GGUF files (`scripts/tiny_checkpoints/split.py`).

mod support;

use std::collections::BTreeMap;
use std::fs;

use support::folder::{Folder, fixture};
use support::gguf::{F32, File, Q8_0, Value};
use support::tiny;
use tgi_model::{FilePart, Model, Role};

const FIRST: &str = "tiny-llama-00001-of-00003.gguf";
const SECOND: &str = "tiny-llama-00002-of-00003.gguf";
const THIRD: &str = "tiny-llama-00003-of-00003.gguf";

/// All tensors: type, shape and bytes by role and name.
fn tensors(model: &Model) -> BTreeMap<String, (String, Vec<usize>, Vec<u8>)> {
    let all = tgi_model::tensor_shapes(&model.spec);
    let tensor = |(role, layer, _): (Role, Option<usize>, Vec<usize>)| {
        let view = model.tensor(role, layer).unwrap();
        let what = (view.dtype.to_string(), view.shape.clone(), view.bytes.to_vec());
        (format!("{role:?} {layer:?}"), what)
    };
    all.into_iter().map(tensor).collect()
}

fn refusal(folder: &Folder, name: &str) -> String {
    Model::open(&folder.path.join(name)).err().unwrap().to_string()
}

/// Changes the bytes of a file of the folder.
fn change(folder: &Folder, name: &str, change: impl Fn(&mut Vec<u8>)) {
    let path = folder.path.join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Writes another number behind a key of two bytes.
fn set_number(bytes: &mut [u8], key: &str, number: u16) {
    let at = bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap();
    let value = at + key.len() + 4;
    bytes[value..value + 2].copy_from_slice(&number.to_le_bytes());
}

#[test]
fn all_files_together_are_the_model_whichever_is_named() {
    let whole = Model::open(&fixture("tiny-llama.gguf")).unwrap();
    for name in [FIRST, SECOND, THIRD] {
        let model = Model::open(&fixture("tiny-llama-split").join(name)).unwrap();
        assert_eq!(model.spec, whole.spec, "{name}");
        assert_eq!(tensors(&model), tensors(&whole), "{name}");
        assert_eq!(model.tensor_bytes(), whole.tensor_bytes());
        let ids = |model: &Model| model.tokenizer.encode("The river isn't naïve.", true).unwrap();
        assert_eq!(ids(&model), ids(&whole));
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    for name in [FIRST, SECOND, THIRD] {
        let folder = Folder::copy("tiny-llama-split");
        fs::remove_file(folder.path.join(name)).unwrap();
        let opened = if name == THIRD { FIRST } else { THIRD };
        let error = refusal(&folder, opened);
        assert!(error.contains(&format!("{name}: No such file")), "{error}");
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let folder = Folder::copy("tiny-llama-split");
    fs::copy(folder.path.join(SECOND), folder.path.join(THIRD)).unwrap();
    assert!(refusal(&folder, FIRST).contains("it is not file 3 of 3, as its name says"));
    change(&folder, THIRD, |bytes| set_number(bytes, "split.no", 2));
    let error = refusal(&folder, FIRST);
    assert!(error.contains("which another of the 3 files has too"), "{error}");

    let folder = Folder::copy("tiny-llama-split");
    change(&folder, FIRST, |bytes| set_number(bytes, "split.tensors.count", 9));
    let error = refusal(&folder, SECOND);
    assert!(error.contains("have 21 tensors, split.tensors.count is 9"), "{error}");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    for (number, count) in [(3, 3), (5, 0), (0, 0xFFFF)] {
        let folder = Folder::copy("tiny-llama-split");
        change(&folder, FIRST, |bytes| {
            set_number(bytes, "split.no", number);
            set_number(bytes, "split.count", count);
        });
        let error = refusal(&folder, FIRST);
        let named = if count > 3 { "its name does not end in" } else { "split.no is" };
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn a_file_of_another_name_is_refused() {
    let folder = Folder::copy("tiny-llama-split");
    fs::rename(folder.path.join(FIRST), folder.path.join("model.gguf")).unwrap();
    let error = refusal(&folder, "model.gguf");
    let expected = "it is file 1 of 3, its name does not end in -00001-of-00003.gguf; give all of \
                    them the names that gguf-split gave them";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn one_of_several_is_no_model_where_there_are_no_others() {
    let path = fixture("tiny-llama-split").join(FIRST);
    let bytes = fs::read(&path).unwrap();
    let part = FilePart { offset: 0, length: bytes.len() as u64 };
    for opened in [Model::open_part(&path, part), Model::from_bytes("carried.gguf", &bytes)] {
        let error = opened.err().unwrap().to_string();
        let expected = "it is one of 3 files; join them by llama-gguf-split --merge";
        assert!(error.ends_with(expected), "{error}");
    }
}

#[test]
fn the_only_one_of_its_kind_is_a_whole_model() {
    let mut file = tiny::llama();
    file.set("split.count", Value::U32(1)).set("split.no", Value::U32(0));
    Model::from_bytes("tiny.gguf", &file.bytes()).unwrap();
}

#[test]
fn numbers_of_the_rope_are_read_from_the_file_that_has_them() {
    let folder = Folder::copy("tiny-llama-split");
    let write = |file: &mut File, number: u32| {
        file.set("split.no", Value::U32(number)).set("split.count", Value::U32(2));
        let name = format!("m-0000{}-of-00002.gguf", number + 1);
        fs::write(folder.path.join(&name), file.bytes()).unwrap();
        name
    };
    let first = write(&mut tiny::llama(), 0);
    let mut second = File::default();
    second.add("padding", &[64, 32], Q8_0).add("rope_freqs.weight", &[8], F32);
    write(&mut second, 1);
    // Its zeros are no divisors, the numbers at their place in the first file are.
    let error = refusal(&folder, &first);
    assert!(error.contains("rope_freqs.weight has a 0, expected numbers above 0"), "{error}");
}
