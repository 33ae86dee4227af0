//! Where a role's tensor lies: rows of one or more tensors of the files.

use std::borrow::Cow;
use std::ops::Range;

use crate::checkpoint::{Packed, Product, Scaled};
use crate::storage::StorageType;

/// A tensor of a file: what it is and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    /// Name in the file.
    pub name: String,
    /// How its numbers are stored.
    pub dtype: StorageType,
    /// Row-major, `[rows, columns]` or `[n]`.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub content: Content,
}

/// Where numbers come from.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// They lie in a file as they are.
    Stored {
        /// Which of the model's files.
        file: usize,
        /// Bytes in that file.
        range: Range<usize>,
    },
    /// They are made of several tensors.
    Packed(Box<Packed>),
    /// They lie in a file without their scales, which lie elsewhere.
    Scaled(Box<Scaled>),
    /// They are a product of two tensors.
    Product(Box<Product>),
}

/// The rows of a tensor that belong to a role; for a vector an element is a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Rows of a group; the tensor is whole groups.
    pub group: usize,
    /// First row of the role in each group.
    pub first: usize,
    /// Rows of the role in each group.
    pub count: usize,
    /// The file has the columns as rows, `[columns, rows]`; only for tensors of floats.
    pub transposed: bool,
}

impl Rows {
    /// All of a tensor of `rows` rows.
    pub fn all(rows: usize) -> Self {
        Self { group: rows, first: 0, count: rows, transposed: false }
    }

    fn within(self, group: usize) -> Range<usize> {
        let first = group * self.group + self.first;
        first..first + self.count
    }

    /// Numbers of these rows, of a tensor of `total`.
    pub fn numbers(self, total: usize) -> impl Iterator<Item = usize> {
        (0..total / self.group.max(1)).flat_map(move |group| self.within(group))
    }
}

/// What a role's tensor is made of.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Row-major, as the role wants it.
    pub shape: Vec<usize>,
    /// What makes it, one behind the other; at least one, all of one storage type.
    pub parts: Vec<(Tensor, Rows)>,
}

impl Source {
    /// A tensor that is already as its role wants it.
    #[cfg(test)]
    pub fn whole(tensor: Tensor) -> Self {
        let rows = Rows::all(tensor.shape.first().copied().unwrap_or(0));
        Self { shape: tensor.shape.clone(), parts: vec![(tensor, rows)] }
    }

    /// Name of the first tensor.
    pub fn name(&self) -> &str {
        &self.parts[0].0.name
    }

    /// How the numbers are stored.
    pub fn dtype(&self) -> StorageType {
        self.parts[0].0.dtype
    }

    /// Size by shape and storage type, bytes.
    pub fn stored_bytes(&self) -> u64 {
        let numbers: usize = self.shape.iter().product();
        (numbers / self.dtype().block_size() * self.dtype().type_size()) as u64
    }

    /// The numbers as stored: those of the file when they lie there in one piece.
    pub fn bytes<'a, F: AsRef<[u8]>>(&self, files: &'a [F]) -> Cow<'a, [u8]> {
        let mut parts = self.parts.iter().map(|(tensor, rows)| read(tensor, *rows, files));
        match (parts.next(), self.parts.len()) {
            (Some(only), 1) => only,
            (first, _) => {
                Cow::Owned(first.into_iter().chain(parts).flat_map(Cow::into_owned).collect())
            }
        }
    }
}

fn read<'a, F: AsRef<[u8]>>(tensor: &Tensor, rows: Rows, files: &'a [F]) -> Cow<'a, [u8]> {
    match &tensor.content {
        Content::Stored { file, range } => {
            take(&files[*file].as_ref()[range.clone()], tensor, rows)
        }
        Content::Packed(packed) => take_owned(packed.unpack(files), tensor, rows),
        Content::Scaled(scaled) => take_owned(scaled.unpack(files), tensor, rows),
        Content::Product(product) => take_owned(product.unpack(files), tensor, rows),
    }
}

/// The same of bytes that nobody else has.
fn take_owned<'a>(bytes: Vec<u8>, tensor: &Tensor, rows: Rows) -> Cow<'a, [u8]> {
    if rows.count == tensor.shape[0] {
        return Cow::Owned(bytes);
    }
    Cow::Owned(take(&bytes, tensor, rows).into_owned())
}

