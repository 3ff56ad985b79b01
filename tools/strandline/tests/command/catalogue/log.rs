//! What can be wrong in a `.log`.

use super::{LOG, Maker, Place, made, places, three};
use crate::command::made::{Made, TIME};

pub(super) const ALL: &[Maker] = &[
    Maker::new("LOG001", "warning", LOG, |place| {
        place.crashed();
        cut_short(place);
    }),
    Maker::new("LOG001", "error", LOG, cut_short),
    Maker::new("LOG002", "info", LOG, |place| {
        place.crashed();
        zeros_behind(place);
    }),
    Maker::new("LOG002", "error", LOG, zeros_behind),
    Maker::new("LOG003", "error", LOG, |place| second(place, 8, &[0, 0, 0, 5])),
    Maker::new("LOG004", "error", LOG, |place| second(place, 8, &[0x7f, 0, 0, 0x52])),
    Maker::new("LOG005", "error", LOG, |place| second(place, 70, b"#")),
    Maker::new("LOG006", "error", LOG, |place| second(place, 16, &[9])),
    Maker::new("LOG007", "error", LOG, |place| third(place, |batch| batch.attributes = 5)).deep(),
    Maker::new("LOG007", "info", LOG, |place| third(place, |batch| batch.attributes = 0x100))
        .deep(),
    Maker::new("LOG008", "error", LOG, |place| third(place, |batch| batch.count = Some(9))).deep(),
    Maker::new("LOG008", "error", LOG, |place| third(place, |batch| batch.count = Some(1))).deep(),
    Maker::new("LOG009", "error", LOG, |place| {
        third(place, |batch| (batch.attributes, batch.payload) = (1, Some(b"no gzip".to_vec())));
    })
    .deep(),
    Maker::new("LOG009", "error", LOG, |place| {
        third(place, |batch| {
            batch.records[0].3 = vec![0; 1 << 20];
            (batch.attributes, batch.payload) = (1, Some(made::gzip(&batch.plain())));
        });
    })
    .options(&["--deep", "--max-inflated", "64KiB"]),
    Maker::new("LOG010", "error", LOG, |place| third(place, |batch| batch.base = 1)).deep(),
    // One that stands too high between two that follow each other is what is wrong.
    Maker::new("LOG010", "error", LOG, |place| place.patch(LOG, places()[0] + 5, &[1])).deep(),
    Maker::new("LOG011", "info", LOG, |place| third(place, |batch| batch.base = 10)).deep(),
    // A batch that is there twice goes back.
    Maker::new("LOG012", "error", LOG, |place| {
        third(place, |batch| *batch = Made::two(2));
    })
    .deep()
    .also(&["LOG010 error"]),
    Maker::new("LOG013", "error", "00000000000000000004.log", |place| {
        place.segment(0, &[Made::two(4), Made::two(2)]);
        place.rename(4);
        place.write(super::EPOCHS, "0\n1\n0 4\n");
    })
    .deep(),
    Maker::new("LOG014", "error", LOG, |place| {
        third(place, |batch| batch.last_delta = Some(i32::MAX));
    })
    .deep(),
    Maker::new("LOG014", "error", LOG, |place| place.patch(LOG, places()[0], &[0x40])).deep(),
    Maker::new("LOG015", "warning", LOG, |place| {
        let mut batches = three();
        batches[1].epoch = 1;
        place.segment(0, &batches);
    }),
    Maker::new("LOG016", "error", LOG, |place| third(place, |batch| batch.records[1].0 = 0)).deep(),
    Maker::new("LOG016", "error", LOG, |place| {
        third(place, |batch| batch.last_delta = Some(0));
    })
    .deep(),
    Maker::new("LOG017", "warning", LOG, |place| {
        third(place, |batch| batch.max_time = Some(TIME + 77));
    })
    .deep(),
    Maker::new("LOG018", "warning", LOG, |place| {
        let mut batches = three();
        batches[1].producer = (7, 0, 0);
        batches[2].producer = (7, 0, 5);
        place.segment(0, &batches);
    })
    .deep(),
    Maker::new("LOG019", "error", LOG, |place| {
        third(place, |batch| {
            *batch = Made::marker(4, (7, 0), false);
            batch.records[0].2 = b"?".to_vec();
        });
    })
    .deep(),
    Maker::new("LOG020", "error", LOG, |place| {
        // A wrapper within a wrapper.
        let inner = made::message(1, 0, 1, TIME, &made::gzip(&made::message(1, 0, 0, TIME, b"v")));
        let outer = made::message(1, 1, 1, TIME, &made::gzip(&inner));
        place.write(LOG, [made::message(1, 0, 0, TIME, b"v"), outer].concat());
    })
    .deep(),
    Maker::new("LOG021", "error", LOG, |place| {
        let [from, to, _] = places();
        place.patch(LOG, from, &vec![0; to - from]);
    }),
    Maker::new("LOG022", "error", LOG, |place| {
        third(place, |batch| {
            let mut plain = batch.plain();
            // The key's length: more than there is.
            plain[4] = 0x7e;
            batch.payload = Some(plain);
        });
    })
    .deep(),
    Maker::new("TIM001", "warning", LOG, |place| {
        third(place, |batch| batch.records[1].1 = 4_000_000_000_000);
    })
    .deep(),
    Maker::new("TIM002", "info", LOG, |place| {
        third(place, |batch| {
            batch.records.iter_mut().for_each(|record| record.1 = TIME / 1000);
        });
    })
    .deep(),
];

fn cut_short(place: &Place) {
    let log = place.read(LOG);
    place.write(LOG, &log[..log.len() - 20]);
}

fn zeros_behind(place: &Place) {
    let mut log = place.read(LOG);
    log.resize(5000, 0);
    place.write(LOG, log);
}

/// Changes bytes of the second batch.
fn second(place: &Place, at: usize, new: &[u8]) {
    place.patch(LOG, places()[0] + at, new);
}

/// Makes the third batch another one.
fn third(place: &Place, change: impl Fn(&mut Made)) {
    let mut batches = three();
    change(&mut batches[2]);
    place.segment(0, &batches);
}
