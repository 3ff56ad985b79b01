//! What other codecs would make of a log: each batch's records, compressed again and measured.

use std::time::{Duration, Instant};

use strandline::compression::{Compression, Compressor, Decompressor};
use strandline::record::BatchHeader;
use strandline::{LogFile, Piece};

use super::gather::How;
use crate::exit::{Failure, Result};
use crate::global::Global;
use crate::output::Out;
use crate::output::grid::{Align, Grid};
use crate::output::human::bytes;
use crate::output::json::Object;
use crate::paths::OneLog;
use crate::reading::pace::Pieces;
use crate::reading::place;
use crate::select::Verdict;

/// What a codec made of it.
#[derive(Default)]
struct Tried {
    size_bytes: u64,
    compressing: Duration,
    inflating: Duration,
}

/// Tries each codec, and shows what it saves.
pub(super) fn show(
    log: &OneLog,
    how: &How<'_>,
    codecs: &[Compression],
    (global, out): (&Global, &mut Out),
) -> Result<()> {
    let (mut tried, mut now, mut raw): (Vec<Tried>, u64, u64) = (Vec::new(), 0, 0);
    tried.resize_with(codecs.len(), Tried::default);
    let mut with = Workshop::default();
    for input in place::segments(log, &how.range, how.segment)? {
        let file = LogFile::open_at(&input.path, input.base()?)?;
        let mut pieces = Pieces::of(&file, &input.path, place::start(input, &how.range)?.position);
        while let Some(piece) = pieces.next_piece()? {
            let Piece::Batch(batch) = &piece.what else { continue };
            if !is_wanted(batch.header(), how) {
                continue;
            }
            let Ok(payload) = with.payload(batch, how.max_inflated) else { continue };
            let header = (batch.bytes().len() - batch.payload().len()) as u64;
            now += batch.bytes().len() as u64;
            raw += header + payload.len() as u64;
            for (codec, tried) in codecs.iter().zip(&mut tried) {
                tried.size_bytes += header;
                tried.go(*codec, &payload, &mut with)?;
            }
            with.plain = payload;
        }
    }
    report(codecs, &tried, (now, raw), (global, out))
}

fn is_wanted(header: &BatchHeader, how: &How<'_>) -> bool {
    how.range.touches(header) && how.filter.batch(header) != Verdict::None
}

/// Contexts and buffers, used again and again.
#[derive(Default)]
struct Workshop {
    compressor: Compressor,
    decompressor: Decompressor,
    plain: Vec<u8>,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
}

impl Workshop {
    /// The inflated payload of a batch.
    fn payload(
        &mut self,
        batch: &strandline::record::RecordBatch<'_>,
        limit: usize,
    ) -> std::result::Result<Vec<u8>, ()> {
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let codec = batch.codec().map_err(|_| ())?;
        self.decompressor.decompress(codec, batch.payload(), limit, &mut plain).map_err(|_| ())?;
        Ok(plain)
    }
}

impl Tried {
    fn go(&mut self, how: Compression, payload: &[u8], with: &mut Workshop) -> Result<()> {
        let failed = |why: &dyn std::fmt::Display| Failure::environment(why.to_string());
        with.packed.clear();
        let started = Instant::now();
        with.compressor.compress(how, payload, &mut with.packed).map_err(|why| failed(&why))?;
        self.compressing += started.elapsed();
        self.size_bytes += with.packed.len() as u64;
        with.unpacked.clear();
        let started = Instant::now();
        let limit = payload.len();
        with.decompressor
            .decompress(how.codec(), &with.packed, limit, &mut with.unpacked)
            .map_err(|why| failed(&why))?;
        self.inflating += started.elapsed();
        Ok(())
    }
}

fn report(
    codecs: &[Compression],
    tried: &[Tried],
    (now, raw): (u64, u64),
    (global, out): (&Global, &mut Out),
) -> Result<()> {
    let rate = |time: Duration| (raw as f64 / time.as_secs_f64().max(1e-9)) as u64;
    let columns = [
        ("RECOMPRESSED", Align::Left),
        ("SIZE", Align::Right),
        ("SAVED", Align::Right),
        ("RATIO", Align::Right),
        ("COMPRESSES", Align::Right),
        ("INFLATES", Align::Right),
    ];
    let mut grid = Grid::new(&columns);
    for (codec, it) in codecs.iter().zip(tried) {
        let saved = now as f64 - it.size_bytes as f64;
        let ratio = raw as f64 / it.size_bytes.max(1) as f64;
        if global.is_json() {
            let mut line = Object::line("recompressed", out.line());
            line.text("codec", &codec.to_string());
            line.size("size", it.size_bytes);
            line.number("saved", saved as i64);
            line.size("compressBytesPerSecond", rate(it.compressing));
            line.size("inflateBytesPerSecond", rate(it.inflating));
            line.end_line();
            continue;
        }
        grid.row(vec![
            codec.to_string(),
            bytes(it.size_bytes),
            format!("{:.1} %", 100.0 * saved / now.max(1) as f64),
            format!("{ratio:.2}"),
            format!("{}/s", bytes(rate(it.compressing))),
            format!("{}/s", bytes(rate(it.inflating))),
        ]);
    }
    if global.is_json() { out.settle() } else { grid.write(out) }
}
