//! What `verify` makes of the damaged directories that Kafka's own tools were tried on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::pack::{golden_fixtures, unpack, unpack_those};
use super::run::{Ran, ran, strandline};
use crate::recovery_batches::{damage, is_log};
use crate::text::Fields;

/// What is told above info: the code, and where.
fn told(ran: &Ran) -> Vec<(String, Option<u64>)> {
    let findings = ran.json_of("finding").into_iter().filter(|it| it["severity"] != "info");
    findings.map(|it| (it["code"].as_str().unwrap().to_owned(), it["position"].as_u64())).collect()
}

fn run_in(dir: &Path, args: &[&str]) -> Ran {
    ran(strandline(args).current_dir(dir).output().unwrap())
}

/// A fixture, how verifying it ends, and what is told of it above info.
type Case = (&'static str, i32, &'static [(&'static str, u64)]);

#[test]
fn each_fixture_is_judged_by_what_is_wrong_in_it() {
    let golden = golden_fixtures();
    let fixtures = golden.path().join("fixtures");
    let cases: [Case; 12] = [
        ("basic-0", 0, &[]),
        ("crc-0", 1, &[("LOG005", 94)]),
        ("trunc-0", 0, &[("LOG001", 188)]),
        ("zeros-0", 0, &[]),
        ("zerohole-0", 1, &[("LOG021", 94)]),
        ("magic9-0", 1, &[("LOG006", 94)]),
        ("magicneg-0", 1, &[("LOG006", 94)]),
        ("smallsize-0", 1, &[("LOG003", 94)]),
        ("negsize-0", 1, &[("LOG003", 94)]),
        ("hugesize-0", 1, &[("LOG004", 94)]),
        ("dup-0", 1, &[("LOG010", 282), ("LOG012", 282), ("LOG012", 376), ("LOG012", 470)]),
        ("compact-0", 0, &[]),
    ];
    for (fixture, exit, findings) in cases {
        let ran = run_in(&fixtures, &["verify", "--json", fixture]);
        let wanted: Vec<_> =
            findings.iter().map(|&(code, at)| (code.to_owned(), Some(at))).collect();
        assert_eq!((ran.code, told(&ran)), (Some(exit), wanted), "{fixture}: {}", ran.stdout);
        for finding in ran.json_of("finding").iter().filter(|it| it["position"] == 94) {
            assert_eq!((&finding["size"], &finding["resumedAt"]), (&94.into(), &188.into()));
        }
    }
}

#[test]
fn what_was_put_together_by_hand_shows_at_a_deep_look() {
    let golden = golden_fixtures();
    let ran = run_in(&golden.path().join("fixtures"), &["verify", "--deep", "--json", "basic-0"]);
    let mut codes: Vec<_> = told(&ran).into_iter().map(|(code, _)| code).collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes, ["EPO002", "SNP003", "TXN001"], "{}", ran.stdout);
}

#[test]
fn lengths_that_lie_hide_one_batch_and_are_set_right() {
    let golden = golden_fixtures();
    let fixtures = golden.path().join("fixtures");
    let log = "00000000000000000000.log";
    let good = fs::read(fixtures.join("dup-0").join(log)).unwrap()[..282].to_vec();
    for fixture in ["smallsize-0", "negsize-0", "hugesize-0"] {
        let ran = run_in(&fixtures, &["verify", "--json", fixture]);
        let mut findings = ran.json_of("finding").into_iter();
        let found = findings.find(|it| it["position"] == 94).unwrap();
        assert_eq!(found["fitsLength"], 82, "{fixture}");
        let ran = run_in(&fixtures, &["dump", "-r", "--json", fixture]);
        let offsets: Vec<_> =
            ran.json_of("record").iter().map(|it| it["offset"].as_i64().unwrap()).collect();
        assert_eq!((ran.code, offsets), (Some(4), vec![0, 1, 4, 5]), "{fixture}");
        let out = golden.path().join(format!("mended-{fixture}"));
        let to = out.to_str().unwrap();
        let ran = run_in(&fixtures, &["repair", "--fix-bitflips", "--to", to, fixture]);
        assert_eq!((ran.code, fs::read(out.join(log)).unwrap()), (Some(0), good.clone()));
    }
    let ran = run_in(&fixtures, &["dump", "--json", "zeros-0"]);
    assert_eq!((ran.code, ran.json_of("batch").len()), (Some(0), 3));
}

/// The partitions that recipes begin with, with the zeros that they had on the disk.
fn bases() -> tempfile::TempDir {
    let states = ["4.3.1/clean", "4.3.1/unclean", "2.8.2/clean"];
    let of_a_state = |path: &Path| {
        states.iter().any(|state| {
            path.starts_with(state) || path == Path::new(&format!("{state}.manifest.json"))
        })
    };
    let brokers = unpack_those("golden-brokers", of_a_state);
    for state in states {
        let manifest = fs::read(brokers.path().join(format!("{state}.manifest.json"))).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        for file in manifest.list("files") {
            let Some(zeros) = file.maybe_number("zerosAfter") else { continue };
            let path = brokers.path().join(state).join(file.text("path"));
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() + zeros as u64).unwrap();
        }
    }
    brokers
}

/// Makes the directory that a recipe tells of, and gives the partition's name.
fn cook(recipe: &Value, bases: &Path, to: &Path) -> String {
    let base = bases.join(recipe.text("base").strip_prefix("brokers/").unwrap());
    let name = base.file_name().unwrap().to_str().unwrap().to_owned();
    let partition = to.join(&name);
    fs::create_dir(&partition).unwrap();
    for entry in fs::read_dir(&base).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), partition.join(entry.file_name())).unwrap();
    }
    for operation in recipe.list("operations") {
        damage(&partition, operation);
    }
    let topic = name.strip_suffix("-0").unwrap();
    let start = recipe.number("logStartOffset");
    let line = format!("0\n1\n{topic} 0 {start}\n");
    fs::write(to.join("log-start-offset-checkpoint"), line).unwrap();
    if recipe.flag("cleanShutdown") {
        fs::write(to.join(".kafka_cleanshutdown"), "{}").unwrap();
    }
    name
}

