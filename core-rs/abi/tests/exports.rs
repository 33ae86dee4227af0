//! The C functions as a C program would call them. One core a process, so the tests take turns.

use std::ptr::{null, null_mut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tgi_core::errors::errno;
use tgi_core::exports::{
    tgi_abi_version, tgi_alive, tgi_cancel, tgi_close, tgi_flow, tgi_last_error, tgi_machine,
    tgi_open, tgi_poll, tgi_presence, tgi_stats, tgi_submit,
};

const CONFIG: &str = r#"{"backend": "scripted", "modelPath": null, "dtype": null,
    "maxInputTokens": null, "maxTotalTokens": null, "maxBatchPrefillTokens": null,
    "maxBatchTotalTokens": null, "maxBatchSize": null, "maxConcurrentRequests": 8,
    "prefixCaching": true, "speculate": 0, "validationWorkers": 1,
    "pauseLimitMillis": 1000, "profile": "3.3", "scripted": null}"#;
const JOB: &str = r#"{"inputs": "a", "parameters": {"max_new_tokens": 4, "ignore_eos": true}}"#;
const POLL_BYTES: usize = 256 * 1024;

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(json: &str) -> i32 {
    // SAFETY: the buffer lives through the call.
    unsafe { tgi_open(json.as_ptr(), json.len() as u32) }
}

fn submit(json: &str) -> i32 {
    // SAFETY: the buffer lives through the call.
    unsafe { tgi_submit(json.as_ptr(), json.len() as u32) }
}

fn poll(out: &mut [u8], timeout_ms: u32) -> i32 {
    // SAFETY: the buffer lives through the call and is ours alone.
    unsafe { tgi_poll(out.as_mut_ptr(), out.len() as u32, timeout_ms) }
}

fn last_error() -> String {
    let mut out = vec![0; 4096];
    // SAFETY: the buffer lives through the call and is ours alone.
    let bytes = unsafe { tgi_last_error(out.as_mut_ptr(), out.len() as u32) };
    String::from_utf8(out[..bytes as usize].to_vec()).unwrap()
}

/// Polls until the record that ends request `id`; gives the kinds of its records.
fn kinds_of(id: i32) -> Vec<u8> {
    records_of(id).iter().map(|record| record[4]).collect()
}

/// Polls until the record that ends request `id`; gives its records.
fn records_of(id: i32) -> Vec<Vec<u8>> {
    let (mut found, mut out) = (Vec::<Vec<u8>>::new(), vec![0; POLL_BYTES]);
    loop {
        let bytes = poll(&mut out, 10_000);
        assert!(bytes > 0, "{bytes}");
        let mut records = &out[..bytes as usize];
        while let Some((length, _)) = records.split_first_chunk() {
            let (record, rest) = records.split_at(u32::from_le_bytes(*length) as usize);
            if record[8..12] == id.to_le_bytes() {
                found.push(record.to_vec());
            }
            records = rest;
        }
        if found.last().is_some_and(|record| matches!(record[4], 5 | 6)) {
            return found;
        }
    }
}

#[test]
fn a_core_opens_generates_closes_and_opens_again() {
    let _turn = turn();
    assert_eq!(tgi_abi_version(), 4);
    for _ in 0..3 {
        assert_eq!((open(CONFIG), tgi_alive()), (0, 1));
        let id = submit(JOB);
        assert!(id > 0);
        let kinds = kinds_of(id);
        assert_eq!((kinds.first(), kinds.last()), (Some(&1), Some(&5)));
        assert_eq!(kinds.into_iter().filter(|kind| *kind == 3).count(), 4);
        assert_eq!((tgi_close(), tgi_alive()), (0, 0));
    }
}

#[test]
fn a_job_carries_ids_a_grammar_and_every_extension() {
    let _turn = turn();
    let job = r#"{"inputs": "", "input_ids": [9, 10], "parameters": {"max_new_tokens": 40,
        "grammar": {"type": "json_schema", "value": {"type": "object", "properties": {"the people":
        {"type": "boolean"}}, "required": ["the people"], "additionalProperties": false}},
        "watermark": {"gamma": 0.5, "delta": 2}, "min_p": 0.1, "logit_bias": {"300": -1.5},
        "presence_penalty": 0.5, "openai_frequency_penalty": null, "min_new_tokens": 1,
        "raw_logprobs": true, "stop": ["never"], "stop_anywhere": true,
        "include_stop_str": false}}"#;
    assert_eq!(open(CONFIG), 0);
    assert_eq!(kinds_of(submit(job)).last(), Some(&5));
    let broken = r#"{"inputs": "a", "parameters": {"grammar": {"type": "regex", "value": "("}}}"#;
    assert_eq!(kinds_of(submit(broken)), [6]);
    let unknown = r#"{"inputs": "a", "parameters": {"grammar": {"type": "xml", "value": "("}}}"#;
    assert_eq!(submit(unknown), -errno::EINVAL);
    assert_eq!(tgi_close(), 0);
}

