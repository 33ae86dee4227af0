//! What this library can compute on, and the names for it.

/// A processor, or one GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The processor.
    Cpu,
    /// The GPU of this number, from 0.
    Cuda(usize),
}

/// What this library can compute on.
pub const DEVICES: &[&str] =
    if cfg!(any(feature = "cuda", feature = "candle-cuda")) { &["cpu", "cuda"] } else { &["cpu"] };

/// The backends that compute on a GPU here, for people.
pub const GPU_BACKENDS: &str = match (cfg!(feature = "cuda"), cfg!(feature = "candle-cuda")) {
    (true, true) => "`cuda` and `candle` do",
    (true, false) => "only `cuda` does",
    _ => "only `candle` does, in libtgi_core_candle_cuda.so",
};

impl Place {
    /// The place that `cpu`, `cuda` or `cuda:N` names; `None` for any other name.
    pub fn parse(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None if name == "cpu" => Some(Self::Cpu),
            None if name == "cuda" => Some(Self::Cuda(0)),
            Some(("cuda", number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().ok().map(Self::Cuda)
            }
            _ => None,
        }
    }

    /// Which of [`DEVICES`] it is, were it there.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_named_with_or_without_its_number() {
        assert_eq!(Place::parse("cpu"), Some(Place::Cpu));
        assert_eq!(Place::parse("cuda"), Some(Place::Cuda(0)));
        assert_eq!(Place::parse("cuda:12"), Some(Place::Cuda(12)));
        assert_eq!(Place::Cuda(3).kind(), "cuda");
    }

    #[test]
    fn other_names_name_nothing() {
        let wrong = ["", "gpu", "cpu:0", "cuda:", "cuda:x", "cuda:+1", "cuda:99999999999999999999"];
        for name in wrong {
            assert_eq!(Place::parse(name), None, "{name}");
        }
    }
}
