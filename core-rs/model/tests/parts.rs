//! A model with other bytes around it in its file, as an executable carries one.

mod support;

use std::fs;
use std::path::PathBuf;

use support::tiny;
use tgi_model::{FilePart, Model, Role};

const OFFSET: u64 = 8192;

/// A file with a model of `length` bytes at [`OFFSET`].
struct Carrier {
    path: PathBuf,
    length: u64,
}

impl Carrier {
    fn new(name: &str) -> Self {
        let model = tiny::llama().bytes();
        let path = std::env::temp_dir().join(format!("tgi-{name}-{}", std::process::id()));
        let mut bytes = vec![0x7f; OFFSET as usize];
        bytes.extend(&model);
        bytes.extend([0x7f; 333]);
        fs::write(&path, bytes).unwrap();
        Self { path, length: model.len() as u64 }
    }

    fn open(&self, offset: u64, length: u64) -> Result<Model, String> {
        Model::open_part(&self.path, FilePart { offset, length }).map_err(|error| error.to_string())
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn a_carried_model_has_the_weights_of_the_file() {
    let carrier = Carrier::new("carried");
    let carried = carrier.open(OFFSET, carrier.length).unwrap();
    let alone = Model::from_bytes("tiny.gguf", &tiny::llama().bytes()).unwrap();
    let bytes = |model: &Model| model.tensor(Role::TokenEmbedding, None).unwrap().bytes.to_vec();
    assert_eq!(bytes(&carried), bytes(&alone));
    assert_eq!(carried.tensor_bytes(), alone.tensor_bytes());
}

#[test]
fn a_wrong_range_is_one_sentence() {
    let carrier = Carrier::new("wrong-range");
    let refusal = |offset, length| carrier.open(offset, length).err().unwrap();
    assert!(refusal(0, carrier.length).contains("expected GGUF"));
    assert!(refusal(OFFSET, carrier.length / 2).contains("; fetch the file again"));
    assert!(refusal(OFFSET + 1, carrier.length).contains("expected a multiple of 4096"));
    assert!(refusal(OFFSET, u64::MAX).contains("takes 18446744073709551615 bytes"));
}
