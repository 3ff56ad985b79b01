//! What is half written when Ctrl-C, or a request to end, comes: it is taken away before the command
//! ends with the code that shells give for that.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};

/// Files and directories that are not finished.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Something that is being written. It is noted as long as this lives.
#[derive(Debug)]
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    /// Notes a file or directory that this process alone writes.
    pub(crate) fn new(path: &Path) -> Unfinished {
        static WATCHED: Once = Once::new();
        WATCHED.call_once(|| {
            // Where that cannot be, the next run says what is in the way.
            let _ = [(SIGINT, 130), (SIGTERM, 143)].map(|(signal, code)| watch(signal, code));
        });
        unfinished().push(path.to_path_buf());
        Unfinished(path.to_path_buf())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut all = unfinished();
        if let Some(at) = all.iter().position(|path| *path == self.0) {
            all.swap_remove(at);
        }
    }
}

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(signal: i32, code: i32) -> std::io::Result<()> {
    let (mut told, tell) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal, tell)?;
    let wait = move || {
        if told.read_exact(&mut [0]).is_ok() {
            // Held to the end, so that nothing is begun any more.
            let all = unfinished();
            all.iter().for_each(|path| remove(path));
            std::process::exit(code);
        }
    };
    thread::Builder::new().name("interrupt".to_owned()).spawn(wait)?;
    Ok(())
}

/// Removes a file, or a directory to which another thread may be adding.
pub(crate) fn remove(path: &Path) {
    for _ in 0..5 {
        let removed = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
        if removed.is_ok() || fs::symlink_metadata(path).is_err() {
            return;
        }
    }
}
