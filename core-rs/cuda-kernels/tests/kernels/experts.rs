//! Routing, lists of places, products with experts and their sums against plain sums in `f64`.

use proptest::prelude::*;
use tgi_cuda_kernels::emulate::Order;
use tgi_cuda_kernels::signatures::{
    Blocks, CombineExpertsParams, EXPERT_GEMM_ROWS, Element, ExpertMatmulParams, GEMV_ROWS,
    GroupPlacesParams, Kernel, MatmulParams, NO_EXPERT, NO_PLACE, RouteParams, Weights,
    expert_tiles,
};

use crate::blocks::{quantized, unpacked};
use crate::buffers::{
    Buffer, Memory, assert_near, in_both_orders, noise, round, run, step, through,
};

/// Picks and weights of rows; `slots` says which only fill up.
fn route(scores: &[f32], slots: &[u32], (used, normalized): (usize, bool)) -> (Vec<u32>, Vec<f32>) {
    let (picks, weights) = in_both_orders(|order| {
        let memory = Memory::default();
        let rows = slots.len();
        let mut picks = Buffer::new(&vec![77u32; rows * used]);
        let mut weights = Buffer::new(&vec![77f32; rows * used]);
        let params = RouteParams {
            scores: Buffer::new(scores).keep(&memory),
            slots: Buffer::new(slots).keep(&memory),
            picks: picks.pointer(),
            weights: weights.pointer(),
            rows: rows as u32,
            experts: (scores.len() / rows) as u32,
            used: used as u32,
            normalized: normalized.into(),
        };
        run(Kernel::Route, &params.launch(), &params, order);
        (picks.words(), weights.words())
    });
    (picks, weights.into_iter().map(f32::from_bits).collect())
}

#[test]
fn a_row_picks_its_largest_scores_and_weighs_them_by_soft_max() {
    for (rows, experts, used) in [(5, 4, 2), (3, 8, 8), (9, 128, 8), (2, 512, 32), (1, 1, 1)] {
        for normalized in [false, true] {
            let scores: Vec<f32> = noise(3, rows * experts).iter().map(|x| 4.0 * x).collect();
            let (picks, weights) = route(&scores, &vec![0; rows], (used, normalized));
            for (row, scores) in scores.chunks(experts).enumerate() {
                let mut order: Vec<usize> = (0..experts).collect();
                order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
                order.truncate(used);
                let power = |expert: usize| f64::from(scores[expert]).exp();
                let shared =
                    if normalized { order.clone() } else { (0..experts).collect::<Vec<_>>() };
                let total: f64 = shared.into_iter().map(power).sum();
                let expected: Vec<f64> = order.iter().map(|&it| power(it) / total).collect();
                let places = row * used..(row + 1) * used;
                let found = picks[places.clone()].iter().map(|&pick| pick as usize);
                assert_eq!(found.collect::<Vec<_>>(), order);
                assert_near(&weights[places], &expected, 1e-6, "weights");
            }
        }
    }
}

#[test]
fn equal_scores_pick_the_first_and_what_is_no_number_different_experts() {
    assert_eq!(route(&[0.5, 0.5, 0.1, 0.5], &[0], (2, true)), (vec![0, 1], vec![0.5, 0.5]));
    let (picks, weights) = route(&[f32::NAN; 3], &[0], (2, true));
    assert_eq!(picks, [0, 1]);
    assert!(weights.iter().all(|weight| weight.is_nan()));
    assert_eq!(route(&[1.0, -300.0, -400.0], &[0], (3, false)).0, [0, 1, 2]);
}

#[test]
fn a_row_that_only_fills_up_uses_no_expert() {
    let (picks, _) = route(&noise(1, 3 * 4), &[5, u32::MAX, 6], (2, false));
    assert_eq!(picks[2..4], [NO_EXPERT; 2]);
    assert!(picks[..2].iter().chain(&picks[4..]).all(|&pick| pick < 4));
}

/// Places by tile and experts of tiles.
fn group(picks: &[u32], experts: usize, tile_rows: u32, order: Order) -> (Vec<u32>, Vec<u32>) {
    let memory = Memory::default();
    let tiles = expert_tiles(picks.len(), experts, tile_rows as usize);
    let mut places = Buffer::new(&vec![NO_PLACE; tiles * tile_rows as usize]);
    let mut tile_experts = Buffer::new(&vec![77u32; tiles]);
    let params = GroupPlacesParams {
        picks: Buffer::new(picks).keep(&memory),
        places: places.pointer(),
        tile_experts: tile_experts.pointer(),
        count: picks.len() as u32,
        experts: experts as u32,
        tiles: tiles as u32,
        tile_rows,
    };
    run(Kernel::GroupPlaces, &params.launch(), &params, order);
    (places.words(), tile_experts.words())
}

