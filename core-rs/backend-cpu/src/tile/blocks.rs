//! Decoding of GGUF blocks to [`RowBlock`]s, one type each, as the GGUF specification lays them
//! out: `(row, b)` gives columns `32 * b..32 * b + 32` of a row's bytes.

use half::f16;

use super::RowBlock;

/// Decodes one block of 32 columns.
pub type Decode = fn(&[u8], usize) -> RowBlock;

fn half(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// Low nibbles first, then high nibbles.
fn nibbles(bytes: &[u8]) -> [u8; 32] {
    let mut q = [0; 32];
    for (index, byte) in bytes[..16].iter().enumerate() {
        q[index] = byte & 15;
        q[index + 16] = byte >> 4;
    }
    q
}

/// Sets `bit` of `q[i]` from bit `i` of four bytes.
fn fifth_bits(q: &mut [u8; 32], bytes: &[u8]) {
    for (index, q) in q.iter_mut().enumerate() {
        *q |= ((bytes[index / 8] >> (index % 8)) & 1) << 4;
    }
}

/// `Q4_0`: 18 bytes.
pub fn q4_0(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b * 18..][..18];
    RowBlock { q: nibbles(&block[2..]), scale: [half(block); 2], offset: [0.0; 2] }
}

/// `Q4_1`: 20 bytes.
pub fn q4_1(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b * 20..][..20];
    RowBlock { q: nibbles(&block[4..]), scale: [half(block); 2], offset: [half(&block[2..]); 2] }
}

/// `Q5_0`: 22 bytes.
pub fn q5_0(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b * 22..][..22];
    let mut q = nibbles(&block[6..]);
    fifth_bits(&mut q, &block[2..]);
    RowBlock { q, scale: [half(block); 2], offset: [0.0; 2] }
}

/// `Q5_1`: 24 bytes.
pub fn q5_1(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b * 24..][..24];
    let mut q = nibbles(&block[8..]);
    fifth_bits(&mut q, &block[4..]);
    RowBlock { q, scale: [half(block); 2], offset: [half(&block[2..]); 2] }
}

/// `Q8_0`: 34 bytes.
pub fn q8_0(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b * 34..][..34];
    let mut q = [0; 32];
    for (q, byte) in q.iter_mut().zip(&block[2..]) {
        *q = byte ^ 0x80;
    }
    RowBlock { q, scale: [half(block); 2], offset: [0.0; 2] }
}

/// `IQ4_NL`: 18 bytes; `q` are indices.
pub fn iq4_nl(row: &[u8], b: usize) -> RowBlock {
    q4_0(row, b)
}

/// `Q2_K`: 84 bytes for 256 columns.
pub fn q2_k(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b / 8 * 84..][..84];
    let b = b % 8;
    let (scale, min) = (half(&block[80..]), half(&block[82..]));
    let mut q = [0; 32];
    for (q, byte) in q.iter_mut().zip(&block[16 + b / 4 * 32..]) {
        *q = (byte >> (2 * (b % 4))) & 3;
    }
    let parts = [block[2 * b], block[2 * b + 1]];
    RowBlock {
        q,
        scale: parts.map(|part| scale * f32::from(part & 15)),
        offset: parts.map(|part| -min * f32::from(part >> 4)),
    }
}

/// `Q3_K`: 110 bytes for 256 columns.
pub fn q3_k(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b / 8 * 110..][..110];
    let b = b % 8;
    let (mask, low, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let mut q = [0; 32];
    for (index, q) in q.iter_mut().enumerate() {
        let bits = (low[b / 4 * 32 + index] >> (2 * (b % 4))) & 3;
        *q = bits | (((mask[index] >> b) & 1) << 2);
    }
    let scale = [2 * b, 2 * b + 1].map(|part| {
        let low = scales[part % 8] >> (4 * (part / 8)) & 15;
        let high = scales[8 + part % 4] >> (2 * (part / 4)) & 3;
        half(&block[108..]) * (f32::from(low | high << 4) - 32.0)
    });
    RowBlock { q, scale, offset: [0.0; 2] }
}

/// The 6-bit scale and minimum of part `b` of a `Q4_K` or `Q5_K` block.
fn scale_and_min(scales: &[u8], b: usize) -> (f32, f32) {
    let (scale, min) = if b < 4 {
        (scales[b] & 63, scales[b + 4] & 63)
    } else {
        let shared = scales[b + 4];
        ((shared & 15) | (scales[b - 4] >> 6 << 4), (shared >> 4) | (scales[b] >> 6 << 4))
    };
    (f32::from(scale), f32::from(min))
}

/// `Q4_K`: 144 bytes for 256 columns.
pub fn q4_k(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b / 8 * 144..][..144];
    k_block(block, &block[16..], b % 8)
}

/// `Q5_K`: 176 bytes for 256 columns.
pub fn q5_k(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b / 8 * 176..][..176];
    let b = b % 8;
    let mut out = k_block(block, &block[48..], b);
    for (q, byte) in out.q.iter_mut().zip(&block[16..48]) {
        *q |= ((byte >> b) & 1) << 4;
    }
    out
}

/// What `Q4_K` and `Q5_K` share: scales, minima and the low four bits.
fn k_block(block: &[u8], low: &[u8], b: usize) -> RowBlock {
    let (scale, min) = scale_and_min(&block[4..16], b);
    let mut q = [0; 32];
    for (q, byte) in q.iter_mut().zip(&low[b / 2 * 32..]) {
        *q = (byte >> (4 * (b % 2))) & 15;
    }
    RowBlock { q, scale: [half(block) * scale; 2], offset: [-half(&block[2..]) * min; 2] }
}

/// `Q6_K`: 210 bytes for 256 columns.
pub fn q6_k(row: &[u8], b: usize) -> RowBlock {
    let block = &row[b / 8 * 210..][..210];
    let b = b % 8;
    let (half_block, quarter) = (b / 4, b % 4);
    let low = &block[half_block * 64 + quarter % 2 * 32..];
    let high = &block[128 + half_block * 32..];
    let mut q = [0; 32];
    for (index, q) in q.iter_mut().enumerate() {
        let bits = (high[index] >> (2 * quarter)) & 3;
        *q = ((low[index] >> (4 * (quarter / 2))) & 15) | (bits << 4);
    }
    let scale = half(&block[208..]);
    let parts = [block[192 + 2 * b], block[193 + 2 * b]];
    RowBlock { q, scale: parts.map(|part| scale * f32::from(part as i8)), offset: [0.0; 2] }
}