/// The role's rows of a tensor's bytes.
fn take<'a>(bytes: &'a [u8], tensor: &Tensor, rows: Rows) -> Cow<'a, [u8]> {
    if rows.transposed {
        return Cow::Owned(transpose(bytes, tensor, rows));
    }
    let total = tensor.shape.first().copied().unwrap_or(0);
    if rows.count == total {
        return Cow::Borrowed(bytes);
    }
    // Parts are taken of tensors of floats and of matrices, whose rows are whole blocks.
    let row = bytes.len() / total.max(1);
    let bytes_of = |rows: Range<usize>| &bytes[rows.start * row..rows.end * row];
    if rows.group == total {
        return Cow::Borrowed(bytes_of(rows.within(0)));
    }
    let groups = 0..total / rows.group.max(1);
    Cow::Owned(groups.flat_map(|group| bytes_of(rows.within(group))).copied().collect())
}

/// `[columns, rows]` of the file to those rows of `[rows, columns]`.
fn transpose(bytes: &[u8], tensor: &Tensor, rows: Rows) -> Vec<u8> {
    let [columns, total] = tensor.shape[..] else { return bytes.to_vec() };
    let size = tensor.dtype.type_size();
    let mut out = Vec::with_capacity(bytes.len() / rows.group.max(1) * rows.count);
    for row in rows.numbers(total) {
        for column in 0..columns {
            out.extend_from_slice(&bytes[(column * total + row) * size..][..size]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::GgmlDType;

    use super::*;

    /// Half-precision numbers 0, 1, 2, .. whose bits are their values.
    fn file(numbers: u16) -> [Vec<u8>; 1] {
        [(0..numbers).flat_map(u16::to_le_bytes).collect()]
    }

    fn tensor(shape: &[usize]) -> Tensor {
        let bytes = shape.iter().product::<usize>() * 2;
        let dtype = GgmlDType::F16.into();
        let content = Content::Stored { file: 0, range: 0..bytes };
        Tensor { name: "t".to_owned(), dtype, shape: shape.to_vec(), content }
    }

    fn numbers(shape: &[usize], rows: Rows) -> Vec<u16> {
        let files = file(shape.iter().product::<usize>() as u16);
        let source = Source { shape: shape.to_vec(), parts: vec![(tensor(shape), rows)] };
        let bytes = source.bytes(&files);
        bytes.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect()
    }

    #[test]
    fn rows_in_one_piece_are_not_copied() {
        let files = file(8);
        let rows = Rows { first: 1, count: 2, ..Rows::all(4) };
        let source = Source { shape: vec![2, 2], parts: vec![(tensor(&[4, 2]), rows)] };
        let Cow::Borrowed(bytes) = source.bytes(&files) else { panic!("a copy") };
        assert_eq!(bytes, &files[0][4..12]);
        assert!(matches!(Source::whole(tensor(&[4, 2])).bytes(&files), Cow::Borrowed(_)));
    }

    #[test]
    fn a_vector_of_blocks_is_whole() {
        let dtype = GgmlDType::Q4_0.into();
        let content = Content::Stored { file: 0, range: 0..18 };
        let tensor = Tensor { dtype, content, ..tensor(&[32]) };
        assert_eq!(Source::whole(tensor).bytes(&file(16)).len(), 18);
    }

    #[test]
    fn rows_of_every_group_are_gathered() {
        let rows = Rows { group: 3, first: 1, count: 1, transposed: false };
        assert_eq!(numbers(&[6, 2], rows), [2, 3, 8, 9]);
        assert_eq!(numbers(&[6], rows), [1, 4]);
    }

    #[test]
    fn columns_of_a_transposed_tensor_become_rows() {
        let rows = Rows { group: 4, first: 2, count: 2, transposed: true };
        assert_eq!(numbers(&[3, 4], rows), [2, 6, 10, 3, 7, 11]);
        let rows = Rows { group: 2, first: 1, count: 1, transposed: true };
        assert_eq!(numbers(&[3, 4], rows), [1, 5, 9, 3, 7, 11]);
    }

    #[test]
    fn several_tensors_lie_one_behind_the_other() {
        let files = file(8);
        let part = |first| (tensor(&[4, 2]), Rows { first, count: 1, ..Rows::all(4) });
        let source = Source { shape: vec![2, 1, 2], parts: vec![part(3), part(0)] };
        assert_eq!(source.bytes(&files).as_ref(), [6, 0, 7, 0, 0, 0, 1, 0]);
        assert_eq!((source.name(), source.stored_bytes()), ("t", 8));
    }
}
