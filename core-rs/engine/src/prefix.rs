//! The prefix cache: a radix tree over KV pages.
//!
//! An edge is one page's tokens, compared in full: equal hashes can never mix two prompts. Inner
//! nodes hold whole pages; a leaf may hold the first tokens of one. A sequence that holds a node's
//! page holds those of all its ancestors, so idle nodes always form whole subtrees and every idle
//! page can be evicted, leaf by leaf, least recently used first. Each [`Salt`] has a root of its
//! own, which goes with its last page. After vLLM's block hashing and
//! `SGLang`'s `RadixAttention` (Zheng et al. 2024).

use std::{cmp::Ordering, collections::BTreeMap};

use tgi_backend::PAGE_TOKENS;

use crate::{lru::LruList, pages::PagePool, salt::Salt};

#[derive(Debug)]
struct Node {
    page: u32,
    parent: usize,
    /// The tokens of the page, `length` of them.
    tokens: [u32; PAGE_TOKENS],
    length: usize,
    /// Children in the order of their tokens.
    children: Vec<usize>,
}

impl Node {
    fn tokens(&self) -> &[u32] {
        &self.tokens[..self.length]
    }
}

/// What the cache knows of a prompt.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Tokens found in whole pages: those appended to the caller's page table.
    pub tokens: usize,
    /// A page whose first tokens come next, to be copied, and how many of them.
    pub partial: Option<(u32, usize)>,
}

/// The radix tree. Pages in it are marked as cached in the [`PagePool`].
#[derive(Debug, Default)]
pub struct PrefixTree {
    nodes: Vec<Node>,
    /// The node without a page above all prompts of a salt; each has children.
    roots: BTreeMap<Salt, usize>,
    /// Slots of `nodes` to reuse.
    vacant: Vec<usize>,
    /// All nodes but the roots, least recently used first.
    recency: LruList,
}

impl PrefixTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds the longest prefix of `tokens` cached under `salt`, appends its whole pages to `pages` and holds
    /// them in the pool. A partial page is named, not held.
    pub fn acquire(
        &mut self,
        salt: Salt,
        tokens: &[u32],
        pages: &mut Vec<u32>,
        pool: &mut PagePool,
    ) -> Match {
        let mut found = Match::default();
        let Some(&root) = self.roots.get(&salt) else { return found };
        let mut node = root;
        loop {
            let rest = &tokens[found.tokens..];
            let page_tokens = &rest[..rest.len().min(PAGE_TOKENS)];
            let Some((child, common)) = self.nearest(node, page_tokens) else { return found };
            let page = self.nodes[child].page;
            if common > 0 {
                self.recency.touch(child);
            }
            if common < PAGE_TOKENS {
                found.partial = (common > 0).then_some((page, common));
                return found;
            }
            pool.hold(page);
            pages.push(page);
            found.tokens += PAGE_TOKENS;
            node = child;
        }
    }

    /// Keeps the pages of `tokens`, whose K and V are all computed, under `salt`. Where the tree
    /// has a whole page with the same tokens, `pages` takes that one over and lets its own go.
    pub fn insert(&mut self, salt: Salt, tokens: &[u32], pages: &mut [u32], pool: &mut PagePool) {
        if tokens.is_empty() {
            return;
        }
        let mut node = self.root(salt);
        for (chunk, page) in tokens.chunks(PAGE_TOKENS).zip(pages) {
            match self.nearest(node, chunk) {
                Some((child, common)) if common == chunk.len() => {
                    self.recency.touch(child);
                    let kept = self.nodes[child].page;
                    if common == PAGE_TOKENS && kept != *page {
                        pool.hold(kept);
                        pool.release(*page);
                        *page = kept;
                    }
                    node = child;
                }
                _ => {
                    pool.cache(*page);
                    node = self.add(node, chunk, *page);
                }
            }
        }
    }

    /// Frees the least recently used idle page; false when there is none.
    pub fn evict(&mut self, pool: &mut PagePool) -> bool {
        let victim = self.recency.iter().find(|&node| {
            self.nodes[node].children.is_empty() && pool.is_idle(self.nodes[node].page)
        });
        let Some(victim) = victim else { return false };
        let parent = self.nodes[victim].parent;
        if let Ok(place) = self.place(parent, self.nodes[victim].tokens()) {
            self.nodes[parent].children.remove(place);
        }
        pool.evict(self.nodes[victim].page);
        self.recency.remove(victim);
        self.vacant.push(victim);
        if self.nodes[parent].length == 0 && self.nodes[parent].children.is_empty() {
            self.roots.retain(|_, root| *root != parent);
            self.vacant.push(parent);
        }
        true
    }

    /// The root of a salt, which must get a child at once.
    fn root(&mut self, salt: Salt) -> usize {
        if let Some(&root) = self.roots.get(&salt) {
            return root;
        }
        let root = self.place_node(usize::MAX, &[], u32::MAX);
        self.roots.insert(salt, root);
        root
    }

    /// The child of `node` that shares most first tokens with `tokens`, and how many.
    fn nearest(&self, node: usize, tokens: &[u32]) -> Option<(usize, usize)> {
        let children = &self.nodes[node].children;
        // In the order of their tokens, the longest common prefix is with a neighbour.
        let place = self.place(node, tokens).unwrap_or_else(|place| place);
        children[place.saturating_sub(1)..children.len().min(place + 1)]
            .iter()
            .map(|&child| (child, common_prefix(self.nodes[child].tokens(), tokens)))
            .max_by_key(|&(_, common)| common)
    }

    /// Where `tokens` stand among the children of `node`.
    fn place(&self, node: usize, tokens: &[u32]) -> Result<usize, usize> {
        self.nodes[node]
            .children
            .binary_search_by(|&child| -> Ordering { self.nodes[child].tokens().cmp(tokens) })
    }

    fn add(&mut self, parent: usize, tokens: &[u32], page: u32) -> usize {
        let place = self.place(parent, tokens).unwrap_or_else(|place| place);
        let index = self.place_node(parent, tokens, page);
        self.nodes[parent].children.insert(place, index);
        self.recency.touch(index);
        index
    }

    /// Puts a node without children into a slot.
    fn place_node(&mut self, parent: usize, tokens: &[u32], page: u32) -> usize {
        let mut node = Node {
            page,
            parent,
            tokens: [0; PAGE_TOKENS],
            length: tokens.len(),
            children: Vec::new(),
        };
        node.tokens[..tokens.len()].copy_from_slice(tokens);
        if let Some(index) = self.vacant.pop() {
            self.nodes[index] = node;
            index
        } else {
            self.nodes.push(node);
            self.nodes.len() - 1
        }
    }
}

fn common_prefix(left: &[u32], right: &[u32]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests;
