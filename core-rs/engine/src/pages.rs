//! Who holds which KV page.

/// The backend's KV pages: each is free, held by sequences, kept by the prefix cache, or both.
///
/// `used + idle + free` is always the pool's size. Nothing allocates after [`PagePool::new`].
#[derive(Debug)]
pub struct PagePool {
    /// Ids to hand out next, the last one first.
    free: Vec<u32>,
    /// Sequences that hold each page, `[pages]`.
    users: Vec<u32>,
    /// Whether the prefix cache keeps the page, `[pages]`.
    cached: Vec<bool>,
    /// Pages that the cache keeps and no sequence holds.
    idle: usize,
}

impl PagePool {
    /// A pool of `pages` free pages; low ids are handed out first.
    pub fn new(pages: usize) -> Self {
        Self {
            free: (0..pages as u32).rev().collect(),
            users: vec![0; pages],
            cached: vec![false; pages],
            idle: 0,
        }
    }

    /// Pages in all.
    pub fn total(&self) -> usize {
        self.users.len()
    }

    /// Pages that nobody holds or keeps.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Pages that only the prefix cache keeps: they can be evicted.
    pub fn idle(&self) -> usize {
        self.idle
    }

    /// Pages held by at least one sequence.
    pub fn used(&self) -> usize {
        self.total() - self.free() - self.idle
    }

    /// Whether only the cache keeps `page`.
    pub fn is_idle(&self, page: u32) -> bool {
        self.cached[page as usize] && self.users[page as usize] == 0
    }

    /// Takes a free page for one sequence; `None` when there is none.
    pub fn allocate(&mut self) -> Option<u32> {
        let page = self.free.pop()?;
        self.users[page as usize] = 1;
        Some(page)
    }

    /// One more sequence holds `page`, which is cached or held already.
    pub fn hold(&mut self, page: u32) {
        if self.is_idle(page) {
            self.idle -= 1;
        }
        self.users[page as usize] += 1;
    }

    /// One sequence lets go of `page`; without another holder or the cache it is free.
    pub fn release(&mut self, page: u32) {
        let users = &mut self.users[page as usize];
        debug_assert!(*users > 0, "page {page} released more often than held");
        *users -= 1;
        if *users == 0 {
            if self.cached[page as usize] {
                self.idle += 1;
            } else {
                self.free.push(page);
            }
        }
    }

    /// The prefix cache keeps `page`, which a sequence holds.
    pub fn cache(&mut self, page: u32) {
        debug_assert!(self.users[page as usize] > 0, "page {page} cached without a holder");
        self.cached[page as usize] = true;
    }

    /// The prefix cache gives up an idle page: it is free.
    pub fn evict(&mut self, page: u32) {
        debug_assert!(self.is_idle(page), "page {page} evicted while held");
        self.cached[page as usize] = false;
        self.idle -= 1;
        self.free.push(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pool: &PagePool) -> (usize, usize, usize) {
        (pool.used(), pool.idle(), pool.free())
    }

    #[test]
    fn a_page_is_free_again_when_its_last_holder_lets_go() {
        let mut pool = PagePool::new(2);
        let page = pool.allocate().unwrap();
        pool.hold(page);
        pool.release(page);
        assert_eq!(counts(&pool), (1, 0, 1));
        pool.release(page);
        assert_eq!(counts(&pool), (0, 0, 2));
    }

    #[test]
    fn a_cached_page_outlives_its_holders_until_it_is_evicted() {
        let mut pool = PagePool::new(2);
        let page = pool.allocate().unwrap();
        pool.cache(page);
        assert_eq!(counts(&pool), (1, 0, 1));
        pool.release(page);
        assert_eq!(counts(&pool), (0, 1, 1));
        pool.hold(page);
        assert_eq!(counts(&pool), (1, 0, 1));
        pool.release(page);
        pool.evict(page);
        assert_eq!(counts(&pool), (0, 0, 2));
    }

    #[test]
    fn an_empty_pool_hands_out_nothing() {
        let mut pool = PagePool::new(1);
        assert_eq!(pool.allocate(), Some(0));
        assert_eq!(pool.allocate(), None);
    }
}