#[test]
fn without_an_open_core_every_call_says_so() {
    let _turn = turn();
    assert_eq!(submit(JOB), -errno::EPIPE);
    assert_eq!(last_error(), "Cannot reach the core: it is not open");
    assert_eq!(poll(&mut vec![0; POLL_BYTES], 0), -1);
    // SAFETY: a null buffer is empty.
    assert_eq!(unsafe { tgi_stats(null_mut(), 100) }, -1);
    assert_eq!(tgi_close(), -errno::EPIPE);
    tgi_cancel(1);
    tgi_flow(1, 1);
}

#[test]
fn a_failed_open_leaves_room_for_the_next() {
    let _turn = turn();
    // SAFETY: a null buffer is empty.
    assert_eq!(unsafe { tgi_open(null(), 100) }, -1);
    assert!(last_error().starts_with("Cannot read the engine configuration: "));
    assert_eq!(open(CONFIG), 0);
    assert_eq!(open(CONFIG), -1);
    assert!(last_error().starts_with("Cannot open a second core"));
    assert_eq!(tgi_close(), 0);
}

#[test]
fn bad_buffers_and_bad_json_are_refused() {
    let _turn = turn();
    assert_eq!(open(CONFIG), 0);
    assert_eq!(poll(&mut [0; 1000], 0), -errno::EINVAL);
    assert_eq!(submit("{\"inputs\":"), -errno::EINVAL);
    assert_eq!(submit("{\"inputs\": 7}"), -errno::EINVAL);
    assert!(last_error().starts_with("Cannot read the request: "));
    assert_eq!(submit("{}"), -errno::EINVAL);
    assert!(last_error().contains("exactly one of `inputs`, `chat` and `tokenize`"));
    // SAFETY: a null buffer is empty; the other lives through the call and is ours alone.
    unsafe {
        let needed = -tgi_stats(null_mut(), 0);
        let mut out = vec![0; needed as usize];
        assert_eq!(tgi_stats(out.as_mut_ptr(), needed as u32), needed);
        assert!(out.starts_with(b"{\"backend\":\"scripted\""));
    }
    assert_eq!(tgi_close(), 0);
}

#[test]
fn requests_of_different_salts_share_no_cached_prompt() {
    let _turn = turn();
    assert_eq!(open(CONFIG), 0);
    let mut cached = |salt: &str| {
        let prompt = "QZ".repeat(40);
        let job = format!(
            r#"{{"inputs": "{prompt}", "parameters": {{"max_new_tokens": 1}}, "cache_salt": {salt}}}"#
        );
        let records = records_of(submit(&job));
        let done = records.last().unwrap();
        // Behind the header the tokens generated, of the prompt, from the cache.
        u32::from_le_bytes(done[24..28].try_into().unwrap())
    };
    let found = [r#""a""#, r#""b""#, "null", r#""a""#, "null"].map(&mut cached);
    assert_eq!(found[..3], [0, 0, 0]);
    assert!(found[3] >= 64 && found[4] >= 64, "{found:?}");
    assert_eq!(submit(r#"{"inputs": "a", "cache_salt": 7}"#), -errno::EINVAL);
    assert!(last_error().starts_with("Cannot read the request: "));
    assert_eq!(tgi_close(), 0);
}

#[test]
fn closing_ends_a_poll_that_waits_and_a_second_poll_is_refused() {
    let _turn = turn();
    assert_eq!(open(CONFIG), 0);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            // The other thread's look may be under way just now.
            loop {
                let result = poll(&mut vec![0; POLL_BYTES], 60_000);
                if result != -errno::EBUSY {
                    return result;
                }
            }
        });
        while poll(&mut vec![0; POLL_BYTES], 0) != -errno::EBUSY {
            std::thread::yield_now();
        }
        assert_eq!(tgi_close(), 0);
        assert_eq!(first.join().unwrap(), -1);
    });
}

#[test]
fn what_the_library_can_do_is_told_without_opening_it() {
    let mut out = vec![0; 4096];
    // SAFETY: the buffer lives through the call and is ours alone.
    let needed = unsafe { tgi_machine(null_mut(), 0) };
    // SAFETY: the same.
    let bytes = unsafe { tgi_machine(out.as_mut_ptr(), out.len() as u32) };
    assert!(bytes > 0 && needed == -bytes, "{needed} {bytes}");
    let text = std::str::from_utf8(&out[..bytes as usize]).unwrap();
    assert!(text.contains(r#""cpuIsas":["#), "{text}");
}

#[test]
fn who_is_here_is_told_without_an_open_core() {
    let _turn = turn();
    let ask = |json: &str, out: &mut [u8]| {
        let (ptr, len) = (out.as_mut_ptr(), out.len() as u32);
        // SAFETY: both buffers live through the call, and the second is ours alone.
        unsafe { tgi_presence(json.as_ptr(), json.len() as u32, ptr, len) }
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, peer) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    let peers = format!(r#"["{} {}","127.0.0.1 1"]"#, peer.ip(), peer.port());
    let expected = format!(r#"{{"here":["{} {}"],"left":[]}}"#, peer.ip(), peer.port());
    let mut out = [0; 100];
    assert_eq!(ask(&peers, &mut out), expected.len() as i32);
    assert_eq!(&out[..expected.len()], expected.as_bytes());
    assert_eq!(ask(&peers, &mut []), -(expected.len() as i32));
    assert_eq!(ask("{}", &mut out), -errno::EINVAL);
    assert!(last_error().starts_with("Cannot read the peers: "), "{}", last_error());
}
