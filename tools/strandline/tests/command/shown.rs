//! What is shown of keys and values: decoded, or hidden; and how it looks on a terminal.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use super::made::{self, Made};
use super::run::{Ran, run, strandline};

const LOG: &str = "00000000000000000000.log";

/// A partition whose records have numbers in their keys and what a registry's serializer writes in
/// their values.
fn packed() -> (tempfile::TempDir, String) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t-0");
    fs::create_dir(&path).unwrap();
    let mut batch = Made::two(0);
    for (number, record) in batch.records.iter_mut().enumerate() {
        record.2 =
            [&7_u32.to_be_bytes()[..], &(-1 - number as i64).to_be_bytes(), b"tail"].concat();
        record.3 = [&b"\0\0\0\x01\x02"[..], format!("value{number}").as_bytes()].concat();
    }
    fs::write(path.join(LOG), made::log(&[batch])).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (root, path)
}

#[test]
fn packed_keys_and_values_of_a_registry_are_decoded() {
    let (_root, path) = packed();
    let decode = ["--decode", "key='>Iqs$',value=confluent".trim_matches('\'')];
    let decode = [decode[0], &decode[1].replace('\'', "")];
    let ran = run(&[&["dump", "-r", "--json"], &decode[..], &[path.as_str()]].concat());
    let records = ran.json_of("record");
    let of = |field: &str| records.iter().map(|it| it[field].to_string()).collect::<Vec<_>>();
    assert_eq!(of("key"), ["\"7 -1 tail\"", "\"7 -2 tail\""], "{ran:?}");
    assert_eq!(of("value"), ["\"value0\"", "\"value1\""]);
    assert_eq!(of("valueSchemaId"), ["258", "258"]);
    assert_eq!(of("valueSize"), ["11", "11"], "the sizes are those that lie there");
    let ran = run(&[&["dump", "-r"], &decode[..], &[path.as_str()]].concat());
    assert!(ran.stdout.contains("key=7 -1 tail") && ran.stdout.contains("schema 258: value0"));
    let ran = run(&[&["tail", "-F", "%k|%v\\n"], &decode[..], &[path.as_str()]].concat());
    assert_eq!(ran.stdout, "7 -1 tail|value0\n7 -2 tail|value1\n");
    // What is not so stays as it is.
    let ran = run(&["dump", "-r", "--json", "--decode", "key=u32be", "basic-0"]);
    assert_eq!(ran.json_of("record")[0]["key"], "a", "{ran:?}");
    assert_eq!(run(&["dump", "--decode", "key=u33", "basic-0"]).code, Some(2));
}

