//! The functions of cuBLASLt, by name.
//!
//! Not through the bindings' own loader: that takes an unversioned file first, whichever it is,
//! cannot be told where to look, and panics where there is none.

use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};

use cudarc::cublaslt::sys::{
    cublasComputeType_t as ComputeType, cublasLtHandle_t as Handle,
    cublasLtMatmulAlgo_t as Algorithm, cublasLtMatmulDesc_t as Description,
    cublasLtMatmulDescAttributes_t as DescriptionAttribute,
    cublasLtMatmulHeuristicResult_t as Heuristic, cublasLtMatmulPreference_t as Preference,
    cublasLtMatmulPreferenceAttributes_t as PreferenceAttribute, cublasLtMatrixLayout_t as Layout,
    cudaDataType as DataType, cudaStream_t as Stream,
};

/// `cublasStatus_t`: 0 is success. A number, since a later library may know more of them.
pub(super) type Status = c_int;

macro_rules! functions {
    ($($field:ident: $symbol:literal = fn($($argument:ty),*);)*) => {
        /// The library, its functions, and its handle.
        pub(super) struct Library {
            $(pub $field: unsafe extern "C" fn($($argument),*) -> Status,)*
            pub handle: Handle,
            /// Keeps the functions where they are.
            _code: libloading::Library,
        }

        impl Library {
            /// # Safety
            /// `library` is cuBLASLt of CUDA 13.
            unsafe fn bind(library: libloading::Library) -> Result<Self, libloading::Error> {
                // SAFETY: the types are those of cublasLt.h.
                $(let $field = unsafe { *library.get($symbol)? };)*
                Ok(Self { $($field,)* handle: std::ptr::null_mut(), _code: library })
            }
        }
    };
}

functions! {
    create: b"cublasLtCreate\0" = fn(*mut Handle);
    destroy: b"cublasLtDestroy\0" = fn(Handle);
    layout_create: b"cublasLtMatrixLayoutCreate\0" = fn(*mut Layout, DataType, u64, u64, i64);
    layout_destroy: b"cublasLtMatrixLayoutDestroy\0" = fn(Layout);
    description_create: b"cublasLtMatmulDescCreate\0" = fn(*mut Description, ComputeType, DataType);
    description_set: b"cublasLtMatmulDescSetAttribute\0" = fn(Description, DescriptionAttribute, *const c_void, usize);
    description_destroy: b"cublasLtMatmulDescDestroy\0" = fn(Description);
    preference_create: b"cublasLtMatmulPreferenceCreate\0" = fn(*mut Preference);
    preference_set: b"cublasLtMatmulPreferenceSetAttribute\0" = fn(Preference, PreferenceAttribute, *const c_void, usize);
    preference_destroy: b"cublasLtMatmulPreferenceDestroy\0" = fn(Preference);
    heuristic: b"cublasLtMatmulAlgoGetHeuristic\0" = fn(Handle, Description, Layout, Layout, Layout, Layout, Preference, c_int, *mut Heuristic, *mut c_int);
    matmul: b"cublasLtMatmul\0" = fn(Handle, Description, *const c_void, *const c_void, Layout, *const c_void, Layout, *const c_void, *const c_void, Layout, *mut c_void, Layout, *const Algorithm, *mut c_void, usize, Stream);
}

impl Library {
    /// Loads a file, or what the system's linker finds under a bare name, and makes the handle for the
    /// context that is current.
    pub fn open(path: &Path) -> Result<Self, String> {
        let failed = |reason: String| format!("{}: {reason}", path.display());
        // SAFETY: the initializers of cuBLASLt are sound.
        let library =
            unsafe { libloading::Library::new(path) }.map_err(|error| failed(words(&error)))?;
        // SAFETY: the file's name says the version.
        let mut library = unsafe { Self::bind(library) }.map_err(|error| failed(words(&error)))?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the pointer is that of a local.
        let status = unsafe { (library.create)(&raw mut handle) };
        library.handle = handle;
        check("cublasLtCreate", status).map_err(failed)?;
        Ok(library)
    }

    /// The file that the functions come from.
    pub fn file(&self) -> Option<PathBuf> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let address = self.matmul as usize;
        maps.lines().find_map(|line| holds(line, address)).map(PathBuf::from)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: the handle was made by this library and is used no more.
            unsafe { (self.destroy)(self.handle) };
        }
    }
}

/// What the linker says, which is the cause of what the loader says.
fn words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The file of a line of `/proc/self/maps` (proc(5)) when the address is in its range.
fn holds(line: &str, address: usize) -> Option<&str> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let inside = (number(start)?..number(end)?).contains(&address);
    inside.then(|| rest.find('/').map(|at| &rest[at..])).flatten()
}

/// Nothing, or the function and its status.
pub(super) fn check(function: &str, status: Status) -> Result<(), String> {
    if status == 0 { Ok(()) } else { Err(format!("{function} answers with status {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_map_holds_the_addresses_of_its_range() {
        let line = "7f00-7fff r-xp 00000000 08:01 42   /lib/libcublasLt.so.13.1";
        assert_eq!(holds(line, 0x7f10), Some("/lib/libcublasLt.so.13.1"));
        assert_eq!(holds(line, 0x7fff), None);
        assert_eq!(holds("7f00-7fff rw-p 0 00:00 0", 0x7f10), None);
    }

    #[test]
    fn a_file_that_is_no_library_is_named() {
        let error = Library::open(Path::new("/nowhere/libcublasLt.so.13")).err().unwrap();
        assert!(error.starts_with("/nowhere/libcublasLt.so.13: "), "{error}");
    }

    #[test]
    fn another_library_lacks_the_functions() {
        let error = Library::open(Path::new("libc.so.6")).err().unwrap();
        assert!(error.contains("cublasLtCreate"), "{error}");
    }
}