#[test]
fn damage_to_a_log_is_told_and_what_a_crash_leaves_is_no_error() {
    let (recipes, bases) = (unpack("golden-recovery"), bases());
    let mut judged = BTreeMap::new();
    for entry in fs::read_dir(recipes.path().join("variants")).unwrap() {
        let recipe: Value =
            serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let touches = |operation: &Value| {
            let of = |field| operation.get(field).and_then(Value::as_str);
            of("file").or(of("to")).is_some_and(is_log)
        };
        if !recipe.list("operations").iter().any(touches) {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let partition = cook(&recipe, bases.path(), directory.path());
        let ran = run_in(directory.path(), &["verify", "--deep", "--json", &partition]);
        let name = recipe.text("name").to_owned();
        let all = ran.json_of("finding");
        assert!(matches!(ran.code, Some(0 | 1)) && !all.is_empty(), "{name}: {ran:?}");
        let errors: Vec<String> = all
            .iter()
            .filter(|it| it["severity"] == "error")
            .map(|it| format!("{} {} {}", it["code"], it["path"], it["position"]))
            .collect();
        judged.insert(name, errors);
    }
    assert!(judged.len() >= 20, "{judged:?}");
    let claimed = &judged["cut-claimed-clean"];
    assert!(!claimed.is_empty(), "a clean stop leaves no half batch");
    let of_a_crash = |name: &str| {
        name.starts_with("cut-") && name != "cut-claimed-clean"
            || ["txn-cut-half", "preallocated-torn"].contains(&name)
    };
    let wrong: Vec<_> =
        judged.iter().filter(|(name, it)| of_a_crash(name) && !it.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