#[test]
fn a_program_decodes_one_value_after_the_other() {
    let temp = tempfile::tempdir().unwrap();
    let script = temp.path().join("upper.sh");
    let text = r#"while :; do
  set -- $(dd bs=1 count=4 2>/dev/null | od -An -tu1)
  [ $# -eq 4 ] || exit 0
  n=$(( ($1 * 256 + $2) * 65536 + $3 * 256 + $4 ))
  text=$(dd bs=1 count=$n 2>/dev/null | tr a-z A-Z)
  printf '\0\0\0\'$(printf %03o ${#text})
  printf %s "$text"
done
"#;
    fs::write(&script, text).unwrap();
    let program = format!("value=sh {}", script.display());
    let ran = run(&["dump", "-r", "-F", "%k=%v ", "-O", ":3", "--decode-cmd", &program, "basic-0"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "a=VA =VB c=1 "), "{ran:?}");
    let ran = run(&["dump", "-r", "--decode-cmd", "value=true", "basic-0"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(3), 1), "{ran:?}");
    assert!(ran.stderr.contains("`true`, which decodes, failed"), "{ran:?}");
    let ran = run(&["dump", "-r", "--decode-cmd", "value=/nowhere/at all", "basic-0"]);
    assert!(
        ran.code == Some(3) && ran.stderr.contains("cannot start `/nowhere/at all`"),
        "{ran:?}"
    );
}

#[test]
fn what_is_hidden_is_shown_by_no_form_and_no_verb() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t-0");
    fs::create_dir(&path).unwrap();
    let mut batch = Made::two(0);
    batch.records[0].2 = b"secret-key".to_vec();
    batch.records[0].3 = b"secret-value".to_vec();
    fs::write(path.join(LOG), made::log(&[batch])).unwrap();
    let (path, to) = (path.to_str().unwrap(), root.path().join("values"));
    let redact = ["--redact", "keys,values=sha256,headers"];
    let ways: [&[&str]; 13] = [
        &["dump", "-r"],
        &["dump", "-r", "--json"],
        &["dump", "-r", "-o", "csv"],
        &["dump", "-r", "-o", "raw"],
        &["dump", "-r", "-F", "%k %v{hex} %v\\n"],
        &["tail"],
        &["find", "--all"],
        &["find", "--all", "--json"],
        &["stat", "--top", "5"],
        &["stat", "--top", "5", "--json"],
        &["export"],
        &["export", "-o", "csv"],
        &["export", "-o", "raw", "--name", "%o.bin", "--to", to.to_str().unwrap()],
    ];
    for way in ways {
        let ran = run(&[way, &redact[..], &[path]].concat());
        assert_eq!(ran.code, Some(0), "{way:?}: {ran:?}");
        assert!(!ran.stdout.contains("secret"), "{way:?}: {}", ran.stdout);
    }
    let written = fs::read_to_string(to.join("0.bin")).unwrap();
    assert!(written.len() == 64 && !written.contains("secret"), "{written}");
    // The first half of "secret-value" in hex, and the whole as itself.
    let shown = run(&["dump", "-r", "-F", "%v{hex} %v", path]);
    assert!(shown.stdout.contains("736563726574") && shown.stdout.contains("secret-value"));
    for verb in [&["explain"][..], &["report", "--to", "page.html"]] {
        assert_eq!(run(&[verb, &redact[..], &[path]].concat()).code, Some(2), "{verb:?}");
    }
    assert_eq!(run(&["dump", "-r", "-F", "%h", "--redact", "headers", path]).code, Some(2));
}

/// Runs the command on a terminal of so many columns.
fn on_a_terminal(args: &[&str], columns: u16) -> Ran {
    let size = nix::pty::Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pair = nix::pty::openpty(Some(&size), None).unwrap();
    let mut command = strandline(args);
    command.env("TERM", "xterm").stdout(Stdio::from(pair.slave)).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It has the only other end now.
    drop(command);
    let (mut master, mut shown) = (fs::File::from(pair.master), Vec::new());
    let mut piece = [0; 4096];
    // A terminal that nobody writes to any more is an error.
    while let Ok(have @ 1..) = master.read(&mut piece) {
        shown.extend_from_slice(&piece[..have]);
    }
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let code = child.wait().unwrap().code();
    Ran { code, stdout: String::from_utf8(shown).unwrap().replace('\r', ""), stderr }
}

#[test]
fn a_terminal_gets_colours_and_rows_that_fit_it() {
    for args in [
        &["dump", "basic-0"][..],
        &["dump", "-r", "basic-0"],
        &["ls", "--segments", "."],
        &["ls", "."],
        &["find", "--all", "--key", "e", "basic-0"],
        &["explain", "basic-0"],
        &["stat", "basic-0"],
    ] {
        let ran = on_a_terminal(&[args, &["--pager", "never"]].concat(), 200);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        assert!(ran.stdout.contains("\x1b[34m"), "{args:?}: no offset is blue: {}", ran.stdout);
        let narrow = on_a_terminal(&[args, &["--pager", "never"]].concat(), 40);
        for line in narrow.stdout.lines() {
            let plain = plain(line);
            assert!(plain.chars().count() <= 40, "{args:?} wraps: {plain:?}");
        }
        assert!(!run(args).stdout.contains('\x1b'), "{args:?}");
    }
}

/// A line without its colours.
fn plain(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}
