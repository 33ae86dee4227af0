//! Random weights: the speed of a step does not depend on the values, only on shapes and types.

use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use tgi_backend_cpu::weights::{Stored, TensorSource};
use tgi_backend_cuda::{Element, Stored as OnDevice, WeightSource};
use tgi_model::{ModelError, ModelSpec, Role, TensorView, tensor_shapes};

use crate::shapes::{MIXES, Mix, SHAPES, Shape, more_bits};

/// Weights of a shape, made up tensor by tensor when they are asked for.
#[derive(Clone, Debug)]
pub struct RandomModel {
    /// `SHAPE:TYPE`.
    pub name: String,
    /// What the shape stands for.
    pub spec: ModelSpec,
    mix: Mix,
}

impl RandomModel {
    /// From `SHAPE:TYPE`, such as `qwen2.5-0.5b:q4_k_m`; a shape alone is in bf16.
    ///
    /// # Errors
    /// A text that names the known shapes or types.
    pub fn named(name: &str) -> Result<Self, String> {
        let (shape, mix) = name.split_once(':').unwrap_or((name, "bf16"));
        let shape: &Shape = SHAPES.iter().find(|known| known.name == shape).ok_or_else(|| {
            format!("the shapes are {}", SHAPES.map(|known| known.name).join(", "))
        })?;
        let mix = MIXES
            .iter()
            .find(|known| known.name == mix)
            .ok_or_else(|| format!("the types are {}", MIXES.map(|known| known.name).join(", ")))?;
        Ok(Self { name: name.to_owned(), spec: shape.spec(), mix: *mix })
    }

    /// All weights as stored, bytes.
    pub fn tensor_bytes(&self) -> u64 {
        tensor_shapes(&self.spec)
            .iter()
            .map(|(role, layer, shape)| {
                let dtype = self.dtype(*role, *layer, shape);
                bytes_of(dtype, shape.iter().product()) as u64
            })
            .sum()
    }

    /// What a GPU computes it in: its own half, else bf16.
    pub fn element(&self) -> Element {
        if self.mix.base == GgmlDType::F16 { Element::F16 } else { Element::Bf16 }
    }

    /// The elements of a tensor in f32, row-major.
    ///
    /// # Errors
    /// As [`TensorView::dequantize`].
    pub fn floats(
        &self,
        role: Role,
        layer: Option<usize>,
        shape: &[usize],
    ) -> Result<Vec<f32>, ModelError> {
        let dtype = self.dtype(role, layer, shape);
        let bytes = tensor(role, layer, dtype, shape);
        let (dtype, shape) = (dtype.into(), shape.to_vec());
        TensorView { name: &self.name, dtype, shape, bytes: bytes.into() }.dequantize()
    }

    fn dtype(&self, role: Role, layer: Option<usize>, shape: &[usize]) -> GgmlDType {
        match shape {
            [_, columns] => {
                let more = layer.is_some_and(|layer| more_bits(layer, self.spec.layers));
                self.mix.dtype(role, more, *columns)
            }
            _ => GgmlDType::F32,
        }
    }
}

impl WeightSource for RandomModel {
    /// Plain numbers are made up on the device, blocks here.
    fn weight(
        &self,
        role: Role,
        layer: Option<usize>,
        shape: &[usize],
    ) -> Result<OnDevice<'_>, ModelError> {
        let dtype = self.dtype(role, layer, shape);
        if dtype.block_size() == 1 {
            return Ok(OnDevice::Random);
        }
        let bytes = tensor(role, layer, dtype, shape);
        let (dtype, shape) = (dtype.into(), shape.to_vec());
        Ok(OnDevice::Tensor(TensorView { name: &self.name, dtype, shape, bytes: bytes.into() }))
    }
}

impl TensorSource for RandomModel {
    fn stored(&self, role: Role, layer: Option<usize>) -> Result<Stored<'_>, ModelError> {
        let found = tensor_shapes(&self.spec)
            .into_iter()
            .find(|(known, at, _)| (*known, *at) == (role, layer));
        let (.., shape) =
            found.ok_or_else(|| ModelError::NoTensor { role: format!("{role:?}") })?;
        let dtype = self.dtype(role, layer, &shape);
        let columns = *shape.last().unwrap_or(&1);
        let rows = shape.iter().product::<usize>() / columns;
        Ok(Stored {
            dtype: dtype.into(),
            rows,
            columns,
            bytes: tensor(role, layer, dtype, &shape).into(),
        })
    }
}

/// Bytes of `elements` numbers.
fn bytes_of(dtype: GgmlDType, elements: usize) -> usize {
    elements / dtype.block_size() * dtype.type_size()
}

