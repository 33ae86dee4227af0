//! Weights, from where they are stored to the device.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use tgi_cuda_kernels::signatures::{Blocks, Element, FillParams, Kernel, Weights};
use tgi_model::{Model, ModelError, Role, StorageType, TensorView};

use crate::CudaError;
use crate::device::{Device, Region};
use crate::launch::launch;
use crate::matrix::{Bias, Matrix, Part};

/// Largest magnitude of random weights: rows of a few thousand give sums of about one.
const AMPLITUDE: f32 = 0.03;

/// A weight, wherever it comes from.
pub enum Stored<'a> {
    /// As a file has it.
    Tensor(TensorView<'a>),
    /// Its elements, row-major.
    Floats(Vec<f32>),
    /// Made up on the device; a vector is all ones.
    Random,
}

/// Gives weights by role.
pub trait WeightSource {
    /// The weight of a role, which has `shape`; roles of a block need the layer.
    ///
    /// # Errors
    /// [`ModelError`]: there is none.
    fn weight(
        &self,
        role: Role,
        layer: Option<usize>,
        shape: &[usize],
    ) -> Result<Stored<'_>, ModelError>;
}

impl WeightSource for Model {
    fn weight(
        &self,
        role: Role,
        layer: Option<usize>,
        _: &[usize],
    ) -> Result<Stored<'_>, ModelError> {
        Ok(Stored::Tensor(self.tensor(role, layer)?))
    }
}

/// How a matrix is held that a file stores as `stored`: blocks that kernels read stay, all else
/// becomes `element`.
pub fn held_as(stored: StorageType, element: Element) -> Weights {
    match stored {
        StorageType::Ggml(GgmlDType::Q4_0) => Weights::Blocks(Blocks::Q4_0),
        StorageType::Ggml(GgmlDType::Q4K) => Weights::Blocks(Blocks::Q4K),
        StorageType::Ggml(GgmlDType::Q6K) => Weights::Blocks(Blocks::Q6K),
        StorageType::Ggml(GgmlDType::Q8_0) => Weights::Blocks(Blocks::Q8_0),
        _ => Weights::Plain(element),
    }
}

/// Bytes of `count` elements held so; of blocks whole ones.
pub fn held_bytes(weights: Weights, count: usize) -> usize {
    match weights {
        Weights::Plain(element) => count * element.bytes(),
        Weights::Blocks(blocks) => count / blocks.weights() * blocks.bytes(),
    }
}

/// Reads weights and puts them on a device.
pub(crate) struct Loader<'a, D> {
    /// Takes them.
    pub device: &'a mut D,
    /// Gives them.
    pub source: &'a dyn WeightSource,
    /// The layer whose weights are read; `None` for those of the whole model.
    pub layer: Option<usize>,
    /// Type of plain weights.
    pub element: Element,
    /// Added to the weights of norms.
    pub norm_offset: f32,
    /// Of the next random matrix.
    pub seed: u64,
}

impl<'a, D: Device> Loader<'a, D> {
    /// Reads weights of the whole model first; plain ones become `element`.
    pub fn new(device: &'a mut D, source: &'a dyn WeightSource, element: Element) -> Self {
        Self { device, source, layer: None, element, norm_offset: 0.0, seed: 0 }
    }

    /// The matrices of `roles`, each with its rows, one behind the other as one `[outputs, inputs]`;
    /// with `biases` a bias for each of them.
    pub fn matrix(
        &mut self,
        roles: &[(Role, usize)],
        biases: Option<&[Role]>,
        inputs: usize,
    ) -> Result<Matrix, CudaError> {
        let stored = |&(role, rows): &(Role, usize)| {
            Ok((self.source.weight(role, self.layer, &[rows, inputs])?, rows))
        };
        let stored = roles.iter().map(stored).collect::<Result<Vec<_>, CudaError>>()?;
        let (mut parts, mut first) = (Vec::new(), 0);
        // Neighbours that are held alike become one part, which one kernel reads.
        for (weights, places) in self.alike(&stored) {
            let (region, outputs) = self.part(&stored[places], weights, inputs)?;
            parts.push(Part { weights, region, first, outputs });
            first += outputs;
        }
        let bias = biases.map(|biases| self.bias(roles, biases)).transpose()?;
        Ok(Matrix { roles: roles.to_vec(), parts, outputs: first, inputs, bias, updates: None })
    }

    /// A vector in f32.
    pub fn vector(&mut self, role: Role, size: usize) -> Result<Region, CudaError> {
        let values = self.floats(role, &[size])?;
        self.put("a vector", &values)
    }

    /// The weights of a norm, in f32, with the offset.
    pub fn norm(&mut self, role: Role, shape: &[usize]) -> Result<Region, CudaError> {
        let mut values = self.floats(role, shape)?;
        for value in &mut values {
            *value += self.norm_offset;
        }
        self.put("a norm", &values)
    }

    /// A matrix in f32, whatever the others are.
    pub fn table(&mut self, role: Role, shape: [usize; 2]) -> Result<Region, CudaError> {
        let values = self.floats(role, &shape)?;
        self.put("a table", &values)
    }

    /// Any numbers, in f32.
    pub fn put(&mut self, what: &'static str, values: &[f32]) -> Result<Region, CudaError> {
        let bytes = bytemuck::cast_slice(values);
        let region = self.device.allocate(what, bytes.len())?;
        self.device.upload(bytes, region)?;
        Ok(region)
    }

