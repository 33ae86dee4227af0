//! Products with plain weights and with blocks of ggml.

use proptest::prelude::*;
use tgi_cuda_kernels::emulate::Order;
use tgi_cuda_kernels::signatures::{
    Blocks, DequantizeParams, Element, EmbeddingParams, Kernel, MatmulParams, Weights,
};

use crate::blocks::{quantized, unpacked};
use crate::buffers::{Buffer, Memory, assert_near, in_both_orders, noise, run, step, through};

/// A product: its kernel, the bytes of its weights, and what these stand for.
struct Product {
    kernel: Kernel,
    element: Element,
    weight: Vec<u8>,
    numbers: Vec<f32>,
    bias: Option<Vec<f32>>,
    n: usize,
    k: usize,
}

impl Product {
    fn plain(kernel: fn(Element) -> Kernel, element: Element, (n, k): (usize, usize)) -> Self {
        let numbers = through(element, &noise(1, n * k));
        let weight = crate::buffers::round(element, &numbers);
        Self { kernel: kernel(element), element, weight, numbers, bias: None, n, k }
    }

    fn blocks(blocks: Blocks, element: Element, (n, k): (usize, usize)) -> Self {
        let weight = quantized(blocks, 3, n * k);
        let numbers = unpacked(blocks, &weight);
        let kernel = Kernel::GemvBlocks(blocks, element);
        Self { kernel, element, weight, numbers, bias: None, n, k }
    }

    /// The rows of `out`, which lie in wider ones, from those of `x`.
    fn run(&self, x: &[f32], out_f32: bool, order: Order) -> Vec<f32> {
        let (stride, wider) = (self.k + 16, self.n + 3);
        let memory = Memory::default();
        let m = x.len() / self.k;
        let padded: Vec<f32> =
            x.chunks(self.k).flat_map(|row| row.iter().copied().chain([f32::NAN; 16])).collect();
        let kind = if out_f32 { Element::F32 } else { self.element };
        let mut out = Buffer::rounded(kind, &vec![-3.0; m * wider]);
        let params = MatmulParams {
            weight: Buffer::of_bytes(&self.weight).keep(&memory),
            x: Buffer::rounded(self.element, &padded).keep(&memory),
            bias: self.bias.as_ref().map_or(0, |bias| Buffer::new(bias).keep(&memory)),
            out: out.pointer(),
            m: m as u32,
            n: self.n as u32,
            k: self.k as u32,
            x_stride: stride as u32,
            out_stride: wider as u32,
            out_f32: u32::from(out_f32),
        };
        let launch = match self.kernel {
            Kernel::Gemm(_) => params.launch_gemm(),
            _ => params.launch_gemv(),
        };
        run(self.kernel, &launch, &params, order);
        let out = out.numbers(kind);
        let (rows, gaps): (Vec<_>, Vec<_>) =
            out.chunks(wider).map(|row| row.split_at(self.n)).unzip();
        assert!(gaps.concat().iter().all(|gap| (gap + 3.0).abs() < 1e-6), "a gap was written");
        rows.concat()
    }

    fn check(&self, m: usize, out_f32: bool) {
        let x = through(self.element, &noise(2, m * self.k));
        let found = in_both_orders(|order| self.run(&x, out_f32, order));
        let value = |index: usize| {
            let (row, column) = (index / self.n, index % self.n);
            let terms = x[row * self.k..].iter().zip(&self.numbers[column * self.k..]);
            let sum: f64 = terms.take(self.k).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            sum + self.bias.as_ref().map_or(0.0, |bias| f64::from(bias[column]))
        };
        let expected: Vec<_> = (0..m * self.n).map(value).collect();
        let rounding = if out_f32 { 0.0 } else { step(self.element) };
        let largest = self.numbers.iter().fold(1f32, |largest, x| largest.max(x.abs()));
        let tolerance = rounding + f64::from(largest) * 1e-6 * (self.k as f64).sqrt();
        let what = format!("{} {m} x {} x {}", self.kernel.name(), self.n, self.k);
        assert_near(&found, &expected, tolerance, &what);
    }

    /// Rows alone and among others, by their bytes.
    fn check_invariance(&self, m: usize) {
        let x = through(self.element, &noise(4, m * self.k));
        let all = self.run(&x, true, Order::Forward);
        for row in [0, 1, m / 2, m - 1] {
            for count in [1, 2, 3, 9] {
                let count = usize::min(count, m - row);
                let some = self.run(&x[row * self.k..(row + count) * self.k], true, Order::Forward);
                let same = some.iter().zip(&all[row * self.n..]);
                let what = format!("{}: row {row} of {m}", self.kernel.name());
                assert!(same.clone().count() == count * self.n);
                assert!(same.into_iter().all(|(a, b)| a.to_bits() == b.to_bits()), "{what}");
            }
        }
    }
}

