//! Compiles the kernels: to one fatbin where nvcc is, and for the host with the feature `emulate`.
//!
//! A toolkit that is too old for the list below is left alone with a warning, as is none; kernels that
//! do not compile fail the build. `TGI_CUDA_ARCHS` narrows the fatbin to some GPUs (`sm_90,compute_90`) while kernels are worked
//! on; `none` leaves it out.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Real code for these, and PTX for GPUs to come.
const ARCHS: &str = "sm_80,sm_86,sm_89,sm_90,sm_100,compute_90";

/// Products and sums are rounded one by one unless a kernel writes `fmaf`: the same everywhere.
const FLAGS: [&str; 4] = ["-std=c++20", "-fmad=false", "--threads=0", "--compress-mode=size"];

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    println!("cargo::rustc-check-cfg=cfg(tgi_fatbin)");
    for name in ["CUDA_HOME", "PATH", "XDG_CACHE_HOME", "TGI_CUDA_ARCHS"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    match fatbin() {
        Ok(()) => println!("cargo::rustc-cfg=tgi_fatbin"),
        Err(reason) => println!("cargo::warning=Built without CUDA kernels: {reason}"),
    }
    #[cfg(feature = "emulate")]
    emulator();
}

/// The kernels for the host.
#[cfg(feature = "emulate")]
fn emulator() {
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .file("kernels/emulation/runtime.cpp")
        .define("TGI_EMULATE", None)
        .flag_if_supported("-ffp-contract=off")
        .flag_if_supported("-Wno-unknown-pragmas")
        .opt_level(2)
        .compile("tgi_cuda_emulation");
}

/// Leaves `kernels.fatbin` in `OUT_DIR`, compiled only when there is none of the same sources.
fn fatbin() -> Result<(), String> {
    let archs = env::var("TGI_CUDA_ARCHS").unwrap_or_else(|_| ARCHS.to_owned());
    if archs == "none" {
        return Err("TGI_CUDA_ARCHS is none".to_owned());
    }
    let nvcc = find_nvcc().ok_or("nvcc was not found in CUDA_HOME, PATH or the cache")?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let failed = |error: io::Error| format!("{}: {error}", nvcc.display());
    let key = digest(&nvcc, &archs).map_err(failed)?;
    // Beside the folders of all build scripts: the library and its tests share what it took.
    let shared = out.ancestors().nth(3).unwrap_or(&out).join("cuda-kernels");
    fs::create_dir_all(&shared).map_err(failed)?;
    let lock = File::create(shared.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let kept = shared.join(format!("{key:016x}.fatbin"));
    if !kept.is_file() {
        compile(&nvcc, &archs, &out.join("fresh.fatbin"))?;
        fs::rename(out.join("fresh.fatbin"), &kept).map_err(failed)?;
    }
    fs::copy(&kept, out.join("kernels.fatbin")).map(|_| ()).map_err(failed)
}

fn compile(nvcc: &Path, archs: &str, to: &Path) -> Result<(), String> {
    let mut command = Command::new(nvcc);
    command.args(FLAGS).arg("-fatbin").arg("-o").arg(to).arg("kernels/all.cu");
    for code in archs.split(',') {
        let arch = code.replace("sm_", "compute_");
        command.arg(format!("-gencode=arch={arch},code={code}"));
    }
    let output = command.output().map_err(|error| format!("{}: {error}", nvcc.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let first = |part| words.lines().find(|line| line.contains(part));
    if let Some(line) = first("error") {
        println!(
            "cargo::error=Cannot compile the kernels (TGI_CUDA_ARCHS=none goes without): {line}"
        );
    }
    Err(format!("{} failed: {}", nvcc.display(), first("fatal").unwrap_or_default()))
}

/// `CUDA_HOME`, `PATH`, then the toolkit that `deno task cuda-toolkit` puts together.
fn find_nvcc() -> Option<PathBuf> {
    let home = env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = home.into_iter().chain(env::split_paths(&path)).chain(cached_toolkit());
    folders.map(|folder| folder.join("nvcc")).find(|nvcc| nvcc.is_file())
}

/// The newest whole toolkit of our cache.
fn cached_toolkit() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    let versions = fs::read_dir(cache.join("tgi").join("cuda")).ok()?;
    let whole = versions.flatten().map(|entry| entry.path());
    whole.filter(|home| home.join(".complete").is_file()).max().map(|home| home.join("bin"))
}

/// Changes with whatever the fatbin depends on.
fn digest(nvcc: &Path, archs: &str) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    (nvcc, archs, FLAGS).hash(&mut hasher);
    let mut sources: Vec<_> =
        fs::read_dir("kernels")?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    sources.sort();
    for source in sources.iter().filter(|path| path.is_file()) {
        (source, fs::read(source)?).hash(&mut hasher);
    }
    Ok(hasher.finish())
}
