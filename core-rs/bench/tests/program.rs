//! The program as a user runs it, on tiny checkpoints.

use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tgi-bench")).args(arguments).output().unwrap()
}

fn fixture(file: &str) -> String {
    format!("{}/../../tests/fixtures/{file}", env!("CARGO_MANIFEST_DIR"))
}

const SHORT: [&str; 10] = ["-p", "5,40", "-n", "3", "-s", "1,3", "-r", "2", "--stream-prompt", "4"];

fn rows(source: &[&str]) -> Vec<Value> {
    let output = run(&[source, &SHORT, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check(rows: &[Value], model: &str, backend: &str) {
    let tests: Vec<&str> = rows.iter().map(|row| row["test"].as_str().unwrap()).collect();
    assert_eq!(tests, ["pp5", "pp40", "tg3 s1", "tg3 s3"]);
    for row in rows {
        assert_eq!(row["model"], model);
        assert_eq!(row["backend"], backend);
        let (median, best) = (row["tok_s"].as_f64().unwrap(), row["best_tok_s"].as_f64().unwrap());
        assert!(median > 0.0 && best >= median, "{row}");
        assert!(row["peak_rss_bytes"].as_u64().unwrap() > 1 << 20, "{row}");
    }
    assert_eq!(rows[3]["streams"], 3);
}

#[test]
fn a_checkpoint_gives_a_row_for_each_test_on_both_backends() {
    for backend in ["cpu", "candle"] {
        for name in ["tiny-llama", "tiny-qwen2", "tiny-gemma3"] {
            let file = fixture(&format!("{name}.gguf"));
            check(&rows(&["-m", &file, "--backend", backend, "--chunk", "16"]), name, backend);
        }
    }
}

#[test]
fn random_weights_need_no_file() {
    let name = "smollm2-135m:q4_1";
    check(&rows(&["--random", name, "-t", "2"]), name, "cpu");
}

#[test]
fn the_table_has_a_line_for_each_test() {
    let output = run(&["-m", &fixture("tiny-llama.gguf"), "-p", "8", "-n", "2", "-s", "2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("tiny-llama, backend cpu, "), "{text}");
    assert!(text.contains("\n| pp8 ") && text.contains("\n| tg2 s2 "), "{text}");
}

#[test]
fn help_names_every_flag_and_an_example() {
    let text = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for flag in ["-m,", "--random", "-p", "-n", "-s", "-t,", "-r,", "--roofs", "--json"] {
        assert!(text.contains(flag), "{flag}: {text}");
    }
    assert!(text.contains("tgi-bench -m model.gguf"));
}

#[test]
fn what_cannot_run_is_one_sentence_and_a_failure() {
    let output = run(&["-m", &fixture("tiny-llama.gguf"), "-p", "1000000"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.starts_with("tgi-bench: Cannot run pp1000000: it needs 1000000 positions"));
    let output = run(&["-m", "/nowhere.gguf"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.starts_with("tgi-bench: Cannot open /nowhere.gguf"), "{error}");
}
