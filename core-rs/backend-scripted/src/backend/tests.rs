use proptest::prelude::*;

use super::*;

fn backend() -> ScriptedBackend {
    ScriptedBackend::new(&ScriptedOptions { pages: 16, ..ScriptedOptions::default() })
}

/// Runs one sequence, and returns the logits of its last token.
fn last(backend: &mut ScriptedBackend, tokens: &[u32], pages: &[u32], kv_len: usize) -> Vec<f32> {
    let mut batch = Batch::default();
    batch.push_sequence(tokens, pages, kv_len);
    batch.logit_rows.push(tokens.len() as u32 - 1);
    backend.forward(&batch).unwrap().row(0).to_vec()
}

fn prompt(length: u32) -> Vec<u32> {
    (0..length).map(|index| 10 + index * 7 % 400).collect()
}

#[test]
fn pages_chunks_and_company_do_not_change_a_row() {
    let tokens = prompt(70);
    let want = last(&mut backend(), &tokens, &[0, 1, 2], 0);

    let mut chunked = backend();
    last(&mut chunked, &tokens[..33], &[9, 4, 7], 0);
    assert_eq!(last(&mut chunked, &tokens[33..], &[9, 4, 7], 33), want);

    let mut shared = backend();
    let mut batch = Batch::default();
    batch.push_sequence(&prompt(40), &[5, 6], 0);
    let first = batch.push_sequence(&tokens, &[1, 2, 3], 0);
    batch.logit_rows.extend([3, 39, first as u32 + 69]);
    let logits = shared.forward(&batch).unwrap();
    assert_eq!((logits.rows(), logits.row(2)), (3, want.as_slice()));
    assert_ne!(logits.row(0), logits.row(1));
}

#[test]
fn a_wrong_page_length_token_or_hole_changes_the_row() {
    let tokens = prompt(40);
    let mut backend = backend();
    let want = last(&mut backend, &tokens, &[0, 1], 0);
    last(&mut backend, &prompt(32), &[2], 0);
    last(&mut backend, &tokens[1..33], &[3], 0);
    assert_eq!(last(&mut backend, &tokens[39..], &[2, 1], 39), want, "equal content");
    assert_ne!(last(&mut backend, &tokens[39..], &[3, 1], 39), want, "other page");
    assert_ne!(last(&mut backend, &tokens[39..], &[15, 1], 39), want, "page of holes");
    assert_ne!(last(&mut backend, &[9], &[0, 1], 39), want, "other token");
    last(&mut backend, &tokens, &[0, 1], 0);
    assert_ne!(last(&mut backend, &tokens[39..], &[0, 1], 40), want, "other position");
}

#[test]
fn a_copied_page_shows_the_same_tokens() {
    let tokens = prompt(33);
    let mut backend = backend();
    let want = last(&mut backend, &tokens, &[0, 1], 0);
    backend.copy_page(0, 8).unwrap();
    assert_eq!(last(&mut backend, &tokens[32..], &[8, 2], 32), want);
    let error = backend.copy_page(0, 16).unwrap_err().to_string();
    assert!(error.contains("page 16"), "{error}");
}

#[test]
fn faults_come_on_demand_and_leave_the_backend_usable() {
    let mut backend = backend();
    let want = last(&mut backend, &[7, 8], &[0], 0);
    let mut batch = Batch::default();
    batch.push_sequence(&[7, FAIL], &[1], 0);
    let error = backend.forward(&batch).unwrap_err().to_string();
    assert_eq!(error, "Cannot compute the batch: scripted failure");
    batch.tokens[1] = PANIC;
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        backend.forward(&batch).map(|_| ())
    }));
    assert!(caught.is_err());
    batch.tokens[1] = SLOW;
    assert_eq!(backend.forward(&batch).unwrap().rows(), 0);
    assert_eq!(last(&mut backend, &[8], &[0], 1), want);
}

#[test]
fn a_batch_that_breaks_a_rule_is_refused() {
    let mut batch = Batch::default();
    batch.push_sequence(&[1], &[16], 0);
    assert!(matches!(backend().forward(&batch), Err(BackendError::Batch(_))));
}

proptest! {
    #[test]
    fn any_cut_into_chunks_gives_the_same_row(
        tokens in prop::collection::vec(5u32..512, 1..200),
        cuts in prop::collection::vec(0usize..200, 0..5),
    ) {
        let pages: Vec<u32> = (0..7).collect();
        let want = last(&mut backend(), &tokens, &pages, 0);
        let mut ends: Vec<usize> =
            cuts.into_iter().filter(|&cut| cut > 0 && cut < tokens.len()).collect();
        ends.push(tokens.len());
        ends.sort_unstable();
        ends.dedup();
        let (mut chunked, mut start, mut row) = (backend(), 0, Vec::new());
        for end in ends {
            row = last(&mut chunked, &tokens[start..end], &pages, start);
            start = end;
        }
        prop_assert_eq!(row, want);
    }
}
