use std::sync::mpsc;

use tgi_engine::{StepReport, TokenInfo};

use super::*;
use crate::record::MAX_RECORD_BYTES;

const LONG: Duration = Duration::from_mins(1);

fn accepted(request: u32) -> Event<'static> {
    Event::Accepted { request, prompt_tokens: 1, max_new_tokens: 1, validation: Duration::ZERO }
}

fn token(request: u32, index: u32) -> Event<'static> {
    let token = TokenInfo { id: 0, logprob: 0.0, special: false, text: "some text" };
    Event::Token { request, index, last: false, token, top: &[] }
}

/// Kind, request and aux of each record.
fn headers(mut records: &[u8]) -> Vec<(u8, u32, u32)> {
    let word = |at: usize, bytes: &[u8]| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut headers = Vec::new();
    while !records.is_empty() {
        headers.push((records[4], word(8, records), word(12, records)));
        records = &records[word(0, records) as usize..];
    }
    headers
}

fn poll(outbox: &Outbox, out: &mut [u8]) -> Vec<(u8, u32, u32)> {
    match outbox.poll(out, LONG) {
        Polled::Records(bytes) => headers(&out[..bytes]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_poll_of_nothing_times_out() {
    let (outbox, _sink) = outbox(0);
    let mut out = vec![0; MAX_RECORD_BYTES];
    assert_eq!(outbox.poll(&mut out, Duration::from_millis(1)), Polled::Timeout);
}

#[test]
fn events_wait_for_the_end_of_their_step() {
    let (outbox, mut sink) = outbox(0);
    let mut out = vec![0; MAX_RECORD_BYTES];
    sink.emit(token(1, 1));
    assert_eq!(outbox.poll(&mut out, Duration::ZERO), Polled::Timeout);
    sink.emit(Event::Step(StepReport::default()));
    sink.publish();
    assert_eq!(poll(&outbox, &mut out), [(3, 1, 1), (7, 0, 0)]);
}

#[test]
fn a_waiting_poll_wakes_at_a_publication_of_either_kind() {
    let (outbox, mut steps) = outbox(0);
    let mut worker = WorkerSink::new(outbox.clone());
    let (seen, turn) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut out = vec![0; MAX_RECORD_BYTES];
            for _ in 0..2000 {
                seen.send(poll(&outbox, &mut out)).unwrap();
            }
        });
        for index in 0..1000 {
            steps.emit(token(1, index));
            steps.publish();
            assert_eq!(turn.recv().unwrap(), [(3, 1, index)]);
            worker.emit(accepted(index));
            worker.publish();
            assert_eq!(turn.recv().unwrap(), [(1, index, 0)]);
        }
    });
}

#[test]
fn accepted_always_precedes_the_tokens_of_its_request() {
    const REQUESTS: u32 = 20_000;
    let (outbox, mut steps) = outbox(0);
    let mut worker = WorkerSink::new(outbox.clone());
    let (hand_on, inbox) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for request in 1..=REQUESTS {
                worker.emit(accepted(request));
                hand_on.send(request).unwrap();
                worker.publish();
            }
        });
        scope.spawn(move || {
            while let Ok(request) = inbox.recv() {
                steps.emit(token(request, 1));
                steps.publish();
            }
        });
        let mut out = vec![0; MAX_RECORD_BYTES];
        let (mut accepted, mut finished) = (0, 0);
        while finished < REQUESTS {
            for (kind, request, _) in poll(&outbox, &mut out) {
                if kind == 1 {
                    accepted = request;
                } else {
                    finished += 1;
                    assert!(request == finished && request <= accepted);
                }
            }
        }
    });
}

#[test]
fn a_slow_reader_makes_the_engine_wait_and_loses_nothing() {
    const TOKENS: u32 = 50_000;
    let (outbox, mut steps) = outbox(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            (1..=TOKENS).for_each(|index| steps.emit(token(1, index)));
            steps.publish();
        });
        let (mut out, mut next) = (vec![0; MAX_RECORD_BYTES], 1);
        while next <= TOKENS {
            for (_, _, index) in poll(&outbox, &mut out) {
                assert_eq!(index, next);
                next += 1;
            }
        }
    });
}

#[test]
fn closing_ends_a_poll_that_waits() {
    let (outbox, _sink) = outbox(0);
    std::thread::scope(|scope| {
        let poller = scope.spawn(|| outbox.poll(&mut vec![0; MAX_RECORD_BYTES], LONG));
        outbox.close();
        assert_eq!(poller.join().unwrap(), Polled::Closed);
    });
}

#[test]
fn closing_releases_an_engine_that_waits_for_room() {
    let (outbox, mut steps) = outbox(0);
    std::thread::scope(|scope| {
        let engine = scope.spawn(move || (0..50_000).for_each(|index| steps.emit(token(1, index))));
        while outbox.ring.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        outbox.close();
        engine.join().unwrap();
    });
}

#[test]
fn only_one_poll_runs_at_a_time() {
    let (outbox, _sink) = outbox(0);
    let _first = outbox.ring.lock().unwrap();
    assert_eq!(outbox.poll(&mut vec![0; MAX_RECORD_BYTES], LONG), Polled::Busy);
}
