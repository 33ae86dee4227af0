//! Every kernel, run on the host from the sources of the fatbin, against plain sums.
#![cfg(unix)]

mod attention;
mod blocks;
mod buffers;
mod catalog;
mod experts;
mod logits;
mod low_rank;
mod matmul;
mod memory;
mod rows;
mod sample;
