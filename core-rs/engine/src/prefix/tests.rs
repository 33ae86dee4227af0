use proptest::prelude::*;

use super::*;

/// Takes pages for `tokens`, keeps them, and lets them go.
fn keep(tree: &mut PrefixTree, pool: &mut PagePool, tokens: &[u32]) -> Vec<u32> {
    keep_under(Salt::default(), tree, pool, tokens)
}

fn keep_under(salt: Salt, tree: &mut PrefixTree, pool: &mut PagePool, tokens: &[u32]) -> Vec<u32> {
    let mut pages = Vec::new();
    let found = tree.acquire(salt, tokens, &mut pages, pool).tokens;
    assert_eq!(found, pages.len() * PAGE_TOKENS);
    while pages.len() * PAGE_TOKENS < tokens.len() {
        pages.push(pool.allocate().unwrap());
    }
    tree.insert(salt, tokens, &mut pages, pool);
    for &page in &pages {
        pool.release(page);
    }
    pages
}

fn find(tree: &mut PrefixTree, pool: &mut PagePool, tokens: &[u32]) -> (Match, Vec<u32>) {
    find_under(Salt::default(), tree, pool, tokens)
}

fn find_under(
    salt: Salt,
    tree: &mut PrefixTree,
    pool: &mut PagePool,
    tokens: &[u32],
) -> (Match, Vec<u32>) {
    let mut pages = Vec::new();
    let found = tree.acquire(salt, tokens, &mut pages, pool);
    for &page in &pages {
        pool.release(page);
    }
    (found, pages)
}

#[test]
fn whole_pages_are_shared_and_a_diverging_page_is_copied() {
    let (mut tree, mut pool) = (PrefixTree::new(), PagePool::new(8));
    let tokens: Vec<u32> = (0..70).collect();
    let pages = keep(&mut tree, &mut pool, &tokens);
    let (found, shared) = find(&mut tree, &mut pool, &tokens);
    assert_eq!(found, Match { tokens: 64, partial: Some((pages[2], 6)) });
    assert_eq!(shared, pages[..2]);
    let mut other = tokens.clone();
    other[40] = 99;
    let (found, shared) = find(&mut tree, &mut pool, &other);
    assert_eq!(found, Match { tokens: 32, partial: Some((pages[1], 8)) });
    assert_eq!(shared, pages[..1]);
}

#[test]
fn a_second_copy_of_a_page_gives_way_to_the_first() {
    let (mut tree, mut pool) = (PrefixTree::new(), PagePool::new(8));
    let tokens: Vec<u32> = (0..32).collect();
    let mut first = vec![pool.allocate().unwrap()];
    let mut second = vec![pool.allocate().unwrap()];
    tree.insert(Salt::default(), &tokens, &mut first, &mut pool);
    tree.insert(Salt::default(), &tokens, &mut second, &mut pool);
    assert_eq!(first, second);
    assert_eq!((pool.used(), pool.free()), (1, 7));
}

#[test]
fn eviction_takes_the_coldest_leaf_and_spares_held_pages() {
    let (mut tree, mut pool) = (PrefixTree::new(), PagePool::new(8));
    let cold: Vec<u32> = (100..164).collect();
    let warm: Vec<u32> = (200..264).collect();
    keep(&mut tree, &mut pool, &cold);
    keep(&mut tree, &mut pool, &warm);
    let mut held = Vec::new();
    tree.acquire(Salt::default(), &cold[..32], &mut held, &mut pool);
    assert!(tree.evict(&mut pool));
    assert_eq!(find(&mut tree, &mut pool, &cold).0.tokens, 32);
    assert!(tree.evict(&mut pool) && tree.evict(&mut pool));
    assert!(!tree.evict(&mut pool), "the last page is held");
    assert_eq!((pool.used(), pool.idle(), pool.free()), (1, 0, 7));
}

#[test]
fn a_prompt_is_found_under_its_own_salt_only() {
    let (mut tree, mut pool) = (PrefixTree::new(), PagePool::new(8));
    let tokens: Vec<u32> = (0..40).collect();
    let [ours, theirs] = [Some("ours"), Some("theirs")].map(|text| Salt::of(text, None));
    let pages = keep_under(ours, &mut tree, &mut pool, &tokens);
    for salt in [theirs, Salt::default()] {
        assert_eq!(find_under(salt, &mut tree, &mut pool, &tokens).0, Match::default());
    }
    assert_eq!(keep_under(theirs, &mut tree, &mut pool, &tokens).len(), 2);
    assert_eq!(pool.idle(), 4, "each has pages of its own");
    assert_eq!(find_under(ours, &mut tree, &mut pool, &tokens).1, pages[..1]);
}

#[test]
fn a_salt_leaves_nothing_behind_when_its_pages_are_evicted() {
    let (mut tree, mut pool) = (PrefixTree::new(), PagePool::new(4));
    let tokens: Vec<u32> = (0..100).collect();
    for key in 0..1000 {
        keep_under(Salt::of(Some(&key.to_string()), None), &mut tree, &mut pool, &tokens);
        while tree.evict(&mut pool) {}
        assert!(tree.roots.is_empty());
    }
    assert_eq!(tree.nodes.len(), 5, "a root and four pages, over and over");
}

/// Longest common prefix of `tokens` with any of `kept`, where diverging pages count.
fn longest(kept: &[Vec<u32>], tokens: &[u32]) -> usize {
    kept.iter().map(|known| common_prefix(known, tokens)).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn the_longest_kept_prefix_is_found(
        kept in prop::collection::vec(prop::collection::vec(0..2_u32, 1..100), 1..12),
        foreign in prop::collection::vec(prop::collection::vec(0..2_u32, 1..100), 0..4),
        wanted in prop::collection::vec(0..2_u32, 1..100),
    ) {
        let (mut tree, mut pool) = (PrefixTree::new(), PagePool::new(64));
        for tokens in &foreign {
            keep_under(Salt::of(Some("foreign"), None), &mut tree, &mut pool, tokens);
        }
        for tokens in &kept {
            keep(&mut tree, &mut pool, tokens);
        }
        for tokens in kept.iter().chain([&wanted]) {
            let (found, _) = find(&mut tree, &mut pool, tokens);
            let length = found.tokens + found.partial.map_or(0, |(_, common)| common);
            prop_assert_eq!(length, longest(&kept, tokens));
        }
        while tree.evict(&mut pool) {}
        prop_assert_eq!(pool.free(), 64);
    }
}
