//! *Replace* is synced, each rename of the compaction is lost or done; then a Kafka start.

use strandline::testing::sim::{Disk, Image};

use super::disk::check;
use super::disk::content::{Found, said};
use super::disk::enumerate::{self, expected};
use super::disk::images::cuts;
use super::disk::ops::Op;
use super::disk::{LAST, check::Expected};
use super::kafka;

/// Everything that a crash within a compaction can leave, as `then` makes it, is what was there before
/// or what compaction makes of it, group by group.
fn after_each_crash(then: impl Fn(&mut Image)) {
    let rolls = [Op::AppendRolling; 3];
    let ops =
        [rolls[0], rolls[1], rolls[2], Op::AppendTransactional, Op::Abort, Op::Flush, Op::Clean];
    let (steps, recorded) = enumerate::run(&ops, LAST).unwrap();
    let step = steps.last().unwrap();
    assert!(step.after.batches.len() < step.before.batches.len(), "nothing was compacted");
    let (mut befores, mut afters) = (0, 0);
    for (call, image) in recorded.iter().filter(|(call, _)| call.number >= step.from) {
        let expected = Expected { cleans: true, ..expected(&steps, call.number) };
        for cut in cuts(image, call.number, 16) {
            let mut left = image.cut(&cut);
            then(&mut left);
            let opened = check::open(Disk::from(left)).unwrap();
            let found = Found::in_log(&opened.log).unwrap();
            befores += usize::from(found.batches().unwrap() == step.before.batches);
            afters += usize::from(found.batches().unwrap() == step.after.batches);
            if let Err(why) = expected.recognise(found) {
                panic!("{why}\n  before {call}");
            }
            let gap = said("gap", opened.log.gap()).unwrap();
            assert_eq!(gap, None, "before {call}");
        }
    }
    assert!(befores > 0 && afters > 0, "{befores} as before, {afters} as after");
}

#[test]
fn whichever_renames_are_lost_the_log_is_as_before_or_after() {
    after_each_crash(|_| {});
}

#[test]
fn whichever_renames_are_lost_kafka_s_start_gives_the_same_answers() {
    after_each_crash(|image| {
        kafka::finishes_swaps(image);
        kafka::starts(image);
    });
}

#[test]
fn whichever_renames_are_lost_a_copy_elsewhere_gives_the_same_answers() {
    // Without our line nothing is proved, and no Kafka has been there to finish it.
    after_each_crash(kafka::drops_our_line);
}
