//! Peaks, scaling and the hand-over of tokens.

use tgi_cuda_kernels::signatures::{
    DevicePeak, HandOverParams, Kernel, PEAK_CHUNK, PeakParams, ScaleLogitsParams, peak_chunks,
};

use crate::buffers::{Buffer, Memory, assert_near, in_both_orders, noise, run};

/// Peaks of some rows.
fn peaks(logits: &[f32], vocab: usize, rows: Option<&[u32]>) -> Vec<(u32, f32, f64)> {
    let count = rows.map_or(logits.len() / vocab, <[u32]>::len);
    in_both_orders(|order| {
        let memory = Memory::default();
        let chunks = vec![DevicePeak::default(); count * peak_chunks(vocab as u32) as usize];
        let mut out = Buffer::new(&vec![DevicePeak::default(); count]);
        let params = PeakParams {
            logits: Buffer::new(logits).keep(&memory),
            row_list: rows.map_or(0, |rows| Buffer::new(rows).keep(&memory)),
            chunks: Buffer::new(&chunks).keep(&memory),
            out: out.pointer(),
            rows: count as u32,
            vocab: vocab as u32,
        };
        run(Kernel::PeakChunks, &params.launch_chunks(), &params, order);
        run(Kernel::PeakJoin, &params.launch_join(), &params, order);
        let peak = |bytes: &[u8; 16]| {
            let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
            let sum = f64::from_le_bytes([a, b, c, d, e, f, g, h]);
            let [max, id] = [0, 4].map(|at| [rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
            (u32::from_le_bytes(id), f32::from_le_bytes(max), sum)
        };
        out.bytes().as_chunks::<16>().0.iter().map(peak).collect::<Vec<_>>()
    })
}

#[test]
fn a_peak_is_the_first_largest_logit_of_its_row() {
    for vocab in [1, 31, 4096, 4097, 49_152] {
        let rows = 3;
        let logits: Vec<f32> =
            noise(vocab as u64, rows * vocab).iter().map(|x| (x * 40.0).round() / 4.0).collect();
        for (row, (id, max, sum)) in peaks(&logits, vocab, None).into_iter().enumerate() {
            let logits = &logits[row * vocab..(row + 1) * vocab];
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max.to_bits(), largest.to_bits());
            assert_eq!(Some(id as usize), logits.iter().position(|&logit| logit >= largest));
            let expected: f64 = logits.iter().map(|&x| f64::from(x - largest).exp()).sum();
            assert!((sum / expected - 1.0).abs() < 1e-6, "{sum} {expected}");
        }
        let all = peaks(&logits, vocab, None);
        assert_eq!(peaks(&logits, vocab, Some(&[2])), all[2..], "alone and among others");
    }
}

#[test]
fn equal_logits_of_two_chunks_have_the_lower_id() {
    let mut logits = vec![0f32; 3 * PEAK_CHUNK as usize];
    logits[PEAK_CHUNK as usize + 7] = 2.0;
    logits[2 * PEAK_CHUNK as usize] = 2.0;
    assert_eq!(peaks(&logits, logits.len(), None)[0].0, PEAK_CHUNK + 7);
}

#[test]
fn a_row_without_any_number_is_all_zeros_and_infinity_the_largest() {
    for logit in [f32::NEG_INFINITY, f32::NAN] {
        let mut row = vec![logit; 5000];
        assert_eq!(peaks(&row, 5000, None)[0], (0, 0.0, 5000.0), "{logit}");
        row[4500] = 1.0;
        assert_eq!(peaks(&row, 5000, None)[0], (4500, 1.0, 1.0), "{logit} counts as impossible");
        row[4700] = f32::INFINITY;
        row[10] = f32::INFINITY;
        assert_eq!(peaks(&row, 5000, None)[0], (10, f32::INFINITY, 2.0), "{logit}");
    }
}

#[test]
fn logits_are_scaled_and_capped() {
    for cap in [0.0f32, 30.0] {
        let logits: Vec<f32> = noise(5, 1000).iter().map(|x| 100.0 * x).collect();
        let found = in_both_orders(|order| {
            let mut own = Buffer::new(&logits);
            let params =
                ScaleLogitsParams { logits: own.pointer(), count: 1000, scale: 0.5, soft_cap: cap };
            run(Kernel::ScaleLogits, &params.launch(), &params, order);
            own.floats()
        });
        let value = |&logit: &f32| {
            let scaled = 0.5 * f64::from(logit);
            let cap = f64::from(cap);
            if cap == 0.0 { scaled } else { cap * (scaled / cap).tanh() }
        };
        let expected: Vec<_> = logits.iter().map(value).collect();
        assert_near(&found, &expected, 1e-5, "logits");
    }
}

#[test]
fn tokens_are_handed_over_to_their_places() {
    let peak = |id| DevicePeak { id, ..DevicePeak::default() };
    let found = in_both_orders(|order| {
        let memory = Memory::default();
        let mut tokens = Buffer::new(&[9u32; 4]);
        let params = HandOverParams {
            peaks: Buffer::new(&[peak(50), peak(51), peak(52)]).keep(&memory),
            sources: Buffer::new(&[2u32, 0]).keep(&memory),
            targets: Buffer::new(&[1u32, 3]).keep(&memory),
            tokens: tokens.pointer(),
            count: 2,
            reserved: 0,
        };
        run(Kernel::HandOver, &params.launch(), &params, order);
        tokens.words()
    });
    assert_eq!(found, [9, 52, 9, 50]);
}
