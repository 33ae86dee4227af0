//! The library's way for one shape of product.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{from_ref, null_mut};

use cudarc::cublaslt::sys::{
    cublasComputeType_t as ComputeType, cublasLtEpilogue_t as Epilogue,
    cublasLtMatmulDesc_t as Description, cublasLtMatmulDescAttributes_t as DescriptionAttribute,
    cublasLtMatmulHeuristicResult_t as Heuristic, cublasLtMatmulPreference_t as Preference,
    cublasLtMatmulPreferenceAttributes_t as PreferenceAttribute, cublasLtMatrixLayout_t as Layout,
    cudaDataType_t as DataType,
};
use cudarc::driver::sys::CUstream;
use tgi_cuda_kernels::signatures::Element;

use super::library::{Library, check};
use super::{Product, Shape, WORKSPACE_BYTES};
use crate::device::Region;

/// `CUBLAS_OP_T` (`cublas_api.h`).
const TRANSPOSED: u32 = 1;

/// Descriptors and the algorithm that the library's heuristic puts first.
pub(super) struct Plan {
    description: Description,
    weight: Layout,
    x: Layout,
    y: Layout,
    heuristic: Heuristic,
}

impl Plan {
    /// What is row-major here is column-major and transposed there, so `y^T = W x^T`: the weight is the
    /// first factor, `[inputs, outputs]` transposed, and `x` the second, `[inputs, rows]`.
    pub fn new(library: &Library, shape: Shape) -> Result<Self, String> {
        let Shape { rows, outputs, inputs, stride, element, is_f32, has_bias } = shape;
        let factors = data_type(element);
        let sums = if is_f32 { DataType::CUDA_R_32F } else { factors };
        let layout = |numbers, (rows, columns): (usize, usize), stride: usize| {
            let mut layout = null_mut();
            // SAFETY: the pointer is that of a local.
            let status = unsafe {
                (library.layout_create)(
                    &raw mut layout,
                    numbers,
                    rows as u64,
                    columns as u64,
                    stride as i64,
                )
            };
            check("cublasLtMatrixLayoutCreate", status).map(|()| layout)
        };
        let mut plan = Self {
            description: description(library, has_bias)?,
            weight: null_mut(),
            x: null_mut(),
            y: null_mut(),
            // SAFETY: all zeros are a valid value of this struct of numbers.
            heuristic: unsafe { MaybeUninit::zeroed().assume_init() },
        };
        let made = (|| {
            plan.weight = layout(factors, (inputs, outputs), inputs)?;
            plan.x = layout(factors, (inputs, rows), inputs)?;
            plan.y = layout(sums, (outputs, rows), stride)?;
            plan.heuristic = plan.choose(library)?;
            Ok(())
        })();
        match made {
            Ok(()) => Ok(plan),
            Err(reason) => {
                plan.destroy(library);
                Err(reason)
            }
        }
    }

    fn choose(&self, library: &Library) -> Result<Heuristic, String> {
        let preference = preference(library)?;
        let (mut found, mut count) = (self.heuristic, 0);
        // SAFETY: all descriptors are alive, the pointers are those of locals.
        let status = unsafe {
            (library.heuristic)(
                library.handle,
                self.description,
                self.weight,
                self.x,
                self.y,
                self.y,
                preference,
                1,
                &raw mut found,
                &raw mut count,
            )
        };
        // SAFETY: it was made above and is used no more.
        unsafe { (library.preference_destroy)(preference) };
        check("cublasLtMatmulAlgoGetHeuristic", status)?;
        if count == 0 { Err("cuBLASLt has no way for this product".to_owned()) } else { Ok(found) }
    }

    /// Asks for the product.
    ///
    /// # Safety
    /// The product has this plan's shape and regions as large as that says; `stream` is one of the
    /// context that is current.
    pub unsafe fn run(
        &self,
        library: &Library,
        product: &Product,
        workspace: Region,
        stream: CUstream,
    ) -> Result<(), String> {
        let (one, zero) = (1f32, 0f32);
        let pointer = |address: u64| address as *mut c_void;
        if product.shape.has_bias {
            let attribute = DescriptionAttribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER;
            set(library, self.description, attribute, &product.bias)?;
        }
        // SAFETY: the caller's promise; the factors are read at once.
        let status = unsafe {
            (library.matmul)(
                library.handle,
                self.description,
                from_ref(&one).cast(),
                pointer(product.weight),
                self.weight,
                pointer(product.x),
                self.x,
                from_ref(&zero).cast(),
                pointer(product.y),
                self.y,
                pointer(product.y),
                self.y,
                &raw const self.heuristic.algo,
                pointer(workspace.address),
                workspace.bytes,
                stream.cast(),
            )
        };
        check("cublasLtMatmul", status)
    }

    /// Gives the descriptors back.
    pub fn destroy(&self, library: &Library) {
        // SAFETY: those that are not null were made by this library and are used no more.
        unsafe {
            (library.description_destroy)(self.description);
            for layout in [self.weight, self.x, self.y].into_iter().filter(|it| !it.is_null()) {
                (library.layout_destroy)(layout);
            }
        }
    }
}

/// A product in f32 sums, its first factor transposed. For f32 factors that is f32 as such: with
/// TF32 they would lose 13 bits.
fn description(library: &Library, has_bias: bool) -> Result<Description, String> {
    let (sums, scale) = (ComputeType::CUBLAS_COMPUTE_32F, DataType::CUDA_R_32F);
    let mut description = null_mut();
    // SAFETY: the pointer is that of a local.
    let status = unsafe { (library.description_create)(&raw mut description, sums, scale) };
    check("cublasLtMatmulDescCreate", status)?;
    let transposed = DescriptionAttribute::CUBLASLT_MATMUL_DESC_TRANSA;
    set(library, description, transposed, &TRANSPOSED)?;
    if has_bias {
        let epilogue = DescriptionAttribute::CUBLASLT_MATMUL_DESC_EPILOGUE;
        set(library, description, epilogue, &(Epilogue::CUBLASLT_EPILOGUE_BIAS as u32))?;
    }
    Ok(description)
}

/// Sets an attribute whose type in cublasLt.h has the size of `T`.
fn set<T: Copy>(
    library: &Library,
    description: Description,
    attribute: DescriptionAttribute,
    value: &T,
) -> Result<(), String> {
    // SAFETY: the description is alive, and the value is copied.
    let status = unsafe {
        (library.description_set)(description, attribute, from_ref(value).cast(), size_of::<T>())
    };
    check("cublasLtMatmulDescSetAttribute", status)
}

fn preference(library: &Library) -> Result<Preference, String> {
    let mut preference = null_mut();
    // SAFETY: the pointer is that of a local.
    let status = unsafe { (library.preference_create)(&raw mut preference) };
    check("cublasLtMatmulPreferenceCreate", status)?;
    let attribute = PreferenceAttribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
    let bytes = WORKSPACE_BYTES;
    // SAFETY: the attribute is a `size_t`, which is copied.
    let status = unsafe {
        (library.preference_set)(
            preference,
            attribute,
            from_ref(&bytes).cast(),
            size_of_val(&bytes),
        )
    };
    check("cublasLtMatmulPreferenceSetAttribute", status).map(|()| preference)
}

fn data_type(element: Element) -> DataType {
    match element {
        Element::F32 => DataType::CUDA_R_32F,
        Element::Bf16 => DataType::CUDA_R_16BF,
        Element::F16 => DataType::CUDA_R_16F,
    }
}
