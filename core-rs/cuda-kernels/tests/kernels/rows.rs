//! Embedding, norms, rope and activation against plain sums in `f64`.

use crate::buffers::{Buffer, Memory, assert_near, in_both_orders, noise, run, step, through};
use tgi_cuda_kernels::signatures::{
    ActivationKind, ActivationParams, AddNormParams, Element, EmbeddingParams, Kernel, NormKind,
    QkNorm, RopeKvParams, RopeLayout, Weights,
};

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().copied().map(f64::from).collect()
}

#[test]
fn an_embedding_is_scaled_and_has_its_position_added() {
    let (vocab, hidden) = (11usize, 72usize);
    let tokens = [3u32, 10, 0, 11];
    let positions = [0u32, 4, 2, 5];
    for element in Element::ALL {
        let table = noise(1, vocab * hidden);
        let learned = noise(2, 7 * hidden);
        let found = in_both_orders(|order| {
            let memory = Memory::default();
            let mut out = Buffer::new(&vec![9f32; tokens.len() * hidden]);
            let params = EmbeddingParams {
                tokens: Buffer::new(&tokens).keep(&memory),
                positions: Buffer::new(&positions).keep(&memory),
                table: Buffer::rounded(element, &table).keep(&memory),
                position_table: Buffer::new(&learned).keep(&memory),
                out: out.pointer(),
                rows: tokens.len() as u32,
                hidden: hidden as u32,
                vocab: vocab as u32,
                position_rows: 7,
                position_offset: 2,
                scale: 1.5,
            };
            let kernel = Kernel::Embedding(Weights::Plain(element));
            run(kernel, &params.launch(), &params, order);
            out.floats()
        });
        let table = through(element, &table);
        let value = |index: usize| {
            let (row, column) = (index / hidden, index % hidden);
            let token = tokens[row] as usize;
            let position = positions[row] as usize + 2;
            let embedded = if token < vocab { 1.5 * table[token * hidden + column] } else { 0.0 };
            let learned = if position < 7 { learned[position * hidden + column] } else { 0.0 };
            f64::from(embedded + learned)
        };
        let expected: Vec<_> = (0..found.len()).map(value).collect();
        assert_near(&found, &expected, 1e-6, element.name());
    }
}

/// A norm of one row.
fn norm(kind: NormKind, x: &[f64], weight: &[f32], bias: &[f32]) -> Vec<f64> {
    let count = x.len() as f64;
    let mean = if kind == NormKind::Layer { x.iter().sum::<f64>() / count } else { 0.0 };
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let factor = 1.0 / (variance + 1e-5).sqrt();
    let terms = x.iter().zip(weight).zip(bias);
    terms.map(|((x, w), b)| (x - mean) * factor * f64::from(*w) + f64::from(*b)).collect()
}

/// Residual stream and output of a run over `rows` of `width`.
fn add_norm(
    element: Element,
    (kind, rows, width): (NormKind, usize, usize),
    gather: Option<&[u32]>,
    with: [bool; 4],
    norms_sum: bool,
) -> (Vec<f32>, Vec<f32>) {
    let [delta, second, post, pre] = with;
    in_both_orders(|order| {
        let memory = Memory::default();
        let mut residual = Buffer::new(&noise(1, rows * width));
        let taken = gather.map_or(rows, <[u32]>::len);
        let mut out = Buffer::rounded(element, &vec![7.0; taken * width]);
        let some = |with: bool, buffer: Buffer| if with { buffer.keep(&memory) } else { 0 };
        let params = AddNormParams {
            residual: residual.pointer(),
            delta: some(delta, Buffer::rounded(element, &noise(2, rows * width))),
            second_delta: some(second, Buffer::rounded(element, &noise(3, rows * width))),
            delta_weight: some(post, Buffer::new(&noise(4, width))),
            weight: some(pre, Buffer::new(&noise(5, width))),
            bias: some(pre && kind == NormKind::Layer, Buffer::new(&noise(6, width))),
            gather: gather.map_or(0, |rows| Buffer::new(rows).keep(&memory)),
            out: out.pointer(),
            rows: taken as u32,
            hidden: width as u32,
            kind: kind as u32,
            delta_scale: 0.5,
            epsilon: 1e-5,
            norms_sum: norms_sum.into(),
        };
        run(Kernel::AddNorm(element), &params.launch(), &params, order);
        (residual.floats(), out.numbers(element))
    })
}