fn check_group(picks: &[u32], experts: usize, tile_rows: u32) {
    let (places, tile_experts) = in_both_orders(|order| group(picks, experts, tile_rows, order));
    let (mut expected, mut expected_experts) = (Vec::new(), Vec::new());
    for expert in 0..experts as u32 {
        let own = (0..picks.len() as u32).filter(|&place| picks[place as usize] == expert);
        for tile in own.collect::<Vec<_>>().chunks(tile_rows as usize) {
            expected_experts.push(expert);
            expected.extend(tile);
            expected.resize(expected_experts.len() * tile_rows as usize, NO_PLACE);
        }
    }
    expected_experts.resize(tile_experts.len(), NO_EXPERT);
    expected.resize(places.len(), NO_PLACE);
    assert_eq!(tile_experts, expected_experts);
    assert_eq!(places, expected);
}

#[test]
fn places_are_listed_by_expert_in_their_order() {
    // An expert without places, one with all of them, and rows that only fill up.
    check_group(&[2, 0, 2, 3, 0, 2, NO_EXPERT, NO_EXPERT], 4, 2);
    check_group(&[5; 70], 8, 8);
    check_group(&[NO_EXPERT; 4], 3, 64);
    let many: Vec<u32> = (0..2500u32).map(|place| place * place % 37).collect();
    check_group(&many, 40, 64);
}

/// Weights of experts, in parts of some experts each.
struct Products {
    kernel: Kernel,
    element: Element,
    weight: Vec<u8>,
    numbers: Vec<f32>,
    experts: usize,
    n: usize,
    k: usize,
}

impl Products {
    fn plain(element: Element, is_gemv: bool, (experts, n, k): (usize, usize, usize)) -> Self {
        let numbers = through(element, &noise(1, experts * n * k));
        let weight = round(element, &numbers);
        let gemv = Kernel::ExpertGemv(Weights::Plain(element), element);
        let kernel = if is_gemv { gemv } else { Kernel::ExpertGemm(element) };
        Self { kernel, element, weight, numbers, experts, n, k }
    }

    fn blocks(blocks: Blocks, element: Element, (experts, n, k): (usize, usize, usize)) -> Self {
        let weight = quantized(blocks, 3, experts * n * k);
        let numbers = unpacked(blocks, &weight);
        let kernel = Kernel::ExpertGemv(Weights::Blocks(blocks), element);
        Self { kernel, element, weight, numbers, experts, n, k }
    }

    /// The products of all places, the first `part` experts in a launch of their own.
    fn run(
        &self,
        x: &[f32],
        picks: &[u32],
        (share, part): (usize, usize),
        order: Order,
    ) -> Vec<f32> {
        let memory = Memory::default();
        let is_gemm = matches!(self.kernel, Kernel::ExpertGemm(_));
        let tile_rows = if is_gemm { EXPERT_GEMM_ROWS } else { GEMV_ROWS };
        let (places, tile_experts) = group(picks, self.experts, tile_rows, order);
        let tiles = tile_experts.len() as u32;
        let mut out = Buffer::rounded(self.element, &vec![-3.0; picks.len() * self.n]);
        let expert_bytes = self.weight.len() / self.experts;
        let places = Buffer::new(&places).keep(&memory);
        let tile_experts = Buffer::new(&tile_experts).keep(&memory);
        let x = Buffer::rounded(self.element, x).keep(&memory);
        for (first, experts) in [(0, part), (part, self.experts - part)] {
            let weight = &self.weight[first * expert_bytes..][..experts * expert_bytes];
            let product = MatmulParams {
                weight: Buffer::of_bytes(weight).keep(&memory),
                x,
                out: out.pointer(),
                n: self.n as u32,
                k: self.k as u32,
                x_stride: self.k as u32,
                out_stride: self.n as u32,
                ..MatmulParams::default()
            };
            let params = ExpertMatmulParams {
                product,
                places,
                tile_experts,
                expert_bytes: expert_bytes as u64,
                tiles,
                share: share as u32,
                first_expert: first as u32,
                experts: experts as u32,
            };
            let launch = if is_gemm { params.launch_gemm() } else { params.launch_gemv() };
            run(self.kernel, &launch, &params, order);
        }
        out.numbers(self.element)
    }

