//! The copy of a page.

use tgi_cuda_kernels::signatures::{CopyPageParams, Kernel};

use crate::buffers::{Buffer, in_both_orders, run};

#[test]
fn a_page_is_copied_in_every_array_and_nothing_else_changes() {
    let (arrays, pages, page_bytes) = (6usize, 5usize, 32 * 72 * 2usize);
    let content: Vec<u8> =
        (0..arrays * pages * page_bytes).map(|at| (at * 7 % 251) as u8).collect();
    let found = in_both_orders(|order| {
        let mut memory = Buffer::of_bytes(&content);
        let params = CopyPageParams {
            base: memory.pointer(),
            chunk_stride: (pages * page_bytes) as u64,
            page_bytes: page_bytes as u64,
            chunks: arrays as u32,
            from: 1,
            to: 4,
            reserved: 0,
        };
        run(Kernel::CopyPage, &params.launch(), &params, order);
        memory.bytes().to_vec()
    });
    let mut expected = content;
    for array in expected.chunks_mut(pages * page_bytes) {
        array.copy_within(page_bytes..2 * page_bytes, 4 * page_bytes);
    }
    assert_eq!(found, expected);
}