#[test]
fn rows_are_added_and_normed_in_every_combination() {
    for element in Element::ALL {
        for (kind, width) in [(NormKind::Rms, 576), (NormKind::Layer, 640), (NormKind::Rms, 7)] {
            for bits in 0..16u32 {
                let with @ [delta, second, post, pre] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
                let rows = 3;
                let (residual, out) = add_norm(element, (kind, rows, width), None, with, false);
                let zeros = vec![0f32; width];
                let (x, weight) = (noise(1, rows * width), noise(5, width));
                let bias = if kind == NormKind::Layer { noise(6, width) } else { vec![0.0; width] };
                let first = through(element, &noise(2, rows * width));
                let other = through(element, &noise(3, rows * width));
                for row in 0..rows {
                    let range = row * width..(row + 1) * width;
                    let mut expected = wide(&x[range.clone()]);
                    if delta {
                        let mut term = wide(&first[range.clone()]);
                        if post {
                            term = norm(kind, &term, &noise(4, width), &zeros);
                        }
                        for (column, x) in expected.iter_mut().enumerate() {
                            let second = if second { other[range.start + column] } else { 0.0 };
                            *x += 0.5 * (term[column] + f64::from(second));
                        }
                    }
                    let what = format!("{} {kind:?} {width} {with:?}", element.name());
                    assert_near(&residual[range.clone()], &expected, 1e-5, &what);
                    if pre {
                        expected = norm(kind, &expected, &weight, &bias);
                    }
                    assert_near(&out[range], &expected, 2.0 * step(element) + 1e-5, &what);
                }
            }
        }
    }
}

#[test]
fn wide_rows_are_normed() {
    for width in [4097, 8200, AddNormParams::MAX_HIDDEN as usize] {
        let with = [true, false, false, true];
        let (residual, out) = add_norm(Element::F32, (NormKind::Rms, 1, width), None, with, false);
        let expected = norm(NormKind::Rms, &wide(&residual), &noise(5, width), &vec![0.0; width]);
        assert_near(&out, &expected, 1e-5, "a wide row");
    }
}

#[test]
fn gathered_rows_are_those_of_all_rows_to_the_byte() {
    let shape = (NormKind::Rms, 70, 896);
    let with = [true, false, true, true];
    let (_, all) = add_norm(Element::Bf16, shape, None, with, false);
    let (residual, some) = add_norm(Element::Bf16, shape, Some(&[69, 0, 33]), with, false);
    for (place, row) in [69usize, 0, 33].into_iter().enumerate() {
        assert_eq!(some[place * 896..(place + 1) * 896], all[row * 896..(row + 1) * 896]);
    }
    assert_eq!(residual[896..2 * 896], noise(1, 70 * 896)[896..2 * 896], "a row not gathered");
}

#[test]
fn a_normed_sum_takes_the_place_of_the_sum() {
    for element in Element::ALL {
        for kind in [NormKind::Rms, NormKind::Layer] {
            let shape = (kind, 3, 640);
            let with = [true, false, false, true];
            let (_, expected) = add_norm(Element::F32, shape, None, with, false);
            let (residual, out) = add_norm(element, shape, None, with, true);
            assert_eq!(through(element, &residual), out);
            let expected = wide(&expected);
            assert_near(&residual, &expected, 4.0 * step(element) + 1e-5, element.name());
        }
    }
}

/// Angles of every position, `[positions, dims / 2, 2]`.
fn angles(positions: usize, dims: usize) -> Vec<f32> {
    let angle = |index: usize| {
        let (position, pair) = (index / (dims / 2), index % (dims / 2));
        (position as f64 * 100f64.powf(-2.0 * pair as f64 / dims as f64)).sin_cos()
    };
    (0..positions * dims / 2)
        .flat_map(|index| {
            let (sine, cosine) = angle(index);
            [cosine as f32, sine as f32]
        })
        .collect()
}

