//! strandline beside other logs that a program can embed, and beside the machine.
//!
//!     cargo run --release --manifest-path tools/compare/Cargo.toml [-- OPTIONS]
//!
//! For each row all subjects do the same work in turns, several rounds; the first is dropped. The
//! median is printed with its spread, its ratio to the row's limit, and strandline's ratio to it:
//! ratios of the same round, their median. What the figures mean: docs/performance.md.

mod limits;
mod peers;
mod plot;
mod rows;
mod subject;
mod table;

use std::path::PathBuf;

use rows::Row;

const HELP: &str = "\
strandline beside other logs, and beside the machine

  --only TEXT     rows whose name has TEXT in it; may be given more than once
  --subject TEXT  subjects whose name has TEXT in it, and limits; may be given more than once
  --rounds N      rounds that count [default: 7]; one more is run first
  --scale N       N times the work of each round [default: 1]
  --dir DIR       where the logs lie [default: target/ of this tool]
  --plots DIR     writes a plot (SVG) of each row there
  --list          names the rows";

/// What was asked for.
struct Options {
    only: Vec<String>,
    subjects: Vec<String>,
    rounds: usize,
    scale: usize,
    dir: PathBuf,
    plots: Option<PathBuf>,
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options {
        only: Vec::new(),
        subjects: Vec::new(),
        rounds: 7,
        scale: 1,
        dir: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target")),
        plots: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: String| -> Result<usize, String> {
            text.parse().map_err(|_| format!("{text} is no number"))
        };
        match arg.as_str() {
            "--only" => options.only.push(value()?),
            "--subject" => options.subjects.push(value()?),
            "--rounds" => options.rounds = number(value()?)?.max(1),
            "--scale" => options.scale = number(value()?)?.max(1),
            "--dir" => options.dir = value()?.into(),
            "--plots" => options.plots = Some(value()?.into()),
            "--list" => {
                rows::ROWS.iter().for_each(|row| println!("{}", row.name));
                return Ok(None);
            }
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(None);
            }
            other => return Err(format!("no such option: {other}")),
        }
    }
    Ok(Some(options))
}

fn main() {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => return,
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            std::process::exit(2);
        }
    };
    std::fs::create_dir_all(&options.dir).expect("a directory");
    let scratch = tempfile::tempdir_in(&options.dir).expect("a directory");
    // One of the peers is told its directory by the environment alone. Nothing else runs yet.
    #[expect(unsafe_code, reason = "no other thread has been started")]
    unsafe {
        std::env::set_var("WALRUS_DATA_DIR", scratch.path());
        std::env::set_var("WALRUS_QUIET", "1");
    }
    let wanted =
        |row: &&Row| options.only.is_empty() || options.only.iter().any(|it| row.name.contains(it));
    for row in rows::ROWS.iter().filter(wanted) {
        let measured =
            rows::measure(row, scratch.path(), &options.subjects, (options.rounds, options.scale));
        print!("{}", table::markdown(row, &measured));
        if let Some(dir) = &options.plots {
            std::fs::create_dir_all(dir).expect("a directory");
            let path = dir.join(format!("{}.svg", plot::file_name(row.name)));
            std::fs::write(path, plot::svg(row, &measured)).expect("a plot");
        }
    }
    println!("{}", table::promises(&rows::subjects()));
}