    /// Runs of neighbours that are held alike.
    pub fn alike(&self, stored: &[(Stored, usize)]) -> Vec<(Weights, Range<usize>)> {
        let form = |stored: &Stored| match stored {
            Stored::Tensor(view) => held_as(view.dtype, self.element),
            Stored::Floats(_) | Stored::Random => Weights::Plain(self.element),
        };
        let forms: Vec<_> = stored.iter().map(|(it, _)| form(it)).collect();
        let runs = forms.chunk_by(|a, b| a == b).scan(0, |first, run| {
            *first += run.len();
            Some((run[0], *first - run.len()..*first))
        });
        runs.collect()
    }

    /// Matrices one behind the other, and their rows in all.
    pub fn part(
        &mut self,
        group: &[(Stored, usize)],
        form: Weights,
        inputs: usize,
    ) -> Result<(Region, usize), CudaError> {
        let outputs = group.iter().map(|(_, rows)| rows).sum();
        let region = self.device.allocate("weights", held_bytes(form, outputs * inputs))?;
        let mut offset = 0;
        for (stored, rows) in group {
            let bytes = held_bytes(form, rows * inputs);
            let place = region.part(offset, bytes);
            offset += bytes;
            match stored {
                Stored::Random => self.fill(place, rows * inputs)?,
                Stored::Tensor(view) => {
                    let held = self.converted(view, form)?;
                    check_size(view.name, bytes, &held)?;
                    self.device.upload(&held, place)?;
                }
                Stored::Floats(values) => {
                    let held = convert(values, self.element);
                    check_size("weights", bytes, &held)?;
                    self.device.upload(&held, place)?;
                }
            }
        }
        Ok((region, outputs))
    }

    fn converted<'v>(
        &self,
        view: &'v TensorView,
        form: Weights,
    ) -> Result<Cow<'v, [u8]>, CudaError> {
        let stored_so = match form {
            Weights::Blocks(_) => true,
            Weights::Plain(element) => view.dtype == StorageType::Ggml(ggml(element)),
        };
        if stored_so {
            return Ok(Cow::Borrowed(&view.bytes));
        }
        Ok(convert(&view.dequantize()?, self.element).into_owned().into())
    }

    fn fill(&mut self, place: Region, count: usize) -> Result<(), CudaError> {
        self.seed += 1;
        let params = FillParams {
            out: place.address,
            count: count as u64,
            seed: self.seed,
            amplitude: AMPLITUDE,
            reserved: 0,
        };
        launch(self.device, Kernel::Fill(self.element), params.launch(), &params)
    }

    fn bias(&mut self, roles: &[(Role, usize)], biases: &[Role]) -> Result<Bias, CudaError> {
        let mut values = Vec::new();
        for (&role, (_, rows)) in biases.iter().zip(roles) {
            values.extend(self.floats(role, &[*rows])?);
        }
        let narrow = convert(&values, self.element);
        let element = self.device.allocate("a bias", narrow.len())?;
        self.device.upload(&narrow, element)?;
        Ok(Bias { float: self.put("a bias", &values)?, element })
    }

    fn floats(&mut self, role: Role, shape: &[usize]) -> Result<Vec<f32>, CudaError> {
        let count = shape.iter().product();
        let values = match self.source.weight(role, self.layer, shape)? {
            Stored::Tensor(view) => view.dequantize()?,
            Stored::Floats(values) => values,
            Stored::Random => vec![1.0; count],
        };
        check_size(&format!("{role:?}"), count, &values)?;
        Ok(values)
    }
}

fn check_size<T>(name: &str, expected: usize, found: &[T]) -> Result<(), CudaError> {
    if found.len() == expected {
        return Ok(());
    }
    let found = found.len();
    Err(CudaError::Options(format!("{name} has {found} elements or bytes, expected {expected}")))
}

fn ggml(element: Element) -> GgmlDType {
    match element {
        Element::Bf16 => GgmlDType::BF16,
        Element::F16 => GgmlDType::F16,
        Element::F32 => GgmlDType::F32,
    }
}

/// Numbers in another type, as bytes.
pub fn convert(values: &[f32], element: Element) -> Cow<'_, [u8]> {
    match element {
        Element::F32 => Cow::Borrowed(bytemuck::cast_slice(values)),
        Element::Bf16 => {
            Cow::Owned(values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect())
        }
        Element::F16 => {
            Cow::Owned(values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_kernels_read_stay_and_others_are_unpacked() {
        let held = |dtype: GgmlDType| held_as(dtype.into(), Element::Bf16);
        assert_eq!(held(GgmlDType::Q4K), Weights::Blocks(Blocks::Q4K));
        assert_eq!(held(GgmlDType::Q5_0), Weights::Plain(Element::Bf16));
        assert_eq!(held(GgmlDType::F32), Weights::Plain(Element::Bf16));
        assert_eq!(held_as(StorageType::Iq4Nl, Element::F16), Weights::Plain(Element::F16));
    }

    #[test]
    fn bytes_are_those_of_ggml() {
        assert_eq!(held_bytes(Weights::Blocks(Blocks::Q4_0), 64), 36);
        assert_eq!(held_bytes(Weights::Blocks(Blocks::Q6K), 512), 420);
        assert_eq!(held_bytes(Weights::Plain(Element::F16), 10), 20);
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest() {
        assert_eq!(convert(&[1.0], Element::Bf16).as_ref(), [0x80, 0x3F]);
        assert_eq!(convert(&[1.0], Element::F16).as_ref(), [0x00, 0x3C]);
        assert_eq!(convert(&[1.0], Element::F32).as_ref(), 1f32.to_le_bytes());
    }
}
