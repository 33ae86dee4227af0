//! The command line.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use tgi_backend_cpu::KvFormat;
use tgi_backend_cpu::isa::Isa;

use crate::case::Case;
use crate::random::RandomModel;

const ABOUT: &str = "Measures prefill and decode of a model in this process, without a server.

A row is a test: pp512 is one prompt of 512 tokens, tg128 s16 are 16 streams that decode 128
tokens each behind a prompt of their own. Greedy sampling is part of the time, tokenizing is not.";

const EXAMPLES: &str = "Examples:
  tgi-bench -m model.gguf -p 128,512 -n 128 -s 1,4,16,64
  tgi-bench --random qwen2.5-0.5b:q4_k_m --roofs --json
  tgi-bench --backend cuda --random llama-3-8b -s 1,64,256 --chunk 2048";

/// Which implementation computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendKind {
    /// Own kernels.
    Cpu,
    /// Own kernels on the first GPU.
    Cuda,
    /// The reference.
    Candle,
}

/// Where the weights come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A GGUF file.
    File(PathBuf),
    /// Made up.
    Random(Box<RandomModel>),
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The model.
    pub source: Source,
    /// Who computes it.
    pub backend: BackendKind,
    /// How the cpu backend keeps K and V.
    pub kv: KvFormat,
    /// Instruction set of the cpu backend; the fastest when `None`.
    pub cpu_isa: Option<String>,
    /// Whether the cuda backend gives the same bytes whatever shares a step.
    pub is_batch_invariant: bool,
    /// Threads; one for each core when `None`.
    pub threads: Option<usize>,
    /// In the order of their rows.
    pub cases: Vec<Case>,
    /// Most prompt tokens in one step.
    pub chunk: usize,
    /// Runs of each test.
    pub repetitions: usize,
    /// Measure what the machine can do at most, too.
    pub roofs: bool,
    /// JSON lines instead of a table.
    pub json: bool,
}

impl Arguments {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// What clap has to say, `--help` among it.
    pub fn read<I, T>(line: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let mut found = command().try_get_matches_from(line)?;
        let backend = match found.remove_one::<String>("backend").as_deref() {
            Some("candle") => BackendKind::Candle,
            Some("cuda") => BackendKind::Cuda,
            _ => BackendKind::Cpu,
        };
        let source = match found.remove_one::<RandomModel>("random") {
            Some(model) => Source::Random(Box::new(model)),
            None => Source::File(found.remove_one("model").unwrap_or_default()),
        };
        Ok(Self {
            source,
            backend,
            kv: match found.remove_one::<String>("kv").as_deref() {
                Some("int8") => KvFormat::Int8,
                _ => KvFormat::F16,
            },
            cpu_isa: found.remove_one("cpu-isa"),
            is_batch_invariant: found.get_flag("batch-invariant"),
            threads: found.remove_one::<u64>("threads").map(|threads| threads as usize),
            cases: cases(&found),
            chunk: number(&found, "chunk"),
            repetitions: number(&found, "repetitions"),
            roofs: found.get_flag("roofs"),
            json: found.get_flag("json"),
        })
    }
}

/// One row for each prompt, then one for each number of new tokens and of streams.
fn cases(found: &ArgMatches) -> Vec<Case> {
    let list = |name| found.get_many::<u64>(name).into_iter().flatten().map(|&n| n as usize);
    let prompt = number(found, "stream-prompt");
    let prefill =
        list("prompt").filter(|&tokens| tokens > 0).map(|tokens| Case::Prefill { tokens });
    let decode = list("new").filter(|&tokens| tokens > 0).flat_map(|tokens| {
        list("streams").map(move |streams| Case::Decode { tokens, streams, prompt })
    });
    prefill.chain(decode).collect()
}

fn number(found: &ArgMatches, name: &str) -> usize {
    found.get_one::<u64>(name).map_or(1, |&number| number as usize)
}

fn between(least: u64, most: u64) -> RangedU64ValueParser {
    value_parser!(u64).range(least..=most)
}

fn command() -> Command {
    Command::new("tgi-bench")
        .about(ABOUT)
        .after_help(EXAMPLES)
        .arg(
            Arg::new("model")
                .short('m')
                .long("model")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("GGUF file"),
        )
        .arg(
            Arg::new("random")
                .long("random")
                .value_name("SHAPE:TYPE")
                .value_parser(RandomModel::named)
                .help("Random weights of a well-known shape, such as qwen2.5-0.5b:q4_k_m; a shape alone is in bf16"),
        )
        .group(ArgGroup::new("source").args(["model", "random"]).required(true))
        .args(what_to_run())
        .args(how_to_run())
}

