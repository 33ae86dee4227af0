//! The instruction set to compute with: the fastest here, by the clock.
//!
//! A CPU's flags do not tell which kernel is faster: wide registers may be emulated or lower the
//! clock, and one CPU's dot products of bfloat16 run at half the rate of another's. All
//! instruction sets give the same bytes, so a few milliseconds of measuring at load decide nothing
//! but the time that answers take.

use std::time::{Duration, Instant};

use candle_core::quantized::GgmlDType;

use super::Isa;
use crate::activation::ActivationBlock;
use crate::error::CpuError;
use crate::matrix::{Input, Matrix, load};
use crate::product::{Blocks, PanelRow};
use crate::slab::Slab;

/// The environment variable that names an instruction set and saves the measuring.
pub const VARIABLE: &str = "TGI_CPU_ISA";
/// A narrower instruction set must be faster by more than this share of the time.
const TIE: f64 = 0.03;
/// Times that each candidate runs; its best counts.
const ROUNDS: usize = 24;
/// Tokens of a product: what one stream's decode has, and what a prompt has.
const TOKENS: [usize; 2] = [1, 32];
/// Rows and columns of the measured weights, of the size that a thread has in its cache.
const SHAPE: (usize, usize) = (64, 1024);

/// An instruction set, and why this one.
#[derive(Clone, Debug)]
pub struct Choice {
    /// To compute with.
    pub isa: Isa,
    /// Why, for the log: who named it, or the times in microseconds.
    pub reason: String,
}

impl Choice {
    /// The one of that name, or the fastest when none is named.
    ///
    /// # Errors
    /// [`CpuError::Isa`] when the name is unknown or the CPU lacks the instructions.
    pub fn new(name: Option<&str>) -> Result<Self, CpuError> {
        let available = Isa::available();
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return fastest(&available);
        };
        match available.iter().find(|isa| isa.name() == name) {
            Some(&isa) => Ok(Self { isa, reason: format!("named by {VARIABLE}") }),
            None => Err(CpuError::Isa {
                name: name.to_owned(),
                problem: if Isa::NAMES.contains(&name) {
                    "this CPU lacks it"
                } else {
                    "no instruction set has that name"
                },
                available: available.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

/// Measures integer products first, for all; then, where the winner has a twin with instructions
/// for bfloat16, products of bfloat16 with both.
fn fastest(available: &[Isa]) -> Result<Choice, CpuError> {
    let vectors: Vec<Isa> =
        available.iter().copied().filter(|isa| !matches!(isa, Isa::Portable(_))).collect();
    let Some(&widest) = vectors.first() else {
        return Ok(Choice { isa: available[0], reason: "this CPU has no other".to_owned() });
    };
    let brain = |isa: &Isa| isa.name() == "avx512-vnni-bf16";
    let integers: Vec<Isa> = vectors.iter().copied().filter(|isa| !brain(isa)).collect();
    let (winner, reason) = race(&integers, &Work::new(GgmlDType::Q4_1)?);
    if !brain(&widest) || winner.name() != "avx512-vnni" {
        return Ok(Choice { isa: winner, reason });
    }
    let work = Work::new(GgmlDType::BF16)?;
    let (isa, pairs) = race(&[widest, winner], &work);
    Ok(Choice { isa, reason: format!("{reason}; for bfloat16 {pairs}") })
}

/// The fastest of some, the widest of those that tie; and all times.
fn race(candidates: &[Isa], work: &Work) -> (Isa, String) {
    let mut times = vec![Duration::MAX; candidates.len()];
    for _ in 0..ROUNDS {
        for (isa, best) in candidates.iter().zip(&mut times) {
            *best = work.time(*isa).min(*best);
        }
    }
    let index = pick(&times);
    let time = |(isa, time): (&Isa, &Duration)| {
        format!("{} {:.1} us", isa.name(), time.as_secs_f64() * 1e6)
    };
    let times: Vec<String> = candidates.iter().zip(&times).map(time).collect();
    (candidates[index], format!("timed {}", times.join(", ")))
}

/// Index of the shortest time; the first of those that tie.
fn pick(times: &[Duration]) -> usize {
    let faster = |index: usize, best: usize| {
        times[index].as_secs_f64() < times[best].as_secs_f64() * (1.0 - TIE)
    };
    (0..times.len()).fold(0, |best, index| if faster(index, best) { index } else { best })
}

/// What is measured: one matrix with few and with many tokens.
struct Work {
    matrix: Box<dyn Matrix>,
    blocks: Vec<ActivationBlock>,
    floats: Vec<f32>,
}

impl Work {
    fn new(dtype: GgmlDType) -> Result<Self, CpuError> {
        let (rows, columns) = SHAPE;
        let tokens = TOKENS[1];
        // 0x3C3C is a half-precision scale and a bfloat16 of ordinary size.
        let bytes = vec![0x3C; rows * columns / dtype.block_size() * dtype.type_size()];
        let block = ActivationBlock { q: [[3; 4]; 8], scale: 1.0, ..Default::default() };
        Ok(Self {
            matrix: load(dtype, rows, columns, &bytes, 1, &Slab::default())?,
            blocks: vec![block; tokens * columns / 32],
            floats: vec![1.0; tokens * columns],
        })
    }

    fn time(&self, isa: Isa) -> Duration {
        let mut out = [PanelRow::default(); TOKENS[1]];
        let start = Instant::now();
        for tokens in TOKENS {
            let blocks = Blocks { blocks: &self.blocks, stride: TOKENS[1] };
            let input = Input { blocks, floats: &self.floats, stride: SHAPE.1 };
            for panel in 0..self.matrix.panels() {
                self.matrix.product(isa, panel, &input, 0..tokens, &mut out[..tokens]);
            }
        }
        start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_of_this_cpu_can_be_named() {
        for isa in Isa::available() {
            assert!(Isa::NAMES.contains(&isa.name()));
            let choice = Choice::new(Some(isa.name())).unwrap();
            assert_eq!((choice.isa.name(), &*choice.reason), (isa.name(), "named by TGI_CPU_ISA"));
        }
    }

    #[test]
    fn without_a_name_one_of_this_cpu_is_measured() {
        for name in [None, Some("")] {
            let choice = Choice::new(name).unwrap();
            assert!(Isa::available().iter().any(|isa| isa.name() == choice.isa.name()));
            let only = Isa::available().len() == 1;
            assert!(only || choice.reason.starts_with("timed "), "{}", choice.reason);
        }
    }

    #[test]
    fn an_instruction_set_that_is_not_there_is_refused_with_those_that_are() {
        let message = Choice::new(Some("sse9")).err().unwrap().to_string();
        assert!(
            message.starts_with(
                "Cannot compute with the instruction set \"sse9\": no instruction set has that name"
            ) && message.contains("portable; set TGI_CPU_ISA to one of them"),
            "{message}"
        );
        let here: Vec<_> = Isa::available().iter().map(|isa| isa.name()).collect();
        for missing in Isa::NAMES.into_iter().filter(|name| !here.contains(name)) {
            let message = Choice::new(Some(missing)).err().unwrap().to_string();
            assert!(message.contains("this CPU lacks it"), "{message}");
        }
    }

    #[test]
    fn the_widest_wins_a_tie_and_the_fastest_all_else() {
        let times = |micros: &[u64]| {
            pick(&micros.iter().copied().map(Duration::from_micros).collect::<Vec<_>>())
        };
        assert_eq!(times(&[100, 98, 300]), 0);
        assert_eq!(times(&[100, 96, 300]), 1);
        assert_eq!(times(&[100, 96, 50]), 2);
    }
}