/// A head, normed by `factor` and `weight`, turned.
fn turned(head: &[f64], angles: &[f32], dims: usize, layout: RopeLayout) -> Vec<f64> {
    let mut out = head.to_vec();
    for pair in 0..dims / 2 {
        let (first, second) = match layout {
            RopeLayout::Halves => (pair, pair + dims / 2),
            RopeLayout::Interleaved => (2 * pair, 2 * pair + 1),
        };
        let [cosine, sine] = [0, 1].map(|part| f64::from(angles[2 * pair + part]));
        out[first] = head[first] * cosine - head[second] * sine;
        out[second] = head[second] * cosine + head[first] * sine;
    }
    out
}

struct RopeCase {
    heads: usize,
    kv_heads: usize,
    size: usize,
    dims: usize,
    layout: RopeLayout,
    qk_norm: QkNorm,
}

fn check_rope(element: Element, case: &RopeCase) {
    let &RopeCase { heads, kv_heads, size, dims, layout, qk_norm } = case;
    let width = (heads + 2 * kv_heads) * size;
    let (positions, slots) = ([31u32, 0, 5], [3 * 32 + 31u32, u32::MAX, 32]);
    let rows = positions.len();
    let stride = width + 3;
    let qkv = noise(9, rows * stride);
    let table = angles(32, dims);
    let weights =
        |seed, heads: usize| noise(seed, if qk_norm == QkNorm::Head { size } else { heads * size });
    let (q_weight, k_weight) = (weights(10, heads), weights(11, kv_heads));
    let pages = 4;
    let cache = vec![-5f32; pages * kv_heads * 32 * size];
    let [q, k, v] = in_both_orders(|order| {
        let memory = Memory::default();
        let mut q = Buffer::rounded(element, &vec![-5.0; rows * heads * size]);
        let mut k = Buffer::rounded(element, &cache);
        let mut v = Buffer::rounded(element, &cache);
        let normed = qk_norm != QkNorm::None;
        let params = RopeKvParams {
            qkv: Buffer::rounded(element, &qkv).keep(&memory),
            q: q.pointer(),
            k_cache: k.pointer(),
            v_cache: v.pointer(),
            cos_sin: if dims == 0 { 0 } else { Buffer::new(&table).keep(&memory) },
            positions: Buffer::new(&positions).keep(&memory),
            slots: Buffer::new(&slots).keep(&memory),
            q_norm: if normed { Buffer::new(&q_weight).keep(&memory) } else { 0 },
            k_norm: if normed { Buffer::new(&k_weight).keep(&memory) } else { 0 },
            rows: rows as u32,
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            head_size: size as u32,
            stride: stride as u32,
            rope_dims: dims as u32,
            layout: layout as u32,
            qk_norm: qk_norm as u32,
            epsilon: 1e-5,
            reserved: 0,
        };
        run(Kernel::RopeKv(element), &params.launch(), &params, order);
        [q, k, v].map(|buffer| buffer.numbers(element))
    });
    let qkv = wide(&through(element, &qkv));
    let (mut expected_q, mut expected_k) = (vec![-5.0; q.len()], vec![-5.0; k.len()]);
    let mut expected_v = expected_k.clone();
    for row in [0, 2] {
        let angles = &table[positions[row] as usize * dims..];
        let part = |first: usize, count: usize, weight: &[f32]| {
            let x = &qkv[row * stride + first * size..][..count * size];
            let run = if qk_norm == QkNorm::Row { x.len() } else { size };
            let zeros = vec![0f32; run];
            let kind = if qk_norm == QkNorm::Each { NormKind::Layer } else { NormKind::Rms };
            let own = weight.chunks(run).cycle();
            let normed = match qk_norm {
                QkNorm::None => x.to_vec(),
                _ => x.chunks(run).zip(own).flat_map(|(x, w)| norm(kind, x, w, &zeros)).collect(),
            };
            normed.chunks(size).map(|head| turned(head, angles, dims, layout)).collect::<Vec<_>>()
        };
        for (head, values) in part(0, heads, &q_weight).iter().enumerate() {
            expected_q[(row * heads + head) * size..][..size].copy_from_slice(values);
        }
        let (page, token) = (slots[row] as usize / 32, slots[row] as usize % 32);
        for (head, values) in part(heads, kv_heads, &k_weight).iter().enumerate() {
            let place = ((page * kv_heads + head) * 32 + token) * size;
            expected_k[place..place + size].copy_from_slice(values);
            let from = row * stride + (heads + kv_heads + head) * size;
            expected_v[place..place + size].copy_from_slice(&qkv[from..from + size]);
        }
    }
    let tolerance = 2.0 * step(element) + 1e-5;
    let what = format!("{} {heads}/{kv_heads} x {size} {qk_norm:?}", element.name());
    assert_near(&q, &expected_q, tolerance, &what);
    assert_near(&k, &expected_k, tolerance, &what);
    assert_near(&v, &expected_v, tolerance, &what);
}

