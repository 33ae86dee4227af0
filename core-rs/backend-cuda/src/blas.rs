//! Matrix products by cuBLASLt, which is found at run time and may be missing.

mod library;
mod plan;
mod search;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tgi_cuda_kernels::signatures::Element;

use crate::device::Region;
use library::Library;
use plan::Plan;
pub use search::candidates;

/// Working memory of a product, bytes: what NVIDIA recommends for Hopper (cuBLAS, "cublasSetWorkspace").
pub const WORKSPACE_BYTES: usize = 32 << 20;

/// `y = x W^T + bias`, everything row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// What the library's way depends on.
    pub shape: Shape,
    /// `[rows, inputs]`.
    pub x: u64,
    /// `[outputs, inputs]`.
    pub weight: u64,
    /// `[outputs]`, of the factors' type; read where the shape has a bias.
    pub bias: u64,
    /// `[rows, stride]`, of which `outputs` columns are written.
    pub y: u64,
}

/// Shape of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows of `x` and `y`.
    pub rows: usize,
    /// Rows of `W`, columns of `y`.
    pub outputs: usize,
    /// Columns of `x` and `W`.
    pub inputs: usize,
    /// From one row of `y` to the next, elements.
    pub stride: usize,
    /// Type of `x` and `W`; sums are f32.
    pub element: Element,
    /// Whether `y` is f32 whatever the factors are.
    pub is_f32: bool,
    /// Whether a bias is added; never to f32 results of other factors.
    pub has_bias: bool,
}

/// An open cuBLASLt, with its way for each shape that came by.
pub struct Blas {
    plans: HashMap<Shape, Option<Plan>>,
    library: Library,
    path: PathBuf,
    workspace: Region,
}

impl Blas {
    /// The first of `candidates` that loads; `workspace` has [`WORKSPACE_BYTES`].
    ///
    /// # Errors
    /// One sentence that says where it was looked for.
    pub fn open(candidates: &[PathBuf], workspace: Region) -> Result<Self, String> {
        let mut tried = Vec::new();
        for path in candidates {
            match Library::open(path) {
                Ok(library) => {
                    let path = library.file().unwrap_or_else(|| path.clone());
                    return Ok(Self { plans: HashMap::new(), library, path, workspace });
                }
                Err(reason) => tried.push(reason),
            }
        }
        let reason = tried.first().map_or("no place to look in", String::as_str);
        Err(format!(
            "cuBLASLt was not found ({reason}); matrix products take own kernels, which are slower: \
             name the folder of libcublasLt.so.13 by TGI_CUDA_LIBS"
        ))
    }

    /// The file that was loaded.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks for a product on `stream`; false when the library has no way for it.
    ///
    /// # Safety
    /// The product's regions are as large as its shapes say, and `stream` is one of the context that
    /// is current.
    ///
    /// # Errors
    /// The library's status in words.
    pub unsafe fn multiply(
        &mut self,
        product: &Product,
        stream: cudarc::driver::sys::CUstream,
    ) -> Result<bool, String> {
        let (library, plans) = (&self.library, &mut self.plans);
        let plan =
            plans.entry(product.shape).or_insert_with(|| Plan::new(library, product.shape).ok());
        let Some(plan) = plan else { return Ok(false) };
        // SAFETY: the caller's promise, and the plan is for this shape.
        unsafe { plan.run(library, product, self.workspace, stream) }?;
        Ok(true)
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        for plan in self.plans.values().flatten() {
            plan.destroy(&self.library);
        }
    }
}

// SAFETY: the handle and the descriptors may be used from any thread, one at a time, which `&mut`
// gives.
unsafe impl Send for Blas {}
