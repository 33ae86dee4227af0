//! The rows: a table for people, JSON lines for programs.

use std::io::{self, Write};

use serde::Serialize;

use crate::case::{Case, Rates};

/// What is the same in every row.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// Of the model.
    pub model: String,
    /// `cpu` or `candle`.
    pub backend: String,
    /// Instruction set.
    pub isa: String,
    /// Threads that were asked for; one for each core when `None`.
    pub threads: Option<usize>,
}

/// A test's row, with the names of the JSON keys.
#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    setting: &'a Setting,
    test: String,
    streams: usize,
    /// Median over the runs.
    tok_s: f64,
    best_tok_s: f64,
    peak_rss_bytes: Option<u64>,
}

/// A roof's row.
#[derive(Debug, Serialize)]
struct Roof<'a> {
    #[serde(flatten)]
    setting: &'a Setting,
    #[serde(rename = "roof")]
    name: &'a str,
    value: f64,
    unit: &'a str,
}

/// Writes rows as they come.
pub struct Report<W> {
    out: W,
    setting: Setting,
    json: bool,
}

impl<W: Write> Report<W> {
    /// Begins the table, which JSON lines do without.
    ///
    /// # Errors
    /// Of the output.
    pub fn begin(out: W, setting: Setting, json: bool) -> io::Result<Self> {
        let mut report = Self { out, setting, json };
        if !json {
            let Setting { model, backend, isa, threads } = &report.setting;
            let threads = threads.map_or("one a core".to_owned(), |threads| threads.to_string());
            writeln!(report.out, "{model}, backend {backend}, {isa}, threads: {threads}\n")?;
            writeln!(
                report.out,
                "| {:<16} | {:>12} | {:>12} | {:>9} |",
                "test", "median", "best", "peak RSS"
            )?;
            writeln!(report.out, "|{:-<18}|{:->14}|{:->14}|{:->11}|", "", ":", ":", ":")?;
        }
        Ok(report)
    }

    /// A roof, in `unit`: `GB/s`, `TOPS`.
    ///
    /// # Errors
    /// Of the output.
    pub fn roof(&mut self, name: &str, value: f64, unit: &str) -> io::Result<()> {
        if self.json {
            return self.line(&Roof { setting: &self.setting.clone(), name, value, unit });
        }
        writeln!(self.out, "| {name:<16} | {:>12} | {:>7.2} {unit:<4} | {:>9} |", "", value, "")?;
        self.out.flush()
    }

    /// A test's row.
    ///
    /// # Errors
    /// Of the output.
    pub fn row(&mut self, case: &Case, rates: Rates, peak: Option<u64>) -> io::Result<()> {
        let (test, streams, Rates { median, best }) = (case.name(), case.streams(), rates);
        if self.json {
            let setting = &self.setting.clone();
            let (tok_s, best_tok_s, peak_rss_bytes) = (median, best, peak);
            return self.line(&Row { setting, test, streams, tok_s, best_tok_s, peak_rss_bytes });
        }
        let peak = peak.map_or(String::new(), |bytes| format!("{} MiB", bytes >> 20));
        writeln!(self.out, "| {test:<16} | {median:>6.1} tok/s | {best:>6.1} tok/s | {peak:>9} |")?;
        self.out.flush()
    }

    fn line(&mut self, row: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, row)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: bool) -> String {
        let setting = Setting {
            model: "tiny".into(),
            backend: "cpu".into(),
            isa: "avx2".into(),
            threads: Some(2),
        };
        let mut out = Vec::new();
        let mut report = Report::begin(&mut out, setting, json).unwrap();
        report.roof("int8 dot", 1.34, "TOPS").unwrap();
        let rates = Rates { median: 1234.5, best: 1300.0 };
        let case = Case::Decode { tokens: 128, streams: 16, prompt: 64 };
        report.row(&case, rates, Some(3 << 20)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_lines_have_the_promised_keys() {
        let rows: Vec<serde_json::Value> =
            written(true).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let roof = serde_json::json!({"model": "tiny", "backend": "cpu", "isa": "avx2",
            "threads": 2, "roof": "int8 dot", "value": 1.34, "unit": "TOPS"});
        let row = serde_json::json!({"model": "tiny", "backend": "cpu", "isa": "avx2",
            "threads": 2, "test": "tg128 s16", "streams": 16, "tok_s": 1234.5,
            "best_tok_s": 1300.0, "peak_rss_bytes": 3 << 20});
        assert_eq!(rows, [roof, row]);
    }

    #[test]
    fn the_table_has_a_line_for_each_row() {
        let text = written(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "tiny, backend cpu, avx2, threads: 2");
        assert_eq!(lines[4], "| int8 dot         |              |    1.34 TOPS |           |");
        assert_eq!(lines[5], "| tg128 s16        | 1234.5 tok/s | 1300.0 tok/s |     3 MiB |");
    }
}
