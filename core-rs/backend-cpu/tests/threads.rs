//! The pool beside other threads: it shares the cores, and an idle pool takes none.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use candle_core::quantized::GgmlDType;
use common::{Random, RandomWeights, Sequence, VOCAB, backend, specs, step};
use tgi_backend_cpu::CpuBackend;
use tgi_backend_cpu::isa::Isa;

/// One test at a time: the threads are the whole process's.
static TURN: Mutex<()> = Mutex::new(());

fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Logits of a prompt of 20 tokens and 100 decodes of it.
fn decode(backend: &mut CpuBackend) -> Vec<Vec<u32>> {
    let mut random = Random(8);
    let tokens = (0..120).map(|_| random.below(VOCAB) as u32).collect();
    let mut sequences = [Sequence::new(tokens, &mut (0..128).collect())];
    step(backend, &mut sequences, &[20]);
    for _ in 0..100 {
        step(backend, &mut sequences, &[1]);
    }
    let [sequence] = sequences;
    sequence.logits
}

#[test]
fn a_decode_beside_a_busy_thread_on_every_core_ends_with_the_same_bytes() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, spec) = &specs()[0];
    let weights = RandomWeights::new(spec, GgmlDType::Q8_0, 5);
    let expected = decode(&mut backend(spec, &weights, Isa::best(), 1));
    let is_over = AtomicBool::new(false);
    let logits = thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let logits = decode(&mut backend(spec, &weights, Isa::best(), cores().max(2)));
        is_over.store(true, Ordering::Relaxed);
        logits
    });
    assert!(logits == expected);
}

/// State and time on a core, ns, of each of the pool's threads, from Linux's `/proc` (proc(5)).
#[cfg(target_os = "linux")]
fn pool_threads() -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    tasks
        .map(|task| task.unwrap().path())
        .filter(|task| read(task.join("comm")).starts_with("tgi-cpu-"))
        .map(|task| {
            let stat = read(task.join("stat"));
            let state = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').next());
            let schedule = read(task.join("schedstat"));
            let on_core = schedule.split(' ').next().and_then(|nanos| nanos.parse().ok());
            (state.unwrap().to_owned(), on_core.unwrap())
        })
        .collect()
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_pool_sleeps_and_takes_no_time_on_any_core() {
    use std::time::Duration;

    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, spec) = &specs()[0];
    let weights = RandomWeights::new(spec, GgmlDType::Q8_0, 5);
    let mut backend = backend(spec, &weights, Isa::best(), 3);
    let logits = decode(&mut backend);
    let is_asleep =
        |threads: &[(String, u64)]| threads.iter().all(|(state, _)| state.as_str() == "S");
    let mut before = pool_threads();
    for _ in 0..1000 {
        if is_asleep(&before) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
        before = pool_threads();
    }
    assert_eq!(before.len(), 2);
    assert!(is_asleep(&before), "{before:?}");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(pool_threads(), before, "an idle thread has run");
    // And it wakes up.
    assert!(decode(&mut backend) == logits);
}
