//! Random models of every kind against the reference backend, in f32.

mod common;

use candle_core::quantized::GgmlDType;
use common::{CONTEXT, Random, RandomWeights, VOCAB, backend_with, specs};
use tgi_backend::{Backend, Batch};
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_backend_cpu::KvFormat;
use tgi_backend_cpu::isa::Isa;
use tgi_backend_cpu::weights::TensorSource;
use tgi_model::ModelSpec;
use tgi_model::spec::Position;

fn reference(spec: &ModelSpec, weights: &RandomWeights) -> CandleBackend {
    let options = CandleOptions::cpu(128, 512, 512);
    CandleBackend::from_weights(spec, &options, |role, layer, _shape| {
        let stored = weights.stored(role, layer)?;
        let values = stored.bytes.chunks_exact(4);
        Ok(values.map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect())
    })
    .unwrap()
}

/// A ragged batch over random pages: two prompts, then a chunk and a decode.
fn batches(random: &mut Random) -> [Batch; 2] {
    let mut ids = |count| (0..count).map(|_| random.below(VOCAB) as u32).collect::<Vec<_>>();
    let (first, second) = ([9, 3, 77, 50], [0, 127, 64, 31, 8, 90, 2]);
    let mut prompts = Batch::default();
    prompts.push_sequence(&ids(45), &first, 0);
    let start = prompts.push_sequence(&ids(190), &second, 0);
    prompts.logit_rows.extend([10, 44, start as u32 + 5, start as u32 + 189]);
    let mut next = Batch::default();
    next.push_sequence(&ids(50), &first, 45);
    next.push_sequence(&ids(1), &second, 190);
    next.logit_rows.extend([0, 49, 50]);
    [prompts, next]
}

/// Both compute in single precision.
const SINGLE: f32 = 1e-4;
/// K and V are in half precision here, in single precision there.
const HALF: f32 = 5e-3;
/// In bytes, each is off by up to half a step of a 127th of its head's largest.
const BYTES: f32 = 5e-2;

/// Checks that logits are off by `share` of a row's largest at most.
fn agrees(name: &str, spec: &ModelSpec, kv: KvFormat, share: f32) {
    let weights = RandomWeights::new(spec, GgmlDType::F32, 11);
    let mut ours = backend_with(spec, &weights, Isa::best(), 2, kv);
    let mut theirs = reference(spec, &weights);
    for batch in batches(&mut Random(4)) {
        let theirs = theirs.forward(&batch).unwrap();
        let ours = ours.forward(&batch).unwrap();
        for row in 0..theirs.rows() {
            let size = theirs.row(row).iter().fold(0.0f32, |size, x| size.max(x.abs()));
            for (ours, theirs) in ours.row(row).iter().zip(theirs.row(row)) {
                let off = (ours - theirs).abs();
                assert!(off <= share * size, "{name} {kv:?}: {ours} {theirs} of {size}");
            }
        }
    }
}

#[test]
fn every_kind_of_model_agrees_with_the_reference() {
    for (name, spec) in specs() {
        agrees(name, &spec, KvFormat::F32, SINGLE);
        agrees(name, &spec, KvFormat::F16, HALF);
        agrees(name, &spec, KvFormat::Int8, BYTES);
    }
}

#[test]
fn widths_that_are_no_whole_vectors_agree_too() {
    for (name, mut spec) in specs() {
        spec.hidden = 52;
        spec.mlp.intermediate = 70;
        spec.attention.head_size = 10;
        if let Position::Rope { dimensions, .. } = &mut spec.position {
            *dimensions = 6;
        }
        assert!(spec.context == CONTEXT);
        agrees(name, &spec, KvFormat::F16, HALF);
        agrees(name, &spec, KvFormat::Int8, BYTES);
    }
}