    fn check(&self, picks: &[u32], share: usize, part: usize) {
        let x = through(self.element, &noise(2, picks.len() / share * self.k));
        let found = in_both_orders(|order| self.run(&x, picks, (share, part), order));
        let value = |index: usize| {
            let (place, column) = (index / self.n, index % self.n);
            if picks[place] == NO_EXPERT {
                return -3.0;
            }
            let row = picks[place] as usize * self.n + column;
            let terms = x[place / share * self.k..].iter().zip(&self.numbers[row * self.k..]);
            terms.take(self.k).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum()
        };
        let expected: Vec<f64> = (0..found.len()).map(value).collect();
        let largest = self.numbers.iter().fold(1f32, |largest, x| largest.max(x.abs()));
        let rounding = f64::from(largest) * 1e-6 * (self.k as f64).sqrt();
        let what = format!("{} {} places", self.kernel.name(), picks.len());
        assert_near(&found, &expected, step(self.element) + rounding, &what);
    }
}

#[test]
fn a_place_is_multiplied_with_its_own_expert() {
    // All to one expert; one without any; a row that only fills up.
    let lists: [&[u32]; 3] = [&[2; 20], &[0, 3, 1, 0, 3, 0, NO_EXPERT, NO_EXPERT], &[1, 0]];
    for element in Element::ALL {
        for picks in lists {
            for share in [1, 2] {
                Products::plain(element, true, (4, 9, 72)).check(picks, share, 0);
                Products::plain(element, true, (4, 5, 7)).check(picks, share, 1);
                Products::plain(element, false, (4, 130, 72)).check(picks, share, 3);
                for blocks in Blocks::ALL {
                    let shape = (4, 3, 2 * blocks.weights());
                    Products::blocks(blocks, element, shape).check(picks, share, 2);
                }
            }
        }
    }
}

#[test]
fn a_place_gives_the_same_bytes_alone_and_among_others() {
    let picks: Vec<u32> = (0..150).map(|place| place * place % 3).collect();
    for element in Element::ALL {
        for is_gemv in [false, true] {
            let products = Products::plain(element, is_gemv, (3, 9, 96));
            let x = through(element, &noise(4, picks.len() * products.k));
            let all = products.run(&x, &picks, (1, 0), Order::Forward);
            for place in [0, 1, 77, 149] {
                let x = &x[place * products.k..(place + 1) * products.k];
                let alone = products.run(x, &picks[place..=place], (1, 0), Order::Forward);
                assert_eq!(alone, all[place * products.n..(place + 1) * products.n]);
            }
        }
    }
}

#[test]
fn what_experts_give_is_summed_by_their_weights() {
    for element in Element::ALL {
        for (rows, used, hidden) in [(3, 2, 72), (2, 8, 2056), (4, 1, 13)] {
            let products = through(element, &noise(1, rows * used * hidden));
            let weights = noise(2, rows * used);
            let mut picks = vec![0u32; rows * used];
            picks[used..2 * used].fill(NO_EXPERT);
            let found = in_both_orders(|order| {
                let memory = Memory::default();
                let mut out = Buffer::rounded(element, &vec![-3.0; rows * hidden]);
                let params = CombineExpertsParams {
                    products: Buffer::rounded(element, &products).keep(&memory),
                    picks: Buffer::new(&picks).keep(&memory),
                    weights: Buffer::new(&weights).keep(&memory),
                    out: out.pointer(),
                    rows: rows as u32,
                    used: used as u32,
                    hidden: hidden as u32,
                    reserved: 0,
                };
                run(Kernel::CombineExperts(element), &params.launch(), &params, order);
                out.numbers(element)
            });
            let value = |index: usize| {
                let (row, column) = (index / hidden, index % hidden);
                let terms = (row * used..(row + 1) * used).filter(|&it| picks[it] != NO_EXPERT);
                let term = |place: usize| {
                    f64::from(weights[place]) * f64::from(products[place * hidden + column])
                };
                terms.map(term).sum()
            };
            let expected: Vec<f64> = (0..found.len()).map(value).collect();
            assert_near(&found, &expected, step(element) + 2e-6, element.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn places_and_products_of_any_shape_are_right(
        picks in prop::collection::vec(prop_oneof![9 => 0u32..6, 1 => Just(NO_EXPERT)], 1..150),
        (n, eights, part) in (1usize..140, 1usize..12, 0usize..6),
        element in prop::sample::select(&Element::ALL),
    ) {
        check_group(&picks, 6, GEMV_ROWS);
        check_group(&picks, 6, EXPERT_GEMM_ROWS);
        Products::plain(element, false, (6, n, 8 * eights)).check(&picks, 1, part);
        Products::plain(element, true, (6, n.min(20), 8 * eights)).check(&picks, 1, part);
    }
}
