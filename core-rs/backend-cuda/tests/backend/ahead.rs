//! Tokens that are chosen on the device, and steps that begin before the last one's result is taken.

use crate::common::decoding::text;
use crate::common::{RandomModel, forward, load, options, random, random_model, slow_device};
use tgi_backend::{Ahead, Backend, Batch, Draw, Logits, PAGE_TOKENS, RankedToken, SeenToken};
use tgi_backend_cuda::{CudaBackend, CudaOptions, Device, Element};
use tgi_engine::{Parameters, Profile, Sampler, Scratch};

/// Decode steps.
const STEPS: usize = 12;
/// Lengths of the prompts; the second one's text crosses a page.
const PROMPTS: [usize; 4] = [3, 26, 9, 1];
/// The sequence that leaves, and before which decode step.
const LEAVER: (usize, usize) = (2, 5);

/// How each sequence chooses its tokens; the first by its peak.
fn draw(sequence: usize, row: u32, position: u32) -> Option<Draw> {
    let greedy = Draw::greedy(row, position);
    let seed = Some(1000 + sequence as u64);
    match sequence {
        0 => None,
        1 => Some(Draw { seed, temperature: 1.5, top_p: 0.9, ..greedy }),
        2 => Some(Draw { top: 2, ..greedy }),
        _ => Some(Draw { seed, top_k: 7, min_p: 0.01, top: 3, ..greedy }),
    }
}

/// What was chosen for a sequence: the token, and the bits of all log-probabilities.
type Token = (u32, Vec<u64>);

fn token(logits: &Logits<'_>, row: usize) -> Token {
    if let Some(peak) = logits.peak(row) {
        return (peak.id, vec![peak.sum_exp.to_bits()]);
    }
    let (token, tops) = logits.drawn(row).expect("the row is drawn");
    let bits = |token: &RankedToken| u64::from(token.id) << 32 | u64::from(token.logprob.to_bits());
    (token.id, std::iter::once(&token).chain(tops).map(bits).collect())
}

/// The sequences that are in decode step `step`; the prompts are step 0.
fn present(step: usize) -> Vec<usize> {
    (0..PROMPTS.len()).filter(|&it| it != LEAVER.0 || step < LEAVER.1).collect()
}

/// Step `step`. Its tokens are `known`, or those that the step before chooses.
fn batch(step: usize, known: Option<&[Token]>) -> Batch {
    let mut batch = Batch::default();
    let before = present(step.saturating_sub(1));
    for sequence in present(step) {
        let pages: Vec<u32> = (0..2).map(|page| (2 * sequence + page) as u32).collect();
        let length = PROMPTS[sequence];
        let row = batch.logit_rows.len() as u32;
        let last = if step == 0 {
            batch.push_sequence(&text(length), &pages, 0) + length - 1
        } else {
            let source = before.iter().position(|&it| it == sequence).unwrap();
            let token = known.map_or(0, |known| known[source].0);
            if known.is_none() {
                batch.handed.push(source as u32);
            }
            batch.push_sequence(&[token], &pages, length + step - 1)
        };
        batch.logit_rows.push(last as u32);
        match draw(sequence, row, (length + step) as u32) {
            Some(draw) => batch.draws.push(draw),
            None => batch.peak_rows.push(row),
        }
    }
    batch
}

fn tokens(logits: &Logits<'_>) -> Vec<Token> {
    (0..logits.rows()).map(|row| token(logits, row)).collect()
}

/// Every step waits for the one before, and the host hands the tokens on.
fn one_by_one<D: Device>(backend: &mut CudaBackend<D>) -> Vec<Vec<Token>> {
    let mut found: Vec<Vec<Token>> = Vec::new();
    for step in 0..STEPS {
        let batch = batch(step, found.last().map(Vec::as_slice));
        found.push(tokens(&backend.forward(&batch).unwrap()));
    }
    found
}