#[test]
fn queries_keys_and_values_are_normed_turned_and_put_in_their_pages() {
    let (halves, pairs) = (RopeLayout::Halves, RopeLayout::Interleaved);
    let cases = [
        (9, 3, 64, 64, halves, QkNorm::None),
        (4, 1, 256, 256, halves, QkNorm::Head),
        (2, 2, 80, 32, halves, QkNorm::None),
        (3, 3, 96, 96, pairs, QkNorm::Row),
        (4, 2, 128, 0, pairs, QkNorm::Head),
        (5, 1, 24, 12, halves, QkNorm::Row),
        (4, 2, 40, 10, halves, QkNorm::Each),
    ];
    for element in Element::ALL {
        for (heads, kv_heads, size, dims, layout, qk_norm) in cases {
            check_rope(element, &RopeCase { heads, kv_heads, size, dims, layout, qk_norm });
        }
    }
}

fn activated(kind: ActivationKind, x: f64) -> f64 {
    match kind {
        ActivationKind::Silu => x / (1.0 + (-x).exp()),
        ActivationKind::GeluTanh => {
            0.5 * x * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044_715 * x * x * x)).tanh())
        }
        ActivationKind::GeluErf => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())),
        ActivationKind::Relu => x.max(0.0),
    }
}

/// The error function by its series, for arguments up to about 4.
fn erf(x: f64) -> f64 {
    let (mut sum, mut term) = (0.0, x);
    for index in 0..100 {
        sum += term / f64::from(2 * index + 1);
        term *= -x * x / f64::from(index + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn activations_follow_their_formulas() {
    use ActivationKind::{GeluErf, GeluTanh, Relu, Silu};
    for element in Element::ALL {
        for kind in [Silu, GeluTanh, GeluErf, Relu] {
            for gated in [false, true] {
                let (rows, width) = (3usize, 300usize);
                let from = if gated { 2 * width } else { width };
                let input: Vec<f32> = noise(7, rows * from).iter().map(|x| 5.0 * x).collect();
                let found = in_both_orders(|order| {
                    let memory = Memory::default();
                    let mut out = Buffer::rounded(element, &vec![0.0; rows * width]);
                    let params = ActivationParams {
                        input: Buffer::rounded(element, &input).keep(&memory),
                        out: out.pointer(),
                        rows: rows as u32,
                        width: width as u32,
                        kind: kind as u32,
                        gated: u32::from(gated),
                    };
                    run(Kernel::Activation(element), &params.launch(), &params, order);
                    out.numbers(element)
                });
                let input = wide(&through(element, &input));
                let value = |index: usize| {
                    let place = index / width * from + index % width;
                    let up = if gated { input[place + width] } else { 1.0 };
                    activated(kind, input[place]) * up
                };
                let expected: Vec<_> = (0..found.len()).map(value).collect();
                let what = format!("{} {kind:?}", element.name());
                assert_near(&found, &expected, step(element) + 2e-6, &what);
            }
        }
    }
}
