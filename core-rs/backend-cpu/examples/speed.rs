//! Prefill and decode speed of a model: `speed MODEL.gguf [THREADS]`.

use std::path::Path;
use std::time::Instant;

use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cpu::{CpuBackend, CpuOptions, KvFormat};
use tgi_model::Model;

fn step(backend: &mut CpuBackend, batch: &mut Batch, lengths: &[(usize, usize)], span: u32) {
    batch.clear();
    for (index, &(kv_len, tokens)) in lengths.iter().enumerate() {
        let first = index as u32 * span;
        let pages: Vec<u32> = (first..first + span).collect();
        let ids: Vec<u32> = (0..tokens).map(|i| ((kv_len + i) * 7919 % 30_000) as u32).collect();
        let start = batch.push_sequence(&ids, &pages, kv_len);
        batch.logit_rows.push((start + tokens - 1) as u32);
    }
    backend.forward(batch).unwrap();
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let start = Instant::now();
    let model = Model::open(Path::new(&arguments[1])).unwrap();
    let opened = start.elapsed();
    let start = Instant::now();
    let threads = arguments.get(2).map(|threads| threads.parse().unwrap());
    let options =
        CpuOptions { pages: 512, batch_tokens: 512, logit_rows: 64, threads, kv: KvFormat::F16 };
    let mut backend = CpuBackend::load(&model, &options).unwrap();
    println!(
        "open {:.3} s, load {:.3} s, {}",
        opened.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        backend.isa()
    );
    let mut batch = Batch::default();
    let mut rates: Vec<f64> = (0..4)
        .map(|_| {
            let start = Instant::now();
            step(&mut backend, &mut batch, &[(0, 512)], 16);
            512.0 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    println!("pp512: best {:.0} tok/s, median {:.0}", rates[3], rates[1]);
    for streams in [1, 4, 16, 64] {
        let span = (512 / streams).min(8) as u32;
        let (from, count) = (64, if streams == 1 { 96 } else { 24 });
        let mut times = Vec::new();
        for position in from..from + count {
            assert!(position < span as usize * PAGE_TOKENS);
            let start = Instant::now();
            step(&mut backend, &mut batch, &vec![(position, 1); streams], span);
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let rate = |time: f64| streams as f64 / time;
        println!(
            "tg s{streams}: best {:.0} tok/s, median {:.0}",
            rate(times[0]),
            rate(times[times.len() / 2])
        );
    }
}
