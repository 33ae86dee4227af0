//! `LoRA` adapters: what PEFT computes, and rows that depend on their own adapter alone.

mod common;

use common::repository_tests;
use serde::Deserialize;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat, adapter_arena_bytes, adapter_bytes};
use tgi_model::{Adapter, Model, WeightFormat};

const ADAPTERS: [&str; 2] = ["every", "attention"];

#[derive(Deserialize)]
struct Golden {
    ids: Vec<u32>,
    /// Indices into `ids`.
    logit_rows: Vec<usize>,
    /// `[rows, vocab]`.
    logits: Vec<Vec<f32>>,
    greedy_ids: Vec<u32>,
}

fn golden(name: &str, file: &str) -> Golden {
    let path = repository_tests("fixtures/tiny-llama-adapters").join(name).join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn open(file: &str, format: Option<&str>, threads: usize, isa: Isa) -> CpuBackend {
    open_with(file, format, &ADAPTERS, (threads, isa))
}

fn open_with(
    file: &str,
    format: Option<&str>,
    adapters: &[&str],
    (threads, isa): (usize, Isa),
) -> CpuBackend {
    let fixtures = repository_tests("fixtures");
    let mut model = Model::open(&fixtures.join(file)).unwrap();
    if let Some(format) = format {
        let format = WeightFormat::rounded(format).or_else(|| WeightFormat::quantized(format));
        model = model.with_format(format.unwrap()).unwrap();
    }
    let adapter = |name: &&str| {
        Adapter::open(&fixtures.join("tiny-llama-adapters").join(name), &model.spec).unwrap()
    };
    let adapters: Vec<Adapter> = adapters.iter().map(adapter).collect();
    let options = CpuOptions {
        pages: 64,
        batch_tokens: 256,
        logit_rows: 256,
        threads: Some(threads),
        kv: KvFormat::F16,
    };
    let backend = CpuBackend::from_source(&model.spec, &model, &options, isa).unwrap();
    backend.with_adapters(&adapters).unwrap()
}

/// A sequence, and how far it has come.
struct Run {
    tokens: Vec<u32>,
    adapter: Option<u32>,
    first_page: u32,
    done: usize,
    /// Logits after each token.
    logits: Vec<Vec<f32>>,
}

impl Run {
    fn new(tokens: &[u32], adapter: Option<u32>, number: u32) -> Self {
        let first_page = number * 4;
        Self { tokens: tokens.to_vec(), adapter, first_page, done: 0, logits: Vec::new() }
    }
}

/// One step with `counts` tokens of each run.
fn step(backend: &mut CpuBackend, runs: &mut [Run], counts: &[usize]) {
    let mut batch = Batch::default();
    for (run, &count) in runs.iter().zip(counts).filter(|(_, count)| **count > 0) {
        let pages = (run.tokens.len().div_ceil(PAGE_TOKENS)) as u32;
        let pages: Vec<u32> = (run.first_page..run.first_page + pages).collect();
        let first = batch.push_sequence(&run.tokens[run.done..run.done + count], &pages, run.done);
        batch.set_adapter(run.adapter);
        batch.logit_rows.extend((first..first + count).map(|row| row as u32));
    }
    let logits = backend.forward(&batch).unwrap();
    let mut row = 0;
    for (run, &count) in runs.iter_mut().zip(counts) {
        run.logits.extend((row..row + count).map(|row| logits.row(row).to_vec()));
        run.done += count;
        row += count;
    }
}

fn alone(backend: &mut CpuBackend, tokens: &[u32], adapter: Option<u32>) -> Vec<Vec<f32>> {
    let mut runs = [Run::new(tokens, adapter, 0)];
    step(backend, &mut runs, &[tokens.len()]);
    let [run] = runs;
    run.logits
}

fn best(logits: &[f32]) -> u32 {
    let larger = |best: usize, id: usize| if logits[id] > logits[best] { id } else { best };
    (0..logits.len()).reduce(larger).unwrap() as u32
}

/// Largest distance of logits of an adapter to PEFT's; the greedy continuation must be the same.
fn distance(backend: &mut CpuBackend, adapter: u32, golden: &Golden) -> f32 {
    let whole = [&golden.ids[..], &golden.greedy_ids].concat();
    let logits = alone(backend, &whole, Some(adapter));
    let after = &logits[golden.ids.len() - 1..whole.len() - 1];
    let greedy: Vec<u32> = after.iter().map(|row| best(row)).collect();
    assert_eq!(greedy, golden.greedy_ids);
    let rows = golden.logit_rows.iter().zip(&golden.logits);
    rows.flat_map(|(&row, golden)| logits[row].iter().zip(golden))
        .map(|(ours, golden)| (ours - golden).abs())
        .fold(0.0, f32::max)
}

#[test]
fn adapters_agree_with_peft() {
    // Weights in f32 leave the KV cache's f16; those of the GGUF file are multiplied as bytes.
    for (file, format, goldens, limit) in [
        ("tiny-llama", Some("float32"), "golden.json", 2e-3),
        ("tiny-llama", None, "golden.json", 0.05),
        ("tiny-llama.gguf", None, "golden-gguf.json", 0.15),
    ] {
        let mut backend = open(file, format, 2, Isa::best());
        for (number, name) in (0..).zip(ADAPTERS) {
            let difference = distance(&mut backend, number, &golden(name, goldens));
            println!("{file} {format:?} with {name}: largest difference {difference:.1e}");
            assert!(difference <= limit, "{file} {format:?} {name}: {difference}");
        }
    }
}

#[test]
fn any_mix_of_adapters_gives_the_bytes_of_a_sequence_alone() {
    let ids = golden("every", "golden.json").ids;
    for format in [None, Some("float32"), Some("q8_0")] {
        let mut mixed = open("tiny-llama", format, 3, Isa::best());
        let adapters = [Some(0), None, Some(1), Some(1), Some(0), None, Some(0)];
        let mut runs: Vec<Run> = (0..)
            .zip(adapters)
            .map(|(number, adapter)| Run::new(&ids[number as usize..], adapter, number))
            .collect();
        for turn in 0.. {
            let count = |(index, run): (usize, &Run)| {
                ([1, 7, 0, 20, 1][(turn + index) % 5]).min(run.tokens.len() - run.done)
            };
            let counts: Vec<usize> = runs.iter().enumerate().map(count).collect();
            if counts.iter().sum::<usize>() > 0 {
                step(&mut mixed, &mut runs, &counts);
            } else if runs.iter().all(|run| run.done == run.tokens.len()) {
                break;
            }
        }
        let mut single = open("tiny-llama", format, 1, Isa::best());
        for run in &runs {
            assert_eq!(alone(&mut single, &run.tokens, run.adapter), run.logits, "{format:?}");
        }
        let different: Vec<_> =
            [None, Some(0), Some(1)].map(|adapter| alone(&mut single, &ids, adapter).pop()).into();
        assert!(different[0] != different[1] && different[1] != different[2]);
    }
}

#[test]
fn every_instruction_set_gives_the_same_bytes() {
    let ids = golden("every", "golden.json").ids;
    let mut expected = None;
    for isa in Isa::available() {
        let logits = alone(&mut open("tiny-llama", None, 1, isa), &ids, Some(0));
        assert_eq!(expected.get_or_insert_with(|| logits.clone()), &logits, "{isa:?}");
    }
}

#[test]
fn a_model_beside_adapters_gives_the_bytes_of_one_without() {
    let ids = golden("every", "golden.json").ids;
    let with = alone(&mut open("tiny-llama", None, 1, Isa::best()), &ids, None);
    let mut backend = open_with("tiny-llama", None, &[], (1, Isa::best()));
    assert_eq!(alone(&mut backend, &ids, None), with);
}

#[test]
fn the_plan_counts_whole_panels_of_adapters() {
    let fixtures = repository_tests("fixtures");
    let model = Model::open(&fixtures.join("tiny-llama")).unwrap();
    let folder = fixtures.join("tiny-llama-adapters/attention");
    let adapters = [Adapter::open(&folder, &model.spec).unwrap()];
    // Rank 6 in a panel of 32 rows on inputs of 64; outputs of 64 and 32; q and v of 2 layers.
    assert_eq!(adapter_bytes(&adapters), 4 * 2 * (2 * 32 * 64 + (64 + 32) * 6));
    assert_eq!(adapter_arena_bytes(&adapters, 100), 4 * 100 * 3 * 32);
}