fn what_to_run() -> [Arg; 4] {
    let list = |name: &'static str, short, default, least, most| {
        Arg::new(name)
            .short(short)
            .value_delimiter(',')
            .default_value(default)
            .value_name("N,N")
            .value_parser(between(least, most))
    };
    [
        list("prompt", 'p', "128,512", 0, 1 << 20).help("Prompt lengths, tokens; 0 is no row"),
        list("new", 'n', "128", 0, 1 << 20).help("New tokens of each stream; 0 is no row"),
        list("streams", 's', "1,4,16,64", 1, 4096).help("Streams that decode together"),
        Arg::new("stream-prompt")
            .long("stream-prompt")
            .value_name("N")
            .default_value("64")
            .value_parser(between(1, 1 << 20))
            .help("Prompt of each stream, tokens"),
    ]
}

fn how_to_run() -> [Arg; 9] {
    [
        Arg::new("threads")
            .short('t')
            .long("threads")
            .value_name("N")
            .value_parser(between(1, 256))
            .help("Threads of the cpu backend and the roofs, one for each core when absent; candle takes RAYON_NUM_THREADS"),
        Arg::new("backend")
            .long("backend")
            .value_name("NAME")
            .default_value("cpu")
            .value_parser(["cpu", "cuda", "candle"])
            .help("Who computes"),
        Arg::new("cpu-isa")
            .long("cpu-isa")
            .value_name("NAME")
            .value_parser(Isa::NAMES)
            .help("Instruction set of the cpu backend, the fastest when absent"),
        Arg::new("kv")
            .long("kv-cache-dtype")
            .value_name("TYPE")
            .default_value("f16")
            .value_parser(["f16", "int8"])
            .help("How the cpu backend keeps K and V"),
        Arg::new("batch-invariant")
            .long("batch-invariant")
            .action(ArgAction::SetTrue)
            .help("The cuda backend gives the same bytes whatever shares a step"),
        Arg::new("chunk")
            .long("chunk")
            .value_name("N")
            .default_value("512")
            .value_parser(between(1, 1 << 16))
            .help("Most prompt tokens in one step, as the server's --max-batch-prefill-tokens"),
        Arg::new("repetitions")
            .short('r')
            .long("repetitions")
            .value_name("N")
            .default_value("5")
            .value_parser(between(1, 1000))
            .help("Runs of each test"),
        Arg::new("roofs")
            .long("roofs")
            .action(ArgAction::SetTrue)
            .help("Measure first what the machine can do at most: read bandwidth and int8 dot products"),
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .help("Print a JSON object for each row instead of a table"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("tgi-bench").chain(line.split_whitespace());
        Arguments::read(words).map_err(|error| error.to_string())
    }

    fn names(arguments: &Arguments) -> Vec<String> {
        arguments.cases.iter().map(Case::name).collect()
    }

    #[test]
    fn every_flag_is_read() {
        let line = "-m a.gguf -t 2 -p 128,512 -n 32 -s 1,16 --backend candle -r 3 --json --roofs \
                    --chunk 256 --stream-prompt 8";
        let arguments = read(line).unwrap();
        assert!(matches!(&arguments.source, Source::File(path) if path.ends_with("a.gguf")));
        assert_eq!(arguments.backend, BackendKind::Candle);
        assert_eq!((arguments.threads, arguments.chunk, arguments.repetitions), (Some(2), 256, 3));
        assert!(arguments.roofs && arguments.json);
        assert_eq!(names(&arguments), ["pp128", "pp512", "tg32 s1", "tg32 s16"]);
        assert_eq!(arguments.cases[3].positions(), 40);
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let arguments = read("--random smollm2-135m:q4_1").unwrap();
        assert!(matches!(&arguments.source, Source::Random(model) if model.spec.hidden == 576));
        assert_eq!(arguments.backend, BackendKind::Cpu);
        assert_eq!((arguments.threads, arguments.chunk, arguments.repetitions), (None, 512, 5));
        let rows = ["pp128", "pp512", "tg128 s1", "tg128 s4", "tg128 s16", "tg128 s64"];
        assert_eq!(names(&arguments), rows);
    }

    #[test]
    fn zero_tokens_are_no_row() {
        assert_eq!(names(&read("-m a -p 0 -n 4 -s 2").unwrap()), ["tg4 s2"]);
        assert_eq!(names(&read("-m a -p 4 -n 0").unwrap()), ["pp4"]);
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        for (line, part) in [
            ("", "<--model <FILE>|--random <SHAPE:TYPE>>"),
            ("-m a --random smollm2-135m:q4_0", "cannot be used with"),
            ("--random smollm2-135m:q9", "the types are q4_0"),
            ("-m a -s 0", "0 is not in 1..=4096"),
            ("-m a -t 1000", "1000 is not in 1..=256"),
            ("-m a -p many", "invalid value 'many'"),
            ("-m a --backend tpu", "[possible values: cpu, cuda, candle]"),
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
