//! Attention over pages against plain soft-max sums in `f64`.

use proptest::prelude::*;
use tgi_cuda_kernels::emulate::Order;
use tgi_cuda_kernels::signatures::{
    AttentionCombineParams, AttentionParams, AttentionTile, Element, Kernel, mma_tile_rows, splits,
};

use crate::buffers::{Buffer, Memory, assert_near, in_both_orders, noise, run, step, through};

/// A layer with sequences in its cache.
struct Layer {
    element: Element,
    heads: usize,
    kv_heads: usize,
    size: usize,
    window: usize,
    soft_cap: f32,
    alibi: bool,
    /// Tensor cores.
    mma: bool,
}

/// Rows of one sequence: how many, and the position of the first.
type Rows = (usize, usize);

/// Sequences, their queries, and a cache whose pages lie backwards.
struct Case {
    layer: Layer,
    sequences: Vec<Rows>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    table: Vec<u32>,
    /// First page of each sequence in the table.
    starts: Vec<usize>,
}

impl Case {
    fn new(layer: Layer, sequences: &[Rows]) -> Self {
        let mut starts = vec![];
        let mut pages = 0usize;
        for (rows, first) in sequences {
            starts.push(pages);
            pages += (first + rows).div_ceil(32);
        }
        let places = pages + 2;
        let table = (0..pages).map(|at| (pages - at) as u32).collect();
        let cells = places * layer.kv_heads * 32 * layer.size;
        let rows: usize = sequences.iter().map(|(rows, _)| rows).sum();
        let element = layer.element;
        Self {
            q: through(element, &noise(1, rows * layer.heads * layer.size)),
            k: through(element, &noise(2, cells)),
            v: through(element, &noise(3, cells)),
            sequences: sequences.to_vec(),
            table,
            starts,
            layer,
        }
    }

    fn slope(&self, head: usize) -> f32 {
        if self.layer.alibi { 0.5 / (head + 1) as f32 } else { 0.0 }
    }

    /// Tiles of at most so many rows.
    fn tiles(&self, tile_rows: usize) -> Vec<AttentionTile> {
        let mut tiles = vec![AttentionTile::default()];
        let mut row = 0;
        for (&(rows, first), &start) in self.sequences.iter().zip(&self.starts) {
            for offset in (0..rows).step_by(tile_rows) {
                tiles.push(AttentionTile {
                    first_row: (row + offset) as u32,
                    rows: tile_rows.min(rows - offset) as u32,
                    first_position: (first + offset) as u32,
                    pages: start as u32,
                });
            }
            row += rows;
        }
        tiles
    }

    /// The output in the layer's type.
    fn run(&self, tile_rows: usize, split: bool, order: Order) -> Vec<f32> {
        let Layer { element, heads, kv_heads, size, window, soft_cap, alibi, mma } = self.layer;
        let memory = Memory::default();
        let tiles = self.tiles(tile_rows);
        let count = tiles.iter().map(|tile| splits(tile, window as u32)).max().unwrap();
        let count = if split { count + 1 } else { 0 };
        let rows = self.q.len() / heads / size;
        let tile_list = Buffer::new(&tiles).keep(&memory);
        let partials = vec![f32::NAN; rows * heads * count as usize * (size + 2)];
        let partials = Buffer::new(&partials).keep(&memory);
        let mut out = Buffer::rounded(element, &vec![9.0; self.q.len()]);
        let slopes: Vec<f32> = (0..heads).map(|head| self.slope(head)).collect();
        let params = AttentionParams {
            q: Buffer::rounded(element, &self.q).keep(&memory),
            k_cache: Buffer::rounded(element, &self.k).keep(&memory),
            v_cache: Buffer::rounded(element, &self.v).keep(&memory),
            page_table: Buffer::new(&self.table).keep(&memory),
            tile_list,
            slopes: if alibi { Buffer::new(&slopes).keep(&memory) } else { 0 },
            out: out.pointer(),
            partials,
            tiles: tiles.len() as u32,
            tile_rows: tile_rows as u32,
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            head_size: size as u32,
            q_stride: (heads * size) as u32,
            window: window as u32,
            splits: count,
            scale: 1.0 / (size as f32).sqrt(),
            soft_cap,
        };
        let (kernel, launch) = if mma {
            (Kernel::AttentionMma(size as u32, element), params.launch_mma())
        } else {
            (Kernel::Attention(element), params.launch())
        };
        run(kernel, &launch, &params, order);
        if split {
            let params = AttentionCombineParams {
                partials,
                tile_list,
                out: out.pointer(),
                tiles: tiles.len() as u32,
                tile_rows: tile_rows as u32,
                heads: heads as u32,
                head_size: size as u32,
                window: window as u32,
                splits: count,
            };
            run(Kernel::AttentionCombine(element), &params.launch(), &params, order);
        }
        out.numbers(element)
    }

