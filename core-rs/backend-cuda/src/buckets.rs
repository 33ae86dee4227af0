//! Sizes that steps are rounded up to, so that few graphs and few shapes of products serve all.

use tgi_cuda_kernels::signatures::SPLIT_TOKENS;

/// Rows of the largest step that has a graph. Larger ones take long enough for their launches to
/// hide behind the kernels.
const LARGEST: usize = 512;

/// Blocks for each multiprocessor that keep it busy.
const BLOCKS_EACH: usize = 2;

/// Rows of the decode steps that have graphs: 1 to 8, then two to each power of two, up to the
/// first that holds `most`.
pub fn decode_buckets(most: usize) -> Vec<usize> {
    let steps = (3..).flat_map(|power: u32| {
        let double = 1usize << (power + 1);
        [double * 3 / 4, double]
    });
    let all = (1..=8).chain(steps);
    let mut buckets = Vec::new();
    for bucket in all.take_while(|&it| it <= LARGEST) {
        buckets.push(bucket);
        if bucket >= most {
            break;
        }
    }
    buckets
}

/// The least of `buckets` that holds `rows`.
pub fn bucket_of(buckets: &[usize], rows: usize) -> Option<usize> {
    buckets.get(buckets.partition_point(|&bucket| bucket < rows)).copied()
}

/// Rows that a step without a graph is filled up to: the waste stays below an eighth from 64 rows on.
pub fn padded_rows(rows: usize) -> usize {
    match rows {
        ..=8 => rows,
        9..=256 => rows.next_multiple_of(8),
        _ => rows.next_multiple_of(64),
    }
}

/// Numbers of splits that attention is launched with, for contexts of up to `context` positions; 0
/// is one block for all of them.
pub fn split_classes(context: usize) -> Vec<u32> {
    let most = context.div_ceil(SPLIT_TOKENS as usize) as u32;
    if most <= 1 {
        return vec![0];
    }
    let grown = std::iter::successors(Some(2), |&class| (class < most).then_some(class * 4));
    std::iter::once(0).chain(grown).collect()
}

/// The class for tiles that see up to `needed` splits, where `blocks` blocks do without any: 0 when
/// those keep all `multiprocessors` busy.
pub fn split_class(classes: &[u32], needed: u32, blocks: usize, multiprocessors: usize) -> u32 {
    if needed <= 1 || blocks >= BLOCKS_EACH * multiprocessors {
        return 0;
    }
    classes.iter().copied().find(|&class| class >= needed).unwrap_or(0)
}

/// Splits that a layer with a window is launched with in a step of class `class`: no more than its
/// tiles of `tile_rows` rows can see.
pub fn layer_splits(class: u32, window: Option<usize>, tile_rows: usize) -> u32 {
    let Some(window) = window else { return class };
    let seen = (window + tile_rows).div_ceil(SPLIT_TOKENS as usize) + 1;
    class.min(u32::try_from(seen).unwrap_or(u32::MAX))
}

/// Bytes of what splits leave for the largest step that is split, for `heads` of `head_size` over
/// `kv_heads`.
pub fn partial_bytes(
    context: usize,
    multiprocessors: usize,
    (heads, kv_heads, head_size): (usize, usize, usize),
) -> usize {
    let class = split_classes(context).last().copied().unwrap_or(0) as usize;
    let rows = (BLOCKS_EACH * multiprocessors).div_ceil(kv_heads.max(1));
    rows * heads * class * (head_size + 2) * size_of::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLIT: usize = SPLIT_TOKENS as usize;

    #[test]
    fn buckets_are_dense_where_a_row_counts_and_end_with_the_batch() {
        let expected = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64];
        assert_eq!(decode_buckets(50), expected);
        assert_eq!(decode_buckets(1), [1]);
        assert_eq!(decode_buckets(100_000).last(), Some(&512));
    }

    #[test]
    fn a_step_takes_the_least_bucket_that_holds_it() {
        let buckets = decode_buckets(64);
        for rows in 1..=64 {
            let bucket = bucket_of(&buckets, rows).unwrap();
            assert!(bucket >= rows && bucket < 2 * rows.max(2), "{rows} {bucket}");
        }
        assert_eq!(bucket_of(&buckets, 65), None);
    }

    #[test]
    fn padding_never_loses_a_row_and_wastes_little() {
        for rows in 1..4000 {
            let padded = padded_rows(rows);
            assert!(padded >= rows);
            assert!(rows < 64 || (padded - rows) * 4 < rows, "{rows} {padded}");
        }
    }

    #[test]
    fn classes_of_splits_reach_the_whole_context() {
        assert_eq!(split_classes(SPLIT), [0]);
        assert_eq!(split_classes(2 * SPLIT), [0, 2]);
        assert_eq!(split_classes(32 * SPLIT), [0, 2, 8, 32]);
        assert_eq!(split_classes(33 * SPLIT), [0, 2, 8, 32, 128]);
    }

    #[test]
    fn a_few_long_sequences_are_split_and_many_are_not() {
        let classes = split_classes(32 * SPLIT);
        assert_eq!(split_class(&classes, 1, 8, 132), 0);
        assert_eq!(split_class(&classes, 5, 8, 132), 8);
        assert_eq!(split_class(&classes, 5, 264, 132), 0);
    }

    #[test]
    fn a_window_needs_no_more_splits_than_it_covers() {
        assert_eq!(layer_splits(32, None, 1), 32);
        assert_eq!(layer_splits(32, Some(2 * SPLIT - 1), 1), 3);
        assert_eq!(layer_splits(32, Some(2 * SPLIT), 1), 4);
        assert_eq!(layer_splits(0, Some(2 * SPLIT), 1), 0);
    }
}
