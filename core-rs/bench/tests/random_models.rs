//! Random weights stand in for real files: they have the same size, and a backend computes them.

use std::path::Path;

use tgi_bench::arguments::Arguments;
use tgi_bench::random::RandomModel;
use tgi_bench::streams::Streams;
use tgi_bench::subject::Subject;
use tgi_model::Model;

#[test]
fn a_random_smollm2_is_as_large_as_the_real_file() {
    let folder = std::env::var_os("TGI_TEST_MODELS").unwrap_or_default();
    let path = Path::new(&folder).join("smollm2-135m-instruct-q4_1.gguf");
    assert!(path.is_file(), "Cannot find {}; run `deno task models`", path.display());
    let real = Model::open(&path).unwrap();
    let random = RandomModel::named("smollm2-135m:q4_1").unwrap();
    assert_eq!(random.tensor_bytes(), real.tensor_bytes());
}

/// The tokens of two streams after a prefill and three decodes.
fn generated(backend: &str, chunk: &str) -> Vec<u32> {
    let fixture = format!("{}/../../tests/fixtures/tiny-llama.gguf", env!("CARGO_MANIFEST_DIR"));
    let line = ["tgi-bench", "-m", &fixture, "-p", "0", "-n", "3", "-s", "2", "--backend", backend];
    let arguments = Arguments::read(line.into_iter().chain(["--chunk", chunk])).unwrap();
    let mut subject = Subject::load(&arguments).unwrap();
    let mut streams = Streams::new(&mut *subject.backend, arguments.chunk, 2, 64, 3);
    streams.prefill().unwrap();
    streams.decode(3).unwrap();
    streams.last_tokens()
}

#[test]
fn streams_generate_the_same_tokens_in_every_chunking() {
    let whole = generated("cpu", "512");
    assert_eq!(whole.len(), 2);
    for chunk in ["1", "7", "64"] {
        assert_eq!(generated("cpu", chunk), whole, "chunks of {chunk}");
    }
    assert_eq!(generated("candle", "512"), generated("candle", "512"));
}