    /// One head of one row.
    fn expected(&self, row: usize, head: usize, position: usize, pages: usize) -> Vec<f64> {
        let Layer { heads, kv_heads, size, window, soft_cap, .. } = self.layer;
        let query = &self.q[(row * heads + head) * size..][..size];
        let kv_head = head / (heads / kv_heads);
        let first = if window == 0 { 0 } else { (position + 1).saturating_sub(window) };
        let place = |token: usize| {
            let page = self.table[pages + token / 32] as usize;
            ((page * kv_heads + kv_head) * 32 + token % 32) * size
        };
        let score = |token: usize| {
            let key = &self.k[place(token)..][..size];
            let product: f64 =
                query.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
            let (score, cap) = (product / (size as f64).sqrt(), f64::from(soft_cap));
            let score = if cap == 0.0 { score } else { cap * (score / cap).tanh() };
            score - f64::from(self.slope(head)) * (position - token) as f64
        };
        let scores: Vec<f64> = (first..=position).map(score).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let mut values = vec![0.0; size];
        for (token, weight) in (first..=position).zip(weights) {
            for (value, v) in values.iter_mut().zip(&self.v[place(token)..]) {
                *value += weight / sum * f64::from(*v);
            }
        }
        values
    }

    /// Walked by one block or split, in tiles of any height: near what is expected, and the same
    /// bytes throughout.
    fn check(&self, heights: [usize; 2]) {
        let Layer { element, heads, size, mma, .. } = self.layer;
        let found = in_both_orders(|order| self.run(heights[0], false, order));
        let mut row = 0;
        let mut expected = vec![];
        for (&(rows, first), &start) in self.sequences.iter().zip(&self.starts) {
            for offset in 0..rows {
                for head in 0..heads {
                    expected.extend(self.expected(row, head, first + offset, start));
                }
                row += 1;
            }
        }
        let what = format!("{} {heads} x {size} mma {mma}", element.name());
        assert_near(&found, &expected, 2.0 * step(element) + 1e-5, &what);
        for height in heights {
            for split in [false, true] {
                let other = self.run(height, split, Order::Reversed);
                assert!(found == other, "{what}: tiles of {height}, split {split}");
            }
        }
    }
}

const RAGGED: [Rows; 5] = [(1, 0), (33, 0), (1, 95), (5, 29), (1, 300)];

fn plain(element: Element, heads: usize, kv_heads: usize, size: usize) -> Layer {
    Layer { element, heads, kv_heads, size, window: 0, soft_cap: 0.0, alibi: false, mma: false }
}

/// Every kind of attention that a model may have, for one head size.
fn check_kinds(of: impl Fn(usize, usize) -> Layer) {
    let heights = [1, 7];
    Case::new(of(4, 2), &RAGGED).check(heights);
    Case::new(Layer { window: 40, ..of(3, 1) }, &RAGGED).check(heights);
    Case::new(Layer { soft_cap: 0.7, ..of(2, 2) }, &RAGGED[2..]).check(heights);
    Case::new(Layer { alibi: true, ..of(4, 1) }, &RAGGED).check(heights);
}

