//! Where cuBLASLt may lie.

use std::path::{Path, PathBuf};

/// The name under which CUDA 13 installs it.
const FILE: &str = "libcublasLt.so.13";
/// Below a folder that somebody names: as it is, a toolkit's, and a wheel's of `PyPI`.
const BELOW: [&str; 4] = ["", "lib64", "lib", "nvidia/cu13/lib"];
/// Where NVIDIA's packages put a toolkit.
const INSTALLED: [&str; 2] = ["/usr/local/cuda", "/usr/local/cuda-13.0"];

/// The places in their order: folders of `TGI_CUDA_LIBS`, the system's own, the toolkit that
/// `CUDA_HOME` names, those installed, the packages of the Python environment that is active.
/// `variable` reads the environment.
pub fn candidates(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let folders = |name: &str| {
        let named = variable(name).unwrap_or_default();
        let folders: Vec<PathBuf> =
            named.split(':').filter(|it| !it.is_empty()).map(PathBuf::from).collect();
        folders
    };
    let files = |folder: PathBuf| BELOW.map(|below| folder.join(below).join(FILE));
    let named = folders("TGI_CUDA_LIBS").into_iter().flat_map(files);
    let toolkits = folders("CUDA_HOME").into_iter().chain(INSTALLED.map(PathBuf::from));
    let wheels = folders("VIRTUAL_ENV").into_iter().flat_map(|home| site_packages(&home));
    named
        .chain([PathBuf::from(FILE)])
        .chain(toolkits.flat_map(files))
        .chain(wheels.flat_map(files))
        // A bare name goes to the system's linker, all others must be there.
        .filter(|path| path.parent() == Some(Path::new("")) || path.is_file())
        .collect()
}

/// `lib/python3.*/site-packages` of an environment.
fn site_packages(home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.join("lib")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join("site-packages")).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, remove_dir_all, write};

    use super::*;

    #[test]
    fn what_is_named_goes_before_the_system_and_wheels_come_last() {
        let root = std::env::temp_dir().join(format!("tgi-cublas-{}", std::process::id()));
        let places = [
            "a/libcublasLt.so.13",
            "b/nvidia/cu13/lib/libcublasLt.so.13",
            "toolkit/lib64/libcublasLt.so.13",
            "env/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13",
        ];
        for place in places {
            create_dir_all(root.join(place).parent().unwrap()).unwrap();
            write(root.join(place), "").unwrap();
        }
        let path = |name: &str| root.join(name).display().to_string();
        let found = candidates(|name| match name {
            "TGI_CUDA_LIBS" => Some(format!("{}:{}", path("a"), path("b"))),
            "CUDA_HOME" => Some(path("toolkit")),
            "VIRTUAL_ENV" => Some(path("env")),
            _ => None,
        });
        remove_dir_all(&root).unwrap();
        let own: Vec<_> = found.iter().filter(|it| it.starts_with(&root)).collect();
        assert_eq!(own, places.map(|place| root.join(place)).iter().collect::<Vec<_>>());
        assert_eq!(found[2], Path::new(FILE));
    }

    #[test]
    fn without_any_variable_the_system_is_asked() {
        assert_eq!(candidates(|_| None)[0], Path::new(FILE));
    }
}
