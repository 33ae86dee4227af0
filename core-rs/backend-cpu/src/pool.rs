//! The thread pool: a team that walks one program, region by region.
//!
//! A step is one program that every thread of the team runs. It is a sequence of *regions*, each a
//! number of independent items that the threads claim one by one. A region ends when its items are
//! done, not when all threads have arrived: a thread that the system has taken off its core holds
//! up nobody, unless it holds an item. Threads that wait spin for some microseconds, then yield,
//! then park, so that a core is soon free for whoever else needs it.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};

/// Checks of a condition with a pause between them before a thread yields; some microseconds.
const SPINS: usize = 300;
/// Yields before it parks.
const YIELDS: usize = 20;

/// Bit of [`Shared::state`]: helpers may join the step. Below it the count of those inside.
const OPEN: u64 = 1 << 16;
/// Steps are counted above it.
const STEP: u64 = 1 << 17;

type Program<'a> = &'a (dyn Fn(&Team) + Sync);

struct Shared {
    /// Step number, [`OPEN`], helpers inside.
    state: AtomicU64,
    /// Current region above 32 bits, its next item below.
    cursor: AtomicU64,
    /// Finished items of the current region.
    done: AtomicU32,
    /// Threads that are parked or about to.
    sleepers: AtomicUsize,
    /// A thread has panicked in this step.
    failed: AtomicBool,
    /// The pool is being dropped.
    closing: AtomicBool,
    /// What the caller of [`Pool::run`] owns; written only while no helper is inside a step.
    step: UnsafeCell<Step>,
}

struct Step {
    program: Option<Program<'static>>,
    first_region: u32,
    caller: Thread,
}

// SAFETY: `step` is written by the caller of `run` only while the step is closed and nobody is
// inside, and read only by threads that have joined an open step.
unsafe impl Sync for Shared {}

/// One thread's view of the step that it runs.
pub struct Team<'a> {
    /// Which thread this is, `0..threads`; the caller of [`Pool::run`] is 0.
    pub worker: usize,
    shared: &'a Shared,
    region: std::cell::Cell<u32>,
    helpers: &'a [Thread],
}

/// Threads that live as long as the backend.
pub struct Pool {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    handles: Arc<std::sync::OnceLock<Vec<Thread>>>,
    regions: u32,
}

impl Pool {
    /// Starts a team of `threads`, counting the caller of [`Pool::run`].
    pub fn new(threads: usize) -> Self {
        let step = Step { program: None, first_region: 0, caller: thread::current() };
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            cursor: AtomicU64::new(0),
            done: AtomicU32::new(0),
            sleepers: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            step: UnsafeCell::new(step),
        });
        let handles = Arc::new(std::sync::OnceLock::<Vec<Thread>>::new());
        let (started, all_started) = std::sync::mpsc::channel::<()>();
        let helpers: Vec<JoinHandle<()>> = (1..threads)
            .filter_map(|worker| {
                let (shared, handles) = (Arc::clone(&shared), Arc::clone(&handles));
                let started = started.clone();
                thread::Builder::new()
                    .name(format!("tgi-cpu-{worker}"))
                    .spawn(move || {
                        drop(started);
                        help(worker, &shared, handles.wait());
                    })
                    .ok()
            })
            .collect();
        let threads = helpers.iter().map(|helper| helper.thread().clone()).collect();
        handles.get_or_init(|| threads);
        // A thread takes memory when it starts: that belongs to the load, not to a step.
        drop(started);
        while all_started.recv().is_ok() {}
        Self { shared, helpers, handles, regions: 0 }
    }

    /// Threads of the team.
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Runs `program` on the team and returns when all its regions are done and nobody is inside.
    ///
    /// The program must call [`Team::region`] in the same order with the same numbers on every
    /// thread. A panic of any thread is passed on to the caller.
    pub fn run(&mut self, program: Program<'_>) {
        let shared = &*self.shared;
        // SAFETY: the step is closed and nobody is inside, so no thread reads `step` now. The
        // program's lifetime is extended only until `run` has closed the step again and seen
        // everyone leave it.
        unsafe {
            let step = &mut *shared.step.get();
            step.program = Some(std::mem::transmute::<Program<'_>, Program<'static>>(program));
            step.first_region = self.regions;
            if step.caller.id() != thread::current().id() {
                step.caller = thread::current();
            }
        }
        shared.cursor.store(u64::from(self.regions) << 32, Ordering::Relaxed);
        shared.done.store(0, Ordering::Relaxed);
        shared.state.fetch_add(STEP | OPEN, Ordering::SeqCst);
        let helpers = self.handles.get().map_or(&[][..], Vec::as_slice);
        shared.wake(None, helpers);
        let team = Team { worker: 0, shared, region: self.regions.into(), helpers };
        let result = catch_unwind(AssertUnwindSafe(|| program(&team)));
        if result.is_err() {
            shared.failed.store(true, Ordering::SeqCst);
            shared.wake(None, helpers);
        }
        shared.state.fetch_and(!OPEN, Ordering::SeqCst);
        while shared.state.load(Ordering::SeqCst) & (OPEN - 1) != 0 {
            thread::yield_now();
        }
        self.regions = team.region.get();
        let failed = shared.failed.swap(false, Ordering::SeqCst);
        match result {
            Err(panic) => resume_unwind(panic),
            Ok(()) => assert!(!failed, "a worker thread panicked"),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.wake(None, self.handles.get().map_or(&[][..], Vec::as_slice));
        for helper in self.helpers.drain(..) {
            // A helper catches the panics of its programs, so joining cannot fail.
            let _ = helper.join();
        }
    }
}

