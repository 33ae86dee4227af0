use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SendError, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use super::{GrammarState, compiler::STACK_BYTES};
use crate::sequence::Sequence;

/// Most threads.
const MOST_THREADS: usize = 4;

/// Work on one sequence's grammar, there and back.
struct Task {
    request: u32,
    kind: TaskKind,
    state: Box<GrammarState>,
    tokens: Vec<u32>,
}

#[derive(Clone, Copy)]
enum TaskKind {
    /// Masks for the next token and the drafts.
    Walk,
    /// The tokens that a step gave.
    Feed,
}

impl Task {
    fn run(&mut self) {
        let Self { kind, state, tokens, .. } = self;
        let work = AssertUnwindSafe(|| match kind {
            TaskKind::Walk => state.walk(tokens),
            TaskKind::Feed => state.feed(tokens),
        });
        if catch_unwind(work).is_err() {
            self.state.fail("its matcher panicked");
        }
    }
}

/// The threads that work on grammars while the engine's thread computes, samples and tells.
///
/// They start with the first sequence that has a grammar; without any, nothing here takes a lock
/// or memory.
pub(crate) struct GrammarHelpers {
    threads: Option<Threads>,
    /// Tasks handed over and not taken back.
    open: usize,
    /// Lists of tokens to be used again.
    spare: Vec<Vec<u32>>,
}

impl GrammarHelpers {
    pub(crate) fn new() -> Self {
        Self { threads: None, open: 0, spare: Vec::new() }
    }

    /// Begins the masks of all sequences that this step samples from.
    pub(crate) fn begin_masks(&mut self, running: &mut [Sequence]) {
        for sequence in running.iter_mut().filter(|sequence| sequence.samples()) {
            let known = sequence.tokens.len() - sequence.drafted;
            self.begin(sequence, TaskKind::Walk, known);
        }
    }

    /// Begins to take in what a step added to `sequence`, from position `known` on.
    pub(crate) fn begin_feed(&mut self, sequence: &mut Sequence, known: usize) {
        self.begin(sequence, TaskKind::Feed, known);
    }

    fn begin(&mut self, sequence: &mut Sequence, kind: TaskKind, from: usize) {
        let Some(state) = sequence.grammar.take() else { return };
        let mut tokens = self.spare.pop().unwrap_or_default();
        tokens.extend_from_slice(&sequence.tokens[from..]);
        let task = Task { request: sequence.id(), kind, state, tokens };
        match self.threads.get_or_insert_with(Threads::start).tasks.send(task) {
            Ok(()) => self.open += 1,
            Err(SendError(mut task)) => {
                task.state.fail("no thread can work on it");
                sequence.grammar = Some(task.state);
            }
        }
    }

    /// Waits for all that was begun, and gives each sequence its state back.
    pub(crate) fn finish(&mut self, running: &mut [Sequence]) {
        while self.open > 0 {
            let done = self.threads.as_ref().and_then(|threads| threads.done.recv().ok());
            let Some(Task { request, state, mut tokens, .. }) = done else {
                self.open = 0;
                return;
            };
            self.open -= 1;
            tokens.clear();
            self.spare.push(tokens);
            if let Some(sequence) = running.iter_mut().find(|other| other.id() == request) {
                sequence.grammar = Some(state);
            }
        }
    }
}

struct Threads {
    tasks: Sender<Task>,
    done: Receiver<Task>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Half of the cores: the backend wants them all. Where none can start, no task is taken.
    fn start() -> Self {
        let count = thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let (tasks, queue) = channel();
        let (results, done) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let spawn = |_| {
            let (queue, results) = (Arc::clone(&queue), results.clone());
            let thread = thread::Builder::new().name("tgi-masks".into()).stack_size(STACK_BYTES);
            thread.spawn(move || work(&queue, &results)).ok()
        };
        let handles = (0..count.min(MOST_THREADS)).filter_map(spawn).collect();
        Self { tasks, done, handles }
    }
}

/// No thread outlives the library that its code is in.
impl Drop for Threads {
    fn drop(&mut self) {
        drop(std::mem::replace(&mut self.tasks, channel().0));
        for handle in self.handles.drain(..) {
            // A task's panic is caught where it happens.
            let _ = handle.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<Task>>, results: &Sender<Task>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut task) = next else { return };
        task.run();
        if results.send(task).is_err() {
            return;
        }
    }
}