#[test]
fn a_gemv_of_any_rows_and_width_is_the_product() {
    for element in Element::ALL {
        for (m, n, k) in
            [(1, 9, 576), (2, 8, 640), (3, 17, 896), (8, 5, 40), (13, 3, 7), (70, 2, 9)]
        {
            let mut product = Product::plain(Kernel::Gemv, element, (n, k));
            product.check(m, false);
            product.bias = Some(noise(5, n));
            product.check(m, true);
        }
    }
}

#[test]
fn a_gemv_of_blocks_is_the_product_with_what_they_stand_for() {
    for element in Element::ALL {
        for blocks in Blocks::ALL {
            for (m, n, widths) in [(1, 9, 3), (5, 3, 2), (33, 2, 1)] {
                let k = widths * blocks.weights();
                let mut product = Product::blocks(blocks, element, (n, k));
                product.check(m, false);
                product.bias = Some(noise(5, n));
                product.check(m, true);
            }
        }
    }
}

#[test]
fn a_gemm_of_any_rows_and_width_is_the_product() {
    for element in Element::ALL {
        for (m, n, k) in [(1, 130, 576), (70, 9, 640), (64, 128, 32), (65, 129, 8), (3, 257, 104)] {
            let mut product = Product::plain(Kernel::Gemm, element, (n, k));
            product.check(m, false);
            product.bias = Some(noise(5, n));
            product.check(m, true);
        }
    }
}

#[test]
fn a_row_gives_the_same_bytes_alone_and_among_64() {
    for element in Element::ALL {
        for k in [576, 896, 41] {
            Product::plain(Kernel::Gemv, element, (9, k)).check_invariance(64);
        }
        Product::plain(Kernel::Gemm, element, (9, 896)).check_invariance(70);
        for blocks in Blocks::ALL {
            Product::blocks(blocks, element, (3, 1024)).check_invariance(64);
        }
    }
}

#[test]
fn blocks_are_unpacked_to_any_type() {
    for blocks in Blocks::ALL {
        let packed = quantized(blocks, 8, 3 * 1024);
        let numbers = unpacked(blocks, &packed);
        for element in Element::ALL {
            let found = in_both_orders(|order| {
                let memory = Memory::default();
                let mut out = Buffer::rounded(element, &vec![0.0; numbers.len()]);
                let params = DequantizeParams {
                    blocks: Buffer::of_bytes(&packed).keep(&memory),
                    out: out.pointer(),
                    count: numbers.len() as u64,
                };
                let kernel = Kernel::Dequantize(blocks, element);
                run(kernel, &params.launch(), &params, order);
                out.numbers(element)
            });
            let expected: Vec<_> = numbers.iter().copied().map(f64::from).collect();
            assert_near(&found, &expected, step(element), blocks.name());
        }
    }
}

#[test]
fn an_embedding_reads_blocks() {
    for blocks in Blocks::ALL {
        let (vocab, hidden) = (5usize, 512usize);
        let packed = quantized(blocks, 9, vocab * hidden);
        let tokens = [4u32, 1];
        let found = in_both_orders(|order| {
            let memory = Memory::default();
            let mut out = Buffer::new(&vec![0f32; tokens.len() * hidden]);
            let params = EmbeddingParams {
                tokens: Buffer::new(&tokens).keep(&memory),
                table: Buffer::of_bytes(&packed).keep(&memory),
                out: out.pointer(),
                rows: tokens.len() as u32,
                hidden: hidden as u32,
                vocab: vocab as u32,
                scale: 2.0,
                ..EmbeddingParams::default()
            };
            let kernel = Kernel::Embedding(Weights::Blocks(blocks));
            run(kernel, &params.launch(), &params, order);
            out.floats()
        });
        let numbers = unpacked(blocks, &packed);
        let rows = tokens.iter().flat_map(|&token| &numbers[token as usize * hidden..][..hidden]);
        let expected: Vec<_> = rows.map(|&number| 2.0 * f64::from(number)).collect();
        assert_near(&found, &expected, 1e-6, blocks.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn products_of_any_shape_are_right(
        (m, n, eights) in (1usize..71, 1usize..140, 1usize..40),
        element in prop::sample::select(&Element::ALL),
        out_f32: bool,
    ) {
        let shape = (n, 8 * eights);
        Product::plain(Kernel::Gemm, element, shape).check(m, out_f32);
        Product::plain(Kernel::Gemv, element, shape).check(m.min(10), out_f32);
    }
}