/// Every step begins before the one before is finished, in turns of two pairs of buffers.
fn ahead<D: Device>(backend: &mut CudaBackend<D>) -> Vec<Vec<Token>> {
    let backend = backend.ahead().unwrap();
    backend.begin(&batch(0, Some(&[]))).unwrap();
    let mut found = Vec::new();
    for step in 1..STEPS {
        backend.begin(&batch(step, None)).unwrap();
        found.push(tokens(&backend.finish().unwrap()));
    }
    found.push(tokens(&backend.finish().unwrap()));
    found
}

#[test]
fn steps_that_begin_ahead_choose_what_steps_one_by_one_choose() {
    for (element, has_graphs) in
        [(Element::F32, false), (Element::F32, true), (Element::Bf16, true)]
    {
        let spec = random_model::llama();
        let options = CudaOptions { element, has_graphs, logit_rows: 6, ..options(8, 64) };
        let expected = one_by_one(&mut load(&spec, &RandomModel, &options).unwrap());
        let load = || {
            CudaBackend::load(slow_device(), &spec, &RandomModel, &options, &mut |_| {}).unwrap()
        };
        let mut backend = load();
        assert!(ahead(&mut backend) == expected, "{element:?}, graphs: {has_graphs}");
        assert!(one_by_one(&mut backend) == expected, "the buffers again");
        assert!(ahead(&mut backend) == expected, "and again");
        let ids: std::collections::HashSet<_> =
            expected.iter().flatten().map(|(id, _)| *id).collect();
        assert!(ids.len() > 8 && PROMPTS[1] + STEPS > PAGE_TOKENS, "{ids:?}");
    }
}

#[test]
fn a_backend_that_goes_with_steps_in_flight_waits_for_them() {
    let options = options(8, 64);
    let mut backend = random(&random_model::llama(), &options);
    backend.begin(&batch(0, Some(&[]))).unwrap();
    backend.begin(&batch(1, None)).unwrap();
    drop(backend);
}

/// A step of one sequence whose row is chosen as `choose` says.
fn single(choose: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::default();
    batch.push_sequence(&text(5), &[0], 0);
    batch.logit_rows.push(4);
    choose(&mut batch);
    batch
}

#[test]
fn steps_out_of_turn_are_refused_and_begin_nothing() {
    let mut backend = random(&random_model::llama(), &options(8, 64));
    let refusal =
        |backend: &mut CudaBackend<_>, batch: &Batch| backend.begin(batch).unwrap_err().to_string();
    let greedy = single(|batch| batch.peak_rows.push(0));
    let logits = single(|_| ());
    let handed = single(|batch| batch.handed = vec![0, Batch::KNOWN, Batch::KNOWN, 7, 0]);
    assert!(backend.finish().unwrap_err().to_string().contains("no step is unfinished"));
    let message = refusal(&mut backend, &handed);
    assert!(message.contains("row 0 of the step before has chosen no token"), "{message}");
    let expected = forward(&mut backend, &logits);
    assert!(refusal(&mut backend, &handed).contains("row 0"), "its row has logits");
    backend.begin(&greedy).unwrap();
    assert!(refusal(&mut backend, &handed).contains("row 7"));
    assert!(refusal(&mut backend, &logits).contains("behind an unfinished step"));
    assert!(backend.forward(&greedy).unwrap_err().to_string().contains("unfinished"));
    backend.begin(&greedy).unwrap();
    assert!(refusal(&mut backend, &greedy).contains("2 steps are unfinished"));
    let first = tokens(&backend.finish().unwrap());
    assert_eq!(tokens(&backend.finish().unwrap()), first);
    assert_eq!(forward(&mut backend, &logits), expected);
    assert_eq!(first[0].0, crate::common::greedy(&expected[0]));
}

