//! Folders of Hugging Face in the making, sound and broken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tgi_model::Model;

/// A folder of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

/// A tensor: type, shape, bytes.
pub type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// A folder that is gone when this is dropped.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    /// A copy of a fixture.
    pub fn copy(name: &str) -> Self {
        Self::copy_of(&fixture(name))
    }

    /// A copy of any folder.
    pub fn copy_of(folder: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tgi-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
        }
        Self { path }
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path.join(name), bytes).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path.join(name)).unwrap();
    }

    /// Sets a value of `config.json`.
    pub fn set(&self, key: &str, value: Value) {
        let path = self.path.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config[key] = value;
        fs::write(path, config.to_string()).unwrap();
    }

    /// The tensors of `model.safetensors`.
    pub fn tensors(&self) -> BTreeMap<String, Stored> {
        let bytes = fs::read(self.path.join("model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let stored = |view: TensorView| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        file.tensors().into_iter().map(|(name, view)| (name, stored(view))).collect()
    }

    /// Writes tensors to a file.
    pub fn store(&self, file: &str, tensors: &BTreeMap<String, Stored>) {
        let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        self.write(file, safetensors::serialize(views, None).unwrap());
    }

    pub fn open(&self) -> Model {
        Model::open(&self.path).unwrap()
    }

    /// Why it does not open: one sentence.
    pub fn refusal(&self) -> String {
        let refusal = Model::open(&self.path).err().unwrap().to_string();
        assert!(refusal.starts_with("Cannot open ") && !refusal.contains('\n'), "{refusal}");
        refusal
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
