//! Who holds pages and who waits: admission, preemption, release.
//!
//! A sequence is admitted when the pages of all its tokens are there, and grows by a page when a
//! decode needs one. When none is left, the youngest running sequence gives all of its pages and
//! waits for its tokens to be recomputed; the oldest one is never the victim of another, so it
//! always ends. What a step computes is decided in `plan`.

use std::{collections::VecDeque, time::Instant};

use tgi_backend::PAGE_TOKENS;

use crate::{
    limits::Limits,
    pages::PagePool,
    prefix::{Match, PrefixTree},
    sequence::{Sequence, pages_for},
};

/// A request that did not fit lets so many younger ones pass, then the queue waits for it.
const MOST_OVERTAKEN: u32 = 64;
/// Requests tried behind one that does not fit, in one step.
const LOOK_BEHIND: usize = 32;

/// Copies a page's K and V from one page to another; false when that failed.
pub(crate) type CopyPage<'a> = dyn FnMut(u32, u32) -> bool + 'a;

/// The queue, the running set and their pages.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) limits: Limits,
    pub(crate) pool: PagePool,
    prefix: PrefixTree,
    /// In the order of arrival, as `running`.
    pub(crate) waiting: VecDeque<Sequence>,
    pub(crate) running: Vec<Sequence>,
    /// Sequences that lost their pages in this step.
    displaced: Vec<Sequence>,
    arrivals: u64,
    /// Whether another plan may admit someone who waits; false when one tried and nothing has
    /// changed for the better.
    pub(crate) may_admit: bool,
    /// Whether the backend draws.
    pub(crate) draws: bool,
}

