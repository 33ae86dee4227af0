use tgi_backend::Draw;

use super::*;
use crate::{FAIL, PANIC, ScriptedOptions};

fn backend(undecided: u64) -> ScriptedBackend {
    let options = ScriptedOptions { pages: 8, draws: true, ahead: true, ..<_>::default() };
    ScriptedBackend::new(&ScriptedOptions { undecided, ..options })
}

/// A step of one sequence whose last row wants its peak, or its token by seed 3.
fn step(tokens: &[u32], kv_len: usize, sampled: bool) -> Batch {
    let mut batch = Batch::default();
    batch.push_sequence(tokens, &[0, 1], kv_len);
    batch.logit_rows.push(tokens.len() as u32 - 1);
    let position = (kv_len + tokens.len()) as u32;
    if sampled {
        batch.draws.push(Draw { seed: Some(3), top: 2, ..Draw::greedy(0, position) });
    } else {
        batch.peak_rows.push(0);
    }
    batch
}

fn handed(kv_len: usize, sampled: bool) -> Batch {
    let mut batch = step(&[0], kv_len, sampled);
    batch.handed.push(0);
    batch
}

fn token(logits: &Logits<'_>) -> Option<u32> {
    let drawn = logits.drawn(0).map(|(token, _)| token.id);
    drawn.or_else(|| logits.peak(0).map(|peak| peak.id))
}

/// Four tokens, each step begun when the one before is finished.
fn one_by_one(sampled: bool) -> Vec<u32> {
    let (mut backend, mut tokens) = (backend(0), vec![9, 8]);
    for kv_len in [0, 2, 3, 4] {
        let batch = step(&tokens[kv_len..], kv_len, sampled);
        tokens.push(token(&backend.forward(&batch).unwrap()).unwrap());
    }
    tokens.split_off(2)
}

#[test]
fn tokens_are_handed_over_to_the_step_behind() {
    for sampled in [false, true] {
        let mut backend = backend(0);
        backend.begin(&step(&[9, 8], 0, sampled)).unwrap();
        let mut tokens = Vec::new();
        for kv_len in [2, 3, 4] {
            backend.begin(&handed(kv_len, sampled)).unwrap();
            let logits = backend.finish().unwrap();
            tokens.extend(token(&logits));
            assert!(logits.row(0).iter().all(|logit| logit.is_nan()), "the row is spent");
        }
        tokens.extend(token(&backend.finish().unwrap()));
        assert_eq!(tokens, one_by_one(sampled));
    }
}

#[test]
fn a_finished_step_still_hands_over() {
    let mut backend = backend(0);
    let first = token(&backend.forward(&step(&[9, 8], 0, false)).unwrap());
    backend.begin(&handed(2, false)).unwrap();
    let second = token(&backend.finish().unwrap());
    assert_eq!([first.unwrap(), second.unwrap()], one_by_one(false)[..2]);
}

#[test]
fn a_step_sees_what_is_in_the_pages_when_the_one_before_is_finished() {
    let mut backend = backend(0);
    backend.begin(&step(&[9, 8], 0, false)).unwrap();
    let mut other = step(&[5; 40], 0, false);
    other.page_table.reverse();
    backend.begin(&other).unwrap();
    assert_eq!(token(&backend.finish().unwrap()), Some(one_by_one(false)[0]));
    backend.finish().unwrap();
    backend.begin(&step(&[7], 2, false)).unwrap();
    let spoilt = token(&backend.finish().unwrap());
    backend.forward(&step(&[9, 8], 0, false)).unwrap();
    assert_ne!(spoilt, token(&backend.forward(&step(&[7], 2, false)).unwrap()));
}

#[test]
fn what_comes_at_the_wrong_time_is_refused() {
    let mut backend = backend(0);
    assert!(backend.finish().unwrap_err().to_string().contains("no step is unfinished"));
    backend.begin(&step(&[9], 0, false)).unwrap();
    backend.begin(&handed(1, false)).unwrap();
    let errors = [
        backend.begin(&handed(2, false)).unwrap_err().to_string(),
        backend.forward(&step(&[9], 0, false)).map(|_| ()).unwrap_err().to_string(),
        backend.copy_page(0, 1).unwrap_err().to_string(),
    ];
    assert!(errors.iter().all(|error| error.contains("unfinished")), "{errors:?}");
    backend.finish().unwrap();
    backend.finish().unwrap();
    backend.copy_page(0, 1).unwrap();
}

#[test]
fn a_fault_shows_when_its_step_is_finished_and_ends_with_it() {
    for fault in [FAIL, PANIC] {
        let mut backend = backend(0);
        backend.begin(&step(&[9, fault], 0, false)).unwrap();
        backend.begin(&step(&[9, 8], 0, false)).unwrap();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            backend.finish().map(|_| ()).unwrap();
        }));
        assert!(failed.is_err());
        assert_eq!(token(&backend.finish().unwrap()), Some(one_by_one(false)[0]));
    }
}

#[test]
fn an_undecided_row_has_its_logits_where_no_step_is_behind() {
    let mut backend = backend(1);
    backend.begin(&step(&[9, 8], 0, true)).unwrap();
    backend.begin(&handed(2, true)).unwrap();
    let logits = backend.finish().unwrap();
    assert!(token(&logits).is_none() && logits.row(0)[0].is_nan());
    let logits = backend.finish().unwrap();
    assert!(token(&logits).is_none() && logits.row(0)[0].is_finite());
}