/// A tensor: equal for equal arguments. Vectors are near 1, as norms are.
fn tensor(role: Role, layer: Option<usize>, dtype: GgmlDType, shape: &[usize]) -> Vec<u8> {
    // FNV-1a of the role's name (Fowler, Noll and Vo 1991).
    let name = format!("{role:?}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut random = SplitMix(name << 8 | layer.map_or(0, |layer| layer as u64 + 1));
    let elements = shape.iter().product();
    match (dtype, shape) {
        (GgmlDType::F32, _) => {
            let number = |_| (0.9 + 0.2 * random.unit()).to_le_bytes();
            (0..elements).flat_map(number).collect()
        }
        (GgmlDType::F16 | GgmlDType::BF16, [_, columns]) => {
            let size = (*columns as f32).sqrt().recip();
            let is_f16 = dtype == GgmlDType::F16;
            let number = |_| {
                let number = (2.0 * random.unit() - 1.0) * size;
                if is_f16 {
                    f16::from_f32(number).to_le_bytes()
                } else {
                    bf16::from_f32(number).to_le_bytes()
                }
            };
            (0..elements).flat_map(number).collect()
        }
        _ => blocks(dtype, elements, *shape.last().unwrap_or(&1), &mut random),
    }
}

/// Random blocks with scales that keep sums over `columns` products near 1.
fn blocks(dtype: GgmlDType, elements: usize, columns: usize, random: &mut SplitMix) -> Vec<u8> {
    let mut bytes = vec![0; bytes_of(dtype, elements)];
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = random.next().to_le_bytes();
    }
    for byte in rest {
        *byte = random.next() as u8;
    }
    let (at, scale) = scale_fields(dtype);
    let scale = scale / (columns as f32).sqrt();
    for block in bytes.chunks_exact_mut(dtype.type_size()) {
        for (offset, factor) in at {
            block[*offset..offset + 2]
                .copy_from_slice(&f16::from_f32(scale * factor).to_le_bytes());
        }
    }
    bytes
}

/// Where a block of ggml has its half-precision fields and their ratio, and the scale that gives
/// weights of a variance near 1 around 0 (`ggml-common.h`).
fn scale_fields(dtype: GgmlDType) -> (&'static [(usize, f32)], f32) {
    match dtype {
        GgmlDType::Q4_0 => (&[(0, 1.0)], 0.21),
        GgmlDType::Q4_1 => (&[(0, 1.0), (2, -7.5)], 0.21),
        GgmlDType::Q5_0 => (&[(0, 1.0)], 0.11),
        GgmlDType::Q5_1 => (&[(0, 1.0), (2, -15.5)], 0.11),
        GgmlDType::Q8_0 => (&[(0, 1.0)], 0.013),
        GgmlDType::Q4K => (&[(0, 1.0), (2, 7.5)], 0.004),
        GgmlDType::Q5K => (&[(0, 1.0), (2, 15.5)], 0.002),
        GgmlDType::Q6K => (&[(208, 1.0)], 0.000_7),
        _ => (&[], 1.0),
    }
}

/// `SplitMix64` (Steele et al. 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_alone_is_in_bf16() {
        let (alone, named) = ("qwen2.5-0.5b", "qwen2.5-0.5b:bf16");
        let bytes = |name| RandomModel::named(name).unwrap().tensor_bytes();
        assert_eq!(bytes(alone), bytes(named));
        assert_eq!(RandomModel::named(alone).unwrap().element(), Element::Bf16);
    }

    #[test]
    fn a_name_of_no_shape_or_no_type_is_refused_with_the_known_ones() {
        let message = RandomModel::named("gpt-5:q4_0").unwrap_err();
        assert!(message.starts_with("the shapes are smollm2-135m, "), "{message}");
        let message = RandomModel::named("smollm2-135m:q9").unwrap_err();
        assert!(message.starts_with("the types are q4_0, "), "{message}");
    }

    #[test]
    fn stored_tensors_have_the_bytes_of_their_shape() {
        let model = RandomModel::named("qwen2.5-0.5b:q4_k_m").unwrap();
        let wanted = [
            (Role::Query, Some(0), GgmlDType::Q5_0, 896 * 896 / 32 * 22),
            (Role::Value, Some(0), GgmlDType::Q8_0, 128 * 896 / 32 * 34),
            (Role::Value, Some(3), GgmlDType::Q5_0, 128 * 896 / 32 * 22),
            (Role::Down, Some(0), GgmlDType::Q6K, 896 * 4864 / 256 * 210),
            (Role::Down, Some(3), GgmlDType::Q4K, 896 * 4864 / 256 * 144),
            (Role::QueryBias, Some(23), GgmlDType::F32, 896 * 4),
            (Role::OutputNorm, None, GgmlDType::F32, 896 * 4),
        ];
        for (role, layer, dtype, bytes) in wanted {
            let stored = model.stored(role, layer).unwrap();
            assert_eq!((stored.dtype, stored.bytes.len()), (dtype.into(), bytes), "{role:?}");
        }
        assert!(model.stored(Role::Output, None).is_err(), "the head is the embedding");
    }

    #[test]
    fn a_whole_model_has_the_size_that_its_shape_gives() {
        // Per layer: q, output, k, gate and up in 5.5 bits, v and down by the layer.
        let five = 24 * (2 * 896 * 896 + 128 * 896 + 2 * 4864 * 896) / 32 * 22;
        let value = 12 * 128 * 896 / 32 * (22 + 34);
        let down = 12 * 896 * 4864 / 256 * (144 + 210);
        let vectors = 4 * (896 + 24 * (2 * 896 + 896 + 2 * 128));
        let embedding = 151_936 * 896 / 32 * 34;
        let model = RandomModel::named("qwen2.5-0.5b:q4_k_m").unwrap();
        let whole = five + value + down + vectors + embedding;
        assert_eq!(model.tensor_bytes(), whole as u64);
    }

    #[test]
    fn weights_are_finite_and_of_the_wanted_size() {
        for mix in MIXES {
            let model = RandomModel::named(&format!("smollm2-135m:{}", mix.name)).unwrap();
            let shape = [64, 1536];
            let floats = model.floats(Role::Down, Some(0), &shape).unwrap();
            let variance: f32 = floats.iter().map(|x| x * x).sum::<f32>() / 64.0;
            assert!((0.05..20.0).contains(&variance), "{}: {variance}", mix.name);
            assert_eq!(floats, model.floats(Role::Down, Some(0), &shape).unwrap());
        }
    }
}