impl Scheduler {
    /// An empty scheduler over `limits.pages` free pages.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            pool: PagePool::new(limits.pages),
            prefix: PrefixTree::new(),
            waiting: VecDeque::new(),
            running: Vec::with_capacity(limits.running),
            displaced: Vec::new(),
            arrivals: 0,
            may_admit: false,
            draws: false,
        }
    }

    /// Puts a new sequence at the end of the queue.
    pub(crate) fn enqueue(&mut self, mut sequence: Sequence) {
        sequence.arrival = self.arrivals;
        self.arrivals += 1;
        self.waiting.push_back(sequence);
        self.may_admit = true;
    }

    /// Gives every decode the page of its next token, oldest first.
    pub(crate) fn grow_decodes(&mut self) {
        let mut index = 0;
        while index < self.running.len() {
            let sequence = &self.running[index];
            let short = sequence.is_decoding() && sequence.page_room() < sequence.tokens.len();
            if !short || sequence.is_paused() {
                index += 1;
            } else if let Some(page) = self.allocate() {
                self.running[index].pages.push(page);
            } else {
                let victim = self.youngest_paused().unwrap_or(self.running.len() - 1);
                self.displace(victim);
                index -= usize::from(victim < index);
            }
        }
    }

    /// Admits the next waiting sequence from the cursor on that has no more than `longest` tokens
    /// and whose pages are there; returns its place in the running set.
    pub(crate) fn admit_next(
        &mut self,
        cursor: &mut AdmissionCursor,
        longest: usize,
        copy: &mut CopyPage<'_>,
    ) -> Option<usize> {
        while cursor.index < self.waiting.len() && cursor.misses < LOOK_BEHIND {
            if cursor.blocked.is_some_and(|at| self.waiting[at].overtaken >= MOST_OVERTAKEN) {
                return None;
            }
            if self.waiting[cursor.index].is_paused() {
                cursor.index += 1;
                continue;
            }
            let short = self.waiting[cursor.index].tokens.len() <= longest;
            if short && self.running.len() >= self.limits.running && !self.displace_paused() {
                return None;
            }
            if short && self.reserve(cursor.index, copy) {
                if let Some(blocked) = cursor.blocked {
                    self.waiting[blocked].overtaken += 1;
                }
                let sequence = self.waiting.remove(cursor.index)?;
                let place = self.running.partition_point(|other| other.arrival < sequence.arrival);
                self.running.insert(place, sequence);
                return Some(place);
            }
            cursor.blocked.get_or_insert(cursor.index);
            cursor.misses += 1;
            cursor.index += 1;
        }
        None
    }

    /// Takes the pages of all tokens of a waiting sequence, as many as possible from the cache.
    fn reserve(&mut self, index: usize, copy: &mut CopyPage<'_>) -> bool {
        let sequence = &mut self.waiting[index];
        let mut found = Match::default();
        if self.limits.prefix_caching && !sequence.details {
            // The last token is always computed: its logits are wanted.
            let known = &sequence.tokens[..sequence.tokens.len() - 1];
            found = self.prefix.acquire(sequence.salt, known, &mut sequence.pages, &mut self.pool);
        }
        let missing = pages_for(sequence.tokens.len()) - sequence.pages.len();
        // A page for each running sequence stays back, so that admission seldom ends in preemption.
        while self.pool.free() + self.pool.idle() < missing + self.running.len() {
            if !self.displace_paused() {
                self.strip(index);
                return false;
            }
        }
        for _ in 0..missing {
            let Some(page) = self.allocate() else {
                self.strip(index);
                return false;
            };
            self.waiting[index].pages.push(page);
        }
        let sequence = &mut self.waiting[index];
        sequence.kv_len = found.tokens;
        if let Some((from, common)) = found.partial {
            // Even if `from` was just evicted, and given to this very sequence, its content
            // stays until the next forward.
            let to = sequence.pages[pages_for(found.tokens)];
            sequence.kv_len += if from == to || copy(from, to) { common } else { 0 };
        }
        if sequence.clock.started.is_none() {
            sequence.clock.started = Some(Instant::now());
            sequence.usage.cached_tokens = sequence.kv_len as u32;
        }
        true
    }

    /// Shares the whole pages of a prompt that was just computed.
    pub(crate) fn share_prompt(&mut self, index: usize) {
        let sequence = &mut self.running[index];
        if self.limits.prefix_caching && !sequence.details {
            let whole = sequence.kv_len - sequence.kv_len % PAGE_TOKENS;
            let tokens = &sequence.tokens[..whole];
            self.prefix.insert(sequence.salt, tokens, &mut sequence.pages, &mut self.pool);
            self.may_admit = true;
        }
    }

    /// Takes a running sequence out and lets its pages go; `keep` leaves them to the cache, which
    /// needs their content to be right.
    ///
    /// A step that is begun may still write behind the tokens known, and if it fails, that page is
    /// spoilt: it is not kept. All pages can be given out at once, for whatever is written to them
    /// comes in a later step, and steps keep their order.
    pub(crate) fn retire(&mut self, index: usize, keep: bool) -> Sequence {
        let mut sequence = self.running.remove(index);
        self.may_admit = true;
        if keep && self.limits.prefix_caching && !sequence.details {
            let open = if sequence.follows { sequence.kv_len % PAGE_TOKENS } else { 0 };
            let known = &sequence.tokens[..sequence.kv_len - open];
            self.prefix.insert(sequence.salt, known, &mut sequence.pages, &mut self.pool);
        }
        for page in sequence.pages.drain(..) {
            self.pool.release(page);
        }
        sequence.kv_len = 0;
        sequence
    }

    /// Puts the displaced sequences back into the queue, at their places.
    pub(crate) fn requeue_displaced(&mut self) {
        while let Some(sequence) = self.displaced.pop() {
            let place = self.waiting.partition_point(|other| other.arrival < sequence.arrival);
            self.waiting.insert(place, sequence);
        }
    }

    /// Lets the pages of a waiting sequence go.
    fn strip(&mut self, index: usize) {
        for page in self.waiting[index].pages.drain(..) {
            self.pool.release(page);
        }
    }

    fn displace(&mut self, index: usize) {
        let mut sequence = self.retire(index, true);
        sequence.take = 0;
        self.displaced.push(sequence);
    }

    /// A paused sequence gives its pages and its place up; false when none is running.
    fn displace_paused(&mut self) -> bool {
        let paused = self.youngest_paused();
        if let Some(index) = paused {
            self.displace(index);
        }
        paused.is_some()
    }

    fn youngest_paused(&self) -> Option<usize> {
        self.running.iter().rposition(Sequence::is_paused)
    }

    /// A free page, evicted from the cache if need be.
    pub(crate) fn allocate(&mut self) -> Option<u32> {
        if self.pool.free() == 0 && !self.prefix.evict(&mut self.pool) {
            return None;
        }
        self.pool.allocate()
    }
}

/// Where admission stands in the queue.
#[derive(Debug, Default)]
pub(crate) struct AdmissionCursor {
    index: usize,
    misses: usize,
    /// The oldest request that did not fit.
    blocked: Option<usize>,
}

#[cfg(test)]
mod tests;
