//! How long masks take: `cargo bench -p tgi-engine --bench mask_time -- model.gguf …`.
//!
//! Walks random texts of every schema of the tests over each model's vocabulary, and prints the
//! times of compiling, of each mask, and of taking in each token.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tgi_engine::grammar::{Compiler, Grammar, GrammarKind, GrammarState};
use tgi_model::{Model, Tokenizer};

/// Tokens of one text.
const TOKENS: usize = 200;

fn main() {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemas.jsonl");
    let schemas = std::fs::read_to_string(schemas).expect("the schemas of the tests");
    for path in std::env::args().skip(1).filter(|argument| !argument.starts_with('-')) {
        let model = Model::open(Path::new(&path)).expect("a model's file");
        measure(Arc::new(model.tokenizer), &schemas);
    }
}

fn measure(tokenizer: Arc<Tokenizer>, schemas: &str) {
    let vocab = tokenizer.vocab();
    let compiler = Compiler::new(tokenizer);
    let started = Instant::now();
    let any = Grammar { kind: GrammarKind::JsonSchema, text: "{}".into() };
    compiler.compile(&any).expect("a grammar");
    println!("{vocab} tokens: first grammar {:?}", started.elapsed());
    let (mut compiles, mut masks, mut feeds) = (Vec::new(), Vec::new(), Vec::new());
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for line in schemas.lines() {
        let entry: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = entry["schema"].to_string();
        let grammar = Grammar { kind: GrammarKind::JsonSchema, text };
        let started = Instant::now();
        let mut state = compiler.compile(&grammar).expect("a grammar");
        compiles.push(started.elapsed());
        for _ in 0..TOKENS {
            let started = Instant::now();
            state.walk(&[]);
            masks.push(started.elapsed());
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let Some(token) = pick(&state, random >> 33) else { break };
            let started = Instant::now();
            state.feed(&[token]);
            feeds.push(started.elapsed());
        }
    }
    report("compile", compiles);
    report("mask", masks);
    report("feed", feeds);
}

/// One of the allowed tokens.
fn pick(state: &GrammarState, random: u64) -> Option<u32> {
    let mask = state.mask(0).ok()?;
    let count: u64 = mask.iter().map(|word| u64::from(word.count_ones())).sum();
    let mut left = random.checked_rem(count)?;
    let mut ids =
        (0..mask.len() as u32 * 32).filter(|id| mask[*id as usize / 32] >> (id % 32) & 1 == 1);
    ids.find(|_| {
        let found = left == 0;
        left = left.wrapping_sub(1);
        found
    })
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (half, most, all) = (at(0.5), at(0.99), at(1.0));
    println!("  {what:8} {:6} times: p50 {half:?}, p99 {most:?}, max {all:?}", times.len());
}
