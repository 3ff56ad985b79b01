//! `docs/cookbook.md`: every command in it does what it says, in a directory of sample partitions.
//! And the pages that are made: report, manual, completions, schema.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::pack::golden_fixtures;
use super::run::{run, strandline};

/// The blocks of shell commands, with their headings.
fn blocks(text: &str) -> Vec<(String, String)> {
    let (mut found, mut heading, mut block) = (Vec::new(), String::new(), None);
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => found.push((heading.clone(), block.take().unwrap_or_default())),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, line) => {
                if let Some(title) = line.strip_prefix("### ") {
                    title.clone_into(&mut heading);
                }
            }
        }
    }
    found
}

#[test]
fn every_command_of_the_cookbook_works_on_the_sample() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("docs/cookbook.md")).unwrap();
    let golden = golden_fixtures();
    let bin = Path::new(env!("CARGO_BIN_EXE_strandline")).parent().unwrap().to_owned();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let blocks = blocks(&text);
    assert!(blocks.len() >= 20, "{} blocks", blocks.len());
    for (heading, block) in blocks {
        let output = Command::new("sh")
            .args(["-ec", &block])
            .current_dir(golden.path().join("fixtures"))
            .env("PATH", &path)
            .env_remove("STRANDLINE_DIR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // To be different is an answer.
        let fine = output.status.success() || output.status.code() == Some(1) && said.is_empty();
        assert!(fine, "{heading}\n{block}{said}");
        let silent = output.stdout.is_empty() && !block.contains("--to");
        assert!(!silent, "{heading}: no output");
    }
}

#[test]
fn a_report_is_one_page_that_asks_nobody_for_anything() {
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("report.html");
    let ran = run(&["report", "--to", to.to_str().unwrap(), "basic-0", "crc-0"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let page = fs::read_to_string(&to).unwrap();
    let flipped = "exactly one flipped bit explains this: byte 164 bit 6";
    let words =
        ["<!doctype html>", "basic-0", "batch CRC mismatch", "prefers-color-scheme", "<svg"];
    for wanted in words.into_iter().chain([flipped]) {
        assert!(page.contains(wanted), "{wanted}");
    }
    for unwanted in ["http://", "https://", "<script", "url(", "@import"] {
        assert!(!page.contains(unwanted), "{unwanted}");
    }
    assert_eq!(run(&["report", "--to", to.to_str().unwrap(), "basic-0"]).code, Some(5));
}

#[test]
fn every_line_has_a_type_and_fields_that_the_schema_names() {
    let schema: serde_json::Value = serde_json::from_str(&run(&["schema"]).stdout).unwrap();
    let golden = golden_fixtures();
    for args in [
        &["dump", "--json", "basic-0", "crc-0", "trunc-0"][..],
        &["dump", "-r", "--json", "basic-0"],
        &["dump", "--json", "basic-0/00000000000000000000.txnindex"],
        &["dump", "--json", "basic-0/00000000000000000013.snapshot"],
        &["dump", "--json", "basic-0/leader-epoch-checkpoint", "basic-0/partition.metadata"],
        &["dump", "--json", "badidx-0/00000000000000000000.index"],
        &["dump", "--json", "badidx-0/00000000000000000000.timeindex"],
        &["ls", "--json", "."],
        &["find", "--json", "--key", "e", "basic-0"],
        &["stat", "--json", "--top", "2", "--recompress=lz4", "--compaction", "basic-0"],
        &["diff", "--json", "basic-0", "crc-0"],
    ] {
        let output = strandline(args).current_dir(golden.path().join("fixtures")).output().unwrap();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let of = &schema["$defs"][line["type"].as_str().unwrap()];
            assert!(of.is_object(), "no such type: {line}");
            let required = of["required"].as_array().unwrap();
            for field in required.iter().map(|field| field.as_str().unwrap()) {
                assert!(line.get(field).is_some(), "{args:?}: no {field}: {line}");
            }
        }
    }
}

#[test]
fn shells_and_manuals_get_what_they_need() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish", "nushell"] {
        let ran = run(&["completions", shell]);
        assert!(ran.code == Some(0) && ran.stdout.contains("dump"), "{shell}");
    }
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("man");
    assert_eq!(run(&["man", dir.to_str().unwrap()]).code, Some(0));
    let page = fs::read_to_string(dir.join("strandline-dump.1")).unwrap();
    assert!(page.contains(".SH EXAMPLES") && page.contains("EXIT STATUS"), "{page}");
    assert!(dir.join("strandline.1").exists() && dir.join("strandline-tail.1").exists());
}
