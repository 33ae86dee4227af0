//! Weights by role, as tensors on the device.

use candle_core::{DType, Device, Tensor};
use tgi_model::Role;

use crate::CandleError;

/// Gives the elements of a weight of this shape, row-major, in f32.
pub(crate) type Read<'a> =
    &'a mut dyn FnMut(Role, Option<usize>, &[usize]) -> Result<Vec<f32>, CandleError>;

/// Reads weights and puts them on a device.
pub(crate) struct Loader<'a> {
    read: Read<'a>,
    /// The layer whose weights are read; `None` for those of the whole model.
    pub layer: Option<usize>,
    device: &'a Device,
    dtype: DType,
}

impl<'a> Loader<'a> {
    /// Weights will be stored as `dtype` on `device`.
    pub fn new(read: Read<'a>, device: &'a Device, dtype: DType) -> Self {
        Self { read, layer: None, device, dtype }
    }

    /// Where weights go.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// A weight in the type of the model.
    pub fn tensor(&mut self, role: Role, shape: &[usize]) -> Result<Tensor, CandleError> {
        Ok(self.float(role, shape)?.to_dtype(self.dtype)?)
    }

    /// A weight in f32, for what is computed in f32 in any case.
    pub fn float(&mut self, role: Role, shape: &[usize]) -> Result<Tensor, CandleError> {
        let values = (self.read)(role, self.layer, shape)?;
        let expected = shape.iter().product();
        if values.len() != expected {
            let role = self.layer.map_or(format!("{role:?}"), |n| format!("{role:?} of layer {n}"));
            let (found, shape) = (values.len(), shape.to_vec());
            return Err(CandleError::Shape { role, found, expected, shape });
        }
        Ok(Tensor::from_vec(values, shape, self.device)?)
    }
}
