//! How long masks take: `mask_times MODEL.gguf SCHEMAS.jsonl`.
//!
//! Every schema is compiled for the model's tokenizer and followed by tokens that its masks allow,
//! picked at random from fixed seeds. Told are the times of compiling, and of each mask with the
//! step of the grammar that made it possible.

use std::{env, fs, path::Path, sync::Arc, time::Instant};

use serde_json::Value;
use tgi_engine::{Grammar, GrammarKind, grammar::Compiler};
use tgi_model::Model;

/// Tokens that follow each schema at most.
const TOKENS: usize = 200;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, schemas] = &arguments[..] else {
        eprintln!("Usage: mask_times MODEL.gguf SCHEMAS.jsonl");
        std::process::exit(2);
    };
    let compiler = Compiler::new(Arc::new(Model::open(Path::new(model)).unwrap().tokenizer));
    let (mut compiles, mut masks) = (Vec::new(), Vec::new());
    for (line, seed) in fs::read_to_string(schemas).unwrap().lines().zip(1..) {
        let entry: Value = serde_json::from_str(line).unwrap();
        let grammar = Grammar { kind: GrammarKind::JsonSchema, text: entry["schema"].to_string() };
        let start = Instant::now();
        let Ok(mut state) = compiler.compile(&grammar) else { continue };
        compiles.push(start.elapsed().as_secs_f64() * 1e6);
        let mut random: u64 = seed;
        let mut last: Option<u32> = None;
        for _ in 0..TOKENS {
            let start = Instant::now();
            state.feed(last.as_slice());
            state.walk(&[]);
            masks.push(start.elapsed().as_secs_f64() * 1e6);
            let Ok(mask) = state.mask(0) else { break };
            let allowed = mask.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            if allowed == 0 {
                break;
            }
            // Knuth's MMIX generator.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            last = Some(nth(mask, (random >> 33) % allowed));
        }
    }
    report("compiling", &mut compiles);
    report("a mask", &mut masks);
}

/// The id of the set bit number `wanted`.
fn nth(mask: &[u32], wanted: u64) -> u32 {
    let is_set = |&id: &u32| mask[id as usize / 32] >> (id % 32) & 1 == 1;
    (0..mask.len() as u32 * 32).filter(is_set).nth(wanted as usize).unwrap_or_default()
}

fn report(what: &str, micros: &mut [f64]) {
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    let (count, p50, p99) = (micros.len(), at(0.5), at(0.99));
    println!("{what}: {count} times, p50 {p50:.0} µs, p99 {p99:.0} µs, longest {:.0} µs", at(1.0));
}
