//! What can be wrong beside a `.log`: indexes, transactions, snapshots, checkpoints, epochs.

use super::{EPOCHS, INDEX, Kind, LOG, Maker, Place, TIMES, made, places};
use crate::command::made::{Made, TIME};

const TXNS: &str = "00000000000000000000.txnindex";
const SNAPSHOT: &str = "00000000000000000006.snapshot";
const CHECKPOINT: &str = "recovery-point-offset-checkpoint";

pub(super) const ALL: &[Maker] = &[
    Maker::new("IDX001", "error", INDEX, |place| {
        place.write(INDEX, [&good()[..], &[0]].concat());
    }),
    Maker::new("IDX002", "error", INDEX, |place| index(place, &[(5, third()), (3, second())])),
    Maker::new("IDX003", "error", INDEX, |place| index(place, &[(3, second() + 1)])),
    Maker::new("IDX004", "error", INDEX, |place| index(place, &[(2, second())])),
    Maker::new("IDX005", "error", INDEX, |place| index(place, &[(60, 5000)])),
    Maker::new("IDX005", "warning", INDEX, |place| {
        place.crashed();
        index(place, &[(60, 5000)]);
    }),
    Maker::new("IDX006", "info", INDEX, |place| place.remove(INDEX)),
    Maker::new("IDX006", "warning", INDEX, |place| place.remove(INDEX)).of(Kind::Rolled),
    Maker::new("IDX006", "warning", INDEX, |place| place.write(INDEX, "")).of(Kind::Rolled),
    Maker::new("IDX007", "error", "00000000000000000050.index", |place| {
        place.write("00000000000000000050.index", "");
    }),
    Maker::new("IDX008", "info", INDEX, |place| {
        place.write(INDEX, [&good()[..], &[0; 80]].concat());
    }),
    Maker::new("IDX008", "info", INDEX, |place| place.write(INDEX, [0; 80])),
    Maker::new("IDX009", "info", INDEX, |place| index(place, &[(5, second())])),
    Maker::new("TIX001", "error", TIMES, |place| {
        place.write(TIMES, [&made::times(&[(TIME + 3, 3)])[..], &[0]].concat());
    }),
    Maker::new("TIX002", "error", TIMES, |place| times(place, &[(TIME + 5, 5), (TIME + 3, 3)])),
    Maker::new("TIX003", "error", TIMES, |place| times(place, &[(TIME + 3, 2)])),
    Maker::new("TIX004", "error", TIMES, |place| times(place, &[(TIME + 4, 3)])),
    Maker::new("TIX005", "error", TIMES, |place| times(place, &[(TIME + 60, 60)])),
    Maker::new("TIX005", "warning", TIMES, |place| {
        place.crashed();
        times(place, &[(TIME + 60, 60)]);
    }),
    Maker::new("TIX006", "info", TIMES, |place| place.remove(TIMES)),
    Maker::new("TIX006", "warning", TIMES, |place| place.remove(TIMES)).of(Kind::Rolled),
    Maker::new("TIX007", "error", "00000000000000000050.timeindex", |place| {
        place.write("00000000000000000050.timeindex", "");
    }),
    Maker::new("TIX008", "info", TIMES, |place| place.write(TIMES, [0; 120])),
    Maker::new("TXN001", "error", TXNS, |place| place.write(TXNS, made::aborted(7, 2, 3, 4)))
        .deep(),
    Maker::new("TXN001", "error", TXNS, |place| {
        transaction(place, false);
        place.write(TXNS, made::aborted(7, 0, 4, 5));
    })
    .deep(),
    // A crash leaves an index that is ahead of its log.
    Maker::new("TXN001", "warning", TXNS, |place| {
        place.crashed();
        place.write(TXNS, made::aborted(7, 2, 8, 9));
    })
    .deep(),
    Maker::new("TXN002", "warning", TXNS, |place| transaction(place, false)).deep(),
    Maker::new("TXN003", "warning", TXNS, |place| place.write(TXNS, [0; 33])),
    Maker::new("TXN003", "error", TXNS, |place| {
        let mut entry = made::aborted(7, 2, 3, 4);
        entry[0] = 1;
        place.write(TXNS, entry);
    }),
    Maker::new("TXN004", "error", "00000000000000000050.txnindex", |place| {
        place.write("00000000000000000050.txnindex", "");
    }),
    Maker::new("SNP001", "error", SNAPSHOT, |place| {
        let mut snapshot = made::snapshot(&[(7, 0)]);
        snapshot[20] ^= 4;
        place.write(SNAPSHOT, snapshot);
    }),
    Maker::new("SNP002", "error", SNAPSHOT, |place| place.write(SNAPSHOT, "")),
    Maker::new("SNP003", "warning", SNAPSHOT, |place| {
        place.write(SNAPSHOT, made::snapshot(&[(7, 0)]));
    })
    .deep(),
    Maker::new("SNP004", "warning", "00000000000000000060.snapshot", |place| {
        place.write("00000000000000000060.snapshot", made::snapshot(&[]));
    })
    .deep(),
    Maker::new("CKP001", "error", CHECKPOINT, |place| place.checkpoint("garbage")).in_root(),
    Maker::new("CKP002", "error", CHECKPOINT, |place| place.checkpoint("7\n1\nt 0 6\n")).in_root(),
    Maker::new("CKP003", "error", CHECKPOINT, |place| place.checkpoint("0\n2\nt 0 6\n")).in_root(),
    Maker::new("CKP004", "error", CHECKPOINT, |place| place.checkpoint("0\n1\nt 0 7\n")).in_root(),
    Maker::new("CKP005", "info", CHECKPOINT, |place| place.checkpoint("0\n1\nu 0 6\n")).in_root(),
    Maker::new("EPO001", "error", EPOCHS, |place| place.write(EPOCHS, "0\n2\n1 0\n0 2\n")).deep(),
    Maker::new("EPO002", "warning", EPOCHS, |place| place.write(EPOCHS, "0\n1\n3 0\n")).deep(),
    Maker::new("EPO002", "warning", EPOCHS, |place| place.remove(EPOCHS)).deep(),
    Maker::new("EPO003", "warning", EPOCHS, |place| place.write(EPOCHS, "0\n2\n0 0\n1 60\n"))
        .deep(),
];

/// Where the second batch begins.
fn second() -> u32 {
    places()[0] as u32
}

/// Where the third one does.
fn third() -> u32 {
    places()[1] as u32
}

fn good() -> Vec<u8> {
    made::index(&[(3, second())])
}

fn index(place: &Place, entries: &[(u32, u32)]) {
    place.write(INDEX, made::index(entries));
}

fn times(place: &Place, entries: &[(i64, u32)]) {
    place.write(TIMES, made::times(entries));
}

/// A transaction of producer 7 at offsets 2 and 3, which ends at 4.
fn transaction(place: &Place, commits: bool) {
    let mut records = Made::two(2);
    (records.attributes, records.producer) = (0x10, (7, 0, 0));
    place.write(LOG, made::log(&[Made::two(0), records, Made::marker(4, (7, 0), commits)]));
}