#[test]
fn logits_stay_where_a_step_behind_them_chooses() {
    let mut backend = random(&random_model::llama(), &options(8, 64));
    let (wanted, greedy) = (single(|_| ()), single(|batch| batch.peak_rows.push(0)));
    let expected = forward(&mut backend, &wanted);
    backend.begin(&wanted).unwrap();
    backend.begin(&greedy).unwrap();
    assert_eq!(backend.finish().unwrap().row(0), expected[0]);
    assert!(backend.finish().unwrap().peak(0).is_some());
}

/// What the engine's own sampler would do, as a draw.
fn kinds() -> Vec<(Parameters, Draw)> {
    let greedy = Draw::greedy(0, 5);
    let seed = Some(77);
    let sampling = Draw { seed, ..greedy.clone() };
    let plain = Parameters { do_sample: true, seed, ..Parameters::default() };
    let of = |parameters: Parameters, draw: Draw| (parameters, draw);
    vec![
        of(plain.clone(), sampling.clone()),
        of(
            Parameters { temperature: Some(0.4), top_p: Some(0.8), ..plain.clone() },
            Draw { temperature: 0.4, top_p: 0.8, ..sampling.clone() },
        ),
        of(
            Parameters { top_k: Some(3), top_n_tokens: 4, ..plain.clone() },
            Draw { top_k: 3, top: 4, ..sampling.clone() },
        ),
        of(
            Parameters { min_p: Some(0.2), top_n_tokens: 2, ..plain.clone() },
            Draw { min_p: 0.2, top: 2, ..sampling.clone() },
        ),
        of(
            Parameters { repetition_penalty: Some(3.0), top_n_tokens: 1, ..Parameters::default() },
            Draw { repetition: 3.0, seen: 0..5, top: 1, ..greedy.clone() },
        ),
        of(
            Parameters {
                repetition_penalty: Some(1.4),
                temperature: Some(2.0),
                top_k: Some(20),
                ..plain
            },
            Draw { repetition: 1.4, seen: 0..5, temperature: 2.0, top_k: 20, ..sampling },
        ),
    ]
}

#[test]
fn the_device_draws_what_the_engine_would_sample() {
    let mut backend = random(&random_model::llama(), &options(8, 64));
    let logits = forward(&mut backend, &single(|_| ())).remove(0);
    let mut scratch = Scratch::new(logits.len());
    for (parameters, draw) in kinds() {
        for position in 5..40 {
            let draw = Draw { position, ..draw.clone() };
            let step = single(|batch| {
                batch.seen.extend(text(5).into_iter().map(|id| SeenToken { id, count: 1 }));
                batch.draws.push(draw);
            });
            let found = backend.forward(&step).unwrap();
            let (token, tops) = found.drawn(0).unwrap();
            let sampler = Sampler::new(&parameters, Profile::V3_3, &text(5), 9, 77);
            let expected = sampler.sample(&mut logits.clone(), position, &mut scratch);
            assert_eq!(token.id, expected.id, "{parameters:?}");
            assert!((token.logprob - expected.logprob).abs() < 1e-5, "{parameters:?}");
            let ids = |tops: &[RankedToken]| tops.iter().map(|top| top.id).collect::<Vec<_>>();
            let expected: Vec<u32> = scratch.top().iter().map(|top| top.id).collect();
            assert_eq!(ids(tops), expected);
            for (top, expected) in tops.iter().zip(scratch.top()) {
                assert!((top.logprob - expected.logprob).abs() < 1e-5, "{parameters:?}");
            }
        }
    }
}

#[test]
fn a_row_that_has_seen_too_much_comes_back_as_logits() {
    let mut backend = random(&random_model::llama(), &options(8, 64));
    let expected = forward(&mut backend, &single(|_| ()));
    let step = single(|batch| {
        batch.seen = vec![SeenToken { id: 1, count: 1 }; 1025];
        batch.draws.push(Draw { seen: 0..1025, ..Draw::greedy(0, 5) });
    });
    let found = backend.forward(&step).unwrap();
    assert_eq!((found.drawn(0), found.row(0)), (None, &expected[0][..]));
}
