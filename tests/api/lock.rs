//! One store is open for writing once.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use strandline::{Error, Store};

use crate::help::{open, open_read_only, place};

const DIR: &str = "STRANDLINE_TEST_DIR";

#[track_caller]
fn assert_locked_by(result: strandline::Result<Store>, holder: u32) {
    let Err(error) = result else { panic!("it is open already") };
    assert!(error.is_retriable());
    assert!(error.to_string().ends_with(&format!("in use by process {holder}")), "{error}");
    assert!(matches!(error, Error::Locked { pid: Some(pid), .. } if pid == holder), "{error:?}");
}

#[test]
fn a_second_handle_of_this_process_is_refused_until_the_first_is_gone() {
    let (_dir, path) = place();
    let store = open(&path);
    let again = store.clone();
    assert_locked_by(Store::open(&path), std::process::id());
    drop(store);
    assert_locked_by(Store::open(&path), std::process::id());
    drop(again);
    open(&path).close().unwrap();
    assert!(path.join(".lock").exists(), "it is never removed");
}

#[test]
fn a_log_that_is_still_in_use_keeps_the_store_locked() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = store.create_topic("a", strandline::TopicOptions::new()).unwrap().partition(0);
    drop(store);
    assert_locked_by(Store::open(&path), std::process::id());
    drop(log);
    open(&path);
}

#[test]
fn a_closed_store_can_be_opened_again_though_handles_are_left() {
    let (_dir, path) = place();
    let first = open(&path);
    first.close().unwrap();
    let second = open(&path);
    assert!(matches!(first.topics(), Err(Error::Closed)));
    first.close().unwrap();
    assert_locked_by(Store::open(&path), std::process::id());
    drop(second);
}

#[test]
fn another_process_is_named_and_its_death_releases_the_store() {
    let (_dir, path) = place();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lock::child_that_holds_a_store", "--ignored", "--nocapture"])
        .env(DIR, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().ends_with("it is open")));
    assert_locked_by(Store::open(&path), child.id());
    assert!(!open_read_only(&path).topics().unwrap().is_empty(), "readers need no lock");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(open(&path).topics().unwrap().len(), 1);
}

#[test]
#[ignore = "the other process of the test above"]
fn child_that_holds_a_store() {
    let Some(path) = std::env::var_os(DIR) else { return };
    let store = Store::open(path).unwrap();
    store.create_topic("events", strandline::TopicOptions::new()).unwrap();
    println!("\nit is open");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn nothing_is_written_once_somebody_has_removed_the_lock_file() {
    let (_dir, path) = place();
    let store = open(&path);
    std::fs::remove_file(path.join(".lock")).unwrap();
    let second = open(&path);
    let refused = store.create_topic("events", strandline::TopicOptions::new());
    assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    second.create_topic("events", strandline::TopicOptions::new()).unwrap();
}

#[test]
fn a_store_that_is_not_there_is_made_only_if_that_is_wanted() {
    let (_dir, path) = place();
    for options in [Store::options().create(false), Store::options().read_only(true)] {
        let error = options.open(&path).unwrap_err();
        assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    }
    assert!(!path.exists());
    open(&path.join("and/beneath"));
    std::fs::write(path.join("file"), "").unwrap();
    let error = Store::open(path.join("file")).unwrap_err();
    assert!(matches!(&error, Error::Io { path: at, .. } if *at == path.join("file")), "{error:?}");
}

#[test]
fn a_directory_without_permission_is_an_error_that_names_it() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, path) = place();
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o500)).unwrap();
    if std::fs::write(path.join("probe"), "").is_ok() {
        // The superuser is not bound by permissions.
        drop(dir);
        return;
    }
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(&error, Error::Io { path: at, .. } if at.starts_with(&path)), "{error:?}");
}