/// The life of a helper: join each step, leave it, wait for the next.
fn help(worker: usize, shared: &Shared, helpers: &[Thread]) {
    let mut seen = 0;
    loop {
        shared.wait(|| {
            let state = shared.state.load(Ordering::SeqCst);
            shared.closing.load(Ordering::SeqCst) || (state & OPEN != 0 && state / STEP != seen)
        });
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let state = shared.state.load(Ordering::SeqCst);
        let is_open = state & OPEN != 0 && state / STEP != seen;
        let (old, new) = (state, state + 1);
        if !is_open
            || shared.state.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_err()
        {
            continue;
        }
        seen = state / STEP;
        // SAFETY: this thread has joined an open step, so `step` is not written until it leaves.
        let step = unsafe { &*shared.step.get() };
        let team = Team { worker, shared, region: step.first_region.into(), helpers };
        if let Some(program) = step.program
            && catch_unwind(AssertUnwindSafe(|| program(&team))).is_err()
        {
            shared.failed.store(true, Ordering::SeqCst);
            shared.wake(Some(&step.caller), helpers);
        }
        shared.state.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    /// Waits for `ready`: spins, then yields, then parks.
    fn wait(&self, ready: impl Fn() -> bool) {
        for _ in 0..SPINS {
            if ready() {
                return;
            }
            std::hint::spin_loop();
        }
        for _ in 0..YIELDS {
            if ready() {
                return;
            }
            thread::yield_now();
        }
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !ready() {
            thread::park();
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes whoever is parked, after a change that they may wait for.
    fn wake(&self, caller: Option<&Thread>, helpers: &[Thread]) {
        if self.sleepers.load(Ordering::SeqCst) == 0 {
            return;
        }
        for thread in helpers.iter().chain(caller) {
            thread.unpark();
        }
    }
}

impl Team<'_> {
    /// Runs `item` for each of `0..items`, shared with the other threads; returns when all are
    /// done. What any thread wrote before is visible to all threads after.
    pub fn region(&self, items: usize, mut item: impl FnMut(usize)) {
        if items == 0 {
            return;
        }
        let (shared, region) = (self.shared, self.region.get());
        self.region.set(region.wrapping_add(1));
        loop {
            let cursor = shared.cursor.load(Ordering::Acquire);
            if (cursor >> 32) as u32 != region {
                return;
            }
            let next = (cursor as u32) as usize;
            if next >= items {
                break;
            }
            let claim = shared.cursor.compare_exchange_weak(
                cursor,
                cursor + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if claim.is_err() {
                continue;
            }
            item(next);
            if shared.done.fetch_add(1, Ordering::AcqRel) as usize + 1 == items {
                self.advance(region);
                return;
            }
        }
        shared.wait(|| {
            let cursor = shared.cursor.load(Ordering::SeqCst);
            (cursor >> 32) as u32 != region || shared.failed.load(Ordering::SeqCst)
        });
        assert!(!shared.failed.load(Ordering::SeqCst), "another thread of the team panicked");
    }

    /// Opens the next region, after the last item of `region`.
    fn advance(&self, region: u32) {
        self.shared.done.store(0, Ordering::Relaxed);
        let next = u64::from(region.wrapping_add(1)) << 32;
        self.shared.cursor.store(next, Ordering::SeqCst);
        // SAFETY: this thread is inside the step, so `step` is not written.
        let step = unsafe { &*self.shared.step.get() };
        self.shared.wake(Some(&step.caller), self.helpers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(pool: &mut Pool, regions: usize, items: usize) {
        let counts: Vec<Vec<AtomicUsize>> =
            (0..regions).map(|_| (0..items).map(|_| AtomicUsize::new(0)).collect()).collect();
        pool.run(&|team| {
            for (region, items) in counts.iter().enumerate() {
                team.region(items.len(), |item| {
                    if region > 0 {
                        assert!(
                            counts[region - 1].iter().all(|n| n.load(Ordering::Relaxed) == 1),
                            "a region began before the one before it was done"
                        );
                    }
                    items[item].fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert!(counts.iter().flatten().all(|n| n.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn every_item_runs_once_and_regions_follow_each_other() {
        for threads in [1, 2, 3, 7] {
            let mut pool = Pool::new(threads);
            for items in [1, 2, 5, 64] {
                count(&mut pool, 20, items);
            }
        }
    }

    #[test]
    fn a_team_larger_than_the_machine_finishes() {
        let mut pool = Pool::new(16);
        for _ in 0..20 {
            count(&mut pool, 50, 20);
        }
    }

    #[test]
    fn a_panic_of_any_item_reaches_the_caller_and_the_pool_goes_on() {
        let mut pool = Pool::new(3);
        for bad in [0, 7, 31] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&|team| {
                    team.region(32, |item| assert_ne!(item, bad, "scripted"));
                    team.region(8, |_| {});
                });
            }));
            assert!(result.is_err());
            count(&mut pool, 3, 9);
        }
    }

    #[test]
    fn a_pool_serves_callers_on_other_threads() {
        let mut pool = Pool::new(2);
        count(&mut pool, 2, 4);
        thread::spawn(move || count(&mut pool, 30, 4)).join().unwrap();
    }
}
