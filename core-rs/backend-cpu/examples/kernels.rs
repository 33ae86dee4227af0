//! Throughput of the matrix product alone: GB/s of weights and GOPS, by type and batch.

use std::time::Instant;

use candle_core::quantized::GgmlDType;
use tgi_backend_cpu::activation::ActivationBlock;
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::matrix::{Input, load};
use tgi_backend_cpu::product::{Blocks, PanelRow};
use tgi_backend_cpu::slab::Slab;

fn main() {
    let (rows, columns, copies) = (1536, 576, 24);
    for isa in Isa::available() {
        for dtype in [GgmlDType::Q4_1, GgmlDType::Q8_0, GgmlDType::Q5_0, GgmlDType::Q6K] {
            let columns = if dtype.block_size() == 256 { 512 } else { columns };
            let bytes = vec![0x11u8; rows * columns / dtype.block_size() * dtype.type_size()];
            let slab = Slab::default();
            let matrices: Vec<_> = (0..copies)
                .map(|_| load(dtype, rows, columns, &bytes, 2, &slab).unwrap())
                .collect();
            let held: usize = matrices.iter().map(|matrix| matrix.bytes()).sum();
            for tokens in [1, 2, 4, 8, 16, 64] {
                let block = ActivationBlock { q: [[3; 4]; 8], scale: 1.0, ..Default::default() };
                let blocks = vec![block; tokens * columns / 32];
                let x = Input {
                    blocks: Blocks { blocks: &blocks, stride: tokens },
                    floats: &[],
                    stride: 0,
                };
                let mut best = f64::MAX;
                for _ in 0..if isa.name() == "portable" { 1 } else { 8 } {
                    let start = Instant::now();
                    for matrix in &matrices {
                        let mut out = vec![PanelRow::default(); tokens];
                        for panel in 0..matrix.panels() {
                            matrix.product(isa, panel, &x, 0..tokens, &mut out);
                        }
                    }
                    best = best.min(start.elapsed().as_secs_f64());
                }
                let operations = 2.0 * (rows * columns * copies * tokens) as f64;
                println!(
                    "{:12} {dtype:?} tokens {tokens:3}: {:6.1} GB/s {:7.1} GOPS",
                    isa.name(),
                    held as f64 / best / 1e9,
                    operations / best / 1e9
                );
            }
        }
    }
}