#[test]
fn rows_of_any_type_and_head_size_attend_to_what_they_may_see() {
    for (element, size) in [
        (Element::Bf16, 64),
        (Element::F16, 80),
        (Element::F32, 96),
        (Element::F32, 128),
        (Element::Bf16, 256),
        (Element::F32, 12),
    ] {
        check_kinds(|heads, kv_heads| plain(element, heads, kv_heads, size));
    }
}

#[test]
fn tensor_cores_attend_to_the_same() {
    for (element, size) in [
        (Element::Bf16, 32),
        (Element::F16, 64),
        (Element::Bf16, 80),
        (Element::F16, 96),
        (Element::Bf16, 128),
        (Element::F16, 256),
    ] {
        check_kinds(|heads, kv_heads| Layer { mma: true, ..plain(element, heads, kv_heads, size) });
    }
}

#[test]
fn tensor_cores_take_more_pairs_than_a_block_has() {
    let layer = || Layer { mma: true, ..plain(Element::Bf16, 71, 1, 64) };
    Case::new(layer(), &[(1, 40), (2, 0)]).check([1, 2]);
    let layer = || Layer { mma: true, window: 5, ..plain(Element::Bf16, 6, 2, 32) };
    Case::new(layer(), &[(70, 20)]).check([mma_tile_rows(6, 2) as usize, 64]);
}

#[test]
fn long_texts_are_joined_from_their_splits() {
    let rows = [(1, 511), (1, 512), (3, 766), (1, 1023)];
    for mma in [false, true] {
        let layer = || Layer { mma, ..plain(Element::F16, 2, 1, 64) };
        Case::new(layer(), &rows).check([1, 2]);
        Case::new(Layer { window: 300, ..layer() }, &rows).check([1, 2]);
    }
}

#[test]
fn a_row_gives_the_same_bytes_alone_and_among_64() {
    let mut sequences = vec![(1, 290), (4, 60)];
    sequences.extend((0..62).map(|index| (1, index)));
    for mma in [false, true] {
        let layer = || Layer { mma, ..plain(Element::Bf16, 2, 1, 64) };
        let all = Case::new(layer(), &sequences).run(4, true, Order::Forward);
        let mut alone = Case::new(layer(), &sequences);
        alone.sequences.truncate(1);
        alone.q.truncate(128);
        assert_eq!(alone.run(1, false, Order::Forward), all[..128]);
    }
}

#[test]
fn what_lies_behind_a_text_in_its_last_page_is_not_read() {
    for mma in [false, true] {
        let layer = || Layer { mma, ..plain(Element::Bf16, 2, 1, 64) };
        let clean = Case::new(layer(), &[(2, 36)]);
        let mut dirty = Case::new(layer(), &[(2, 36)]);
        let behind = (dirty.table[1] as usize * 32 + 6) * 64;
        for cache in [&mut dirty.k, &mut dirty.v] {
            cache[behind..][..26 * 64].fill(f32::NAN);
        }
        let [clean, dirty] = [clean, dirty].map(|case| case.run(2, false, Order::Forward));
        assert!(clean.iter().all(|value| value.abs() < 1.0));
        assert_eq!(clean, dirty);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn any_ragged_batch_is_right_on_both_kernels(
        sequences in prop::collection::vec((1usize..20, 0usize..200), 1..4),
        (group, kv_heads) in (1usize..6, 1usize..4),
        size in prop::sample::select(vec![32, 64, 80]),
        window in prop::sample::select(vec![0, 1, 31, 32, 33, 129]),
        height in 1usize..9,
    ) {
        for mma in [false, true] {
            let layer = plain(Element::F16, group * kv_heads, kv_heads, size);
            Case::new(Layer { window, mma, ..layer }, &sequences).check([1, height]);
        }
    }
}
