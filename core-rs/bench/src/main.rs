//! `tgi-bench`: see `--help`.

use std::io::{Write, stdout};
use std::process::ExitCode;

use tgi_backend_cpu::isa::Isa;
use tgi_bench::BenchError;
use tgi_bench::arguments::Arguments;
use tgi_bench::memory::{forget_peak, peak_rss_bytes};
use tgi_bench::report::{Report, Setting};
use tgi_bench::roofs::{LARGE_BUFFER_BYTES, dot_rate, read_bandwidth};
use tgi_bench::subject::Subject;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tgi-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let mut subject = Subject::load(arguments)?;
    let setting = Setting {
        model: subject.model.clone(),
        backend: subject.backend.name().to_owned(),
        isa: subject.isa.clone(),
        threads: arguments.threads,
    };
    let mut report = Report::begin(stdout(), setting, arguments.json)?;
    let loaded = peak_rss_bytes();
    if arguments.roofs {
        roofs(&mut report, arguments.threads, subject.weight_bytes as usize)?;
        forget_peak();
    }
    for case in &arguments.cases {
        let rates = case.measure(&mut *subject.backend, arguments.chunk, arguments.repetitions)?;
        report.row(case, rates, peak_rss_bytes().max(loaded))?;
    }
    Ok(())
}

/// Reading as much as the weights, reading more than any cache holds, and computing.
fn roofs<W: Write>(
    report: &mut Report<W>,
    threads: Option<usize>,
    weight_bytes: usize,
) -> Result<(), BenchError> {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (isa, threads) = (Isa::best(), threads.unwrap_or_else(cores));
    for bytes in [LARGE_BUFFER_BYTES, weight_bytes.max(1 << 20)] {
        let name = format!("read {} MiB", bytes >> 20);
        report.roof(&name, read_bandwidth(isa, threads, bytes) / 1e9, "GB/s")?;
    }
    report.roof("int8 dot", dot_rate(isa, threads) / 1e12, "TOPS")?;
    Ok(())
}
