//! A log against a model of it: a vector of batches, and what follows from them. Random operations,
//! openings after a clean close, after the death of the process and after a loss of power.
//!
//! `STRANDLINE_MODEL_CASES` sets how many scripts are run.

#[path = "model/cleaning.rs"]
mod cleaning;
#[path = "model/image.rs"]
mod image;
#[path = "model/model.rs"]
mod model;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/reading.rs"]
mod reading;
#[path = "model/rot.rs"]
mod rot;
#[path = "kafka/slow_cleaner.rs"]
mod slow_cleaner;
#[path = "model/world.rs"]
mod world;

use proptest::prelude::*;

fn config() -> ProptestConfig {
    let asked = std::env::var("STRANDLINE_MODEL_CASES").ok();
    let cases = asked.and_then(|cases| cases.parse().ok()).unwrap_or(500);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_log_is_its_model_whatever_is_done_to_it(script in ops::script()) {
        world::run(&script);
    }
}

/// What random scripts found once.
mod once_found {
    use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
    use strandline::{Batch, Durability, FetchOptions, Isolation, Record, testing};

    fn open(dir: &tempfile::TempDir) -> testing::Log {
        testing::Log::open(&dir.path().join("topic-0"), &[], 1_000).unwrap()
    }

    fn three() -> Batch {
        Batch::of([Record::new().value("a"), Record::new().value("b"), Record::new().value("c")])
    }

    fn imported(base: i64, epoch: i32) -> Vec<u8> {
        let record = [(5, None, Some(&b"v"[..]), &[][..])];
        let none = (-1, -1, -1);
        let mut bytes = testing::build_batch("none", none, false, record.into_iter()).unwrap();
        bytes[..8].copy_from_slice(&base.to_be_bytes());
        bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
        bytes
    }

    #[test]
    fn what_is_appended_behind_a_cut_inside_a_batch_survives() {
        let dir = crate::world::scratch();
        let log = open(&dir);
        log.handle().append(three(), Durability::Synced).unwrap();
        log.handle().append(three(), Durability::Written).unwrap();
        assert!(log.handle().truncate_to(4).unwrap());
        let appended = log.handle().append(three(), Durability::Synced).unwrap();
        assert_eq!(appended.base_offset, 4);
        drop(log);
        let log = open(&dir);
        assert_eq!(log.handle().log_end_offset().unwrap(), 7);
    }

    #[test]
    fn the_log_end_stays_where_a_cut_inside_a_batch_put_it() {
        let dir = crate::world::scratch();
        let log = open(&dir);
        log.handle().append(three(), Durability::Written).unwrap();
        assert!(log.handle().truncate_to(1).unwrap());
        drop(log);
        let log = open(&dir);
        assert_eq!(log.handle().log_end_offset().unwrap(), 1);
        assert_eq!(log.handle().append(three(), Durability::Synced).unwrap().base_offset, 1);
    }

    #[test]
    fn an_imported_batch_of_a_later_epoch_survives() {
        let dir = crate::world::scratch();
        let log = open(&dir);
        log.handle().import(&imported(0, 7), Durability::Synced).unwrap();
        drop(log);
        let log = open(&dir);
        assert_eq!(log.handle().log_end_offset().unwrap(), 1);
    }

    #[test]
    fn an_aborted_batch_that_the_log_start_cuts_stays_hidden() {
        let dir = crate::world::scratch();
        let log = open(&dir);
        let producer = (ProducerId(1), ProducerEpoch(0));
        let batch = three().producer(producer.0, producer.1, Sequence(0)).transactional(true);
        log.handle().append(batch, Durability::Written).unwrap();
        log.handle().roll().unwrap();
        log.handle().flush().unwrap();
        let (end, written) = (TransactionEnd::Abort, Durability::Written);
        log.handle().end_transaction(producer, end, 0, written).unwrap();
        log.handle().delete_records(Some(1)).unwrap();
        drop(log);
        // Without it the producers are found again from the batches alone.
        std::fs::remove_file(dir.path().join("topic-0/00000000000000000003.snapshot")).unwrap();
        let log = open(&dir);
        let options = FetchOptions::new().isolation(Isolation::ReadCommitted);
        assert_eq!(log.handle().fetch(1, options).unwrap().records().count(), 0);
    }

    fn log_file(dir: &tempfile::TempDir, base: i64) -> std::path::PathBuf {
        dir.path().join(format!("topic-0/{base:020}.log"))
    }

    #[test]
    fn a_header_of_which_zeros_are_left_is_a_torn_tail_and_no_old_format() {
        let dir = crate::world::scratch();
        let log = open(&dir);
        log.handle().append(three(), Durability::Synced).unwrap();
        let len = std::fs::metadata(log_file(&dir, 0)).unwrap().len() as usize;
        log.handle().append(three(), Durability::Written).unwrap();
        drop(log);
        let mut bytes = std::fs::read(log_file(&dir, 0)).unwrap();
        bytes[len + 14..].fill(0);
        std::fs::write(log_file(&dir, 0), bytes).unwrap();
        assert_eq!(open(&dir).handle().log_end_offset().unwrap(), 3);
    }

    #[test]
    fn a_torn_tail_behind_zeros_is_cut_off_and_kept_too() {
        let dir = crate::world::scratch();
        let log = open(&dir);
        log.handle().append(three(), Durability::Written).unwrap();
        log.handle().roll().unwrap();
        log.handle().append(three(), Durability::Written).unwrap();
        drop(log);
        let mut lens = Vec::new();
        for (base, more) in [(0, &[0, 0, 0][..]), (3, b"garbage")] {
            let mut bytes = std::fs::read(log_file(&dir, base)).unwrap();
            lens.push(bytes.len());
            bytes.extend_from_slice(more);
            std::fs::write(log_file(&dir, base), bytes).unwrap();
        }
        assert_eq!(open(&dir).handle().log_end_offset().unwrap(), 6);
        let there = [0, 3].map(|base| std::fs::read(log_file(&dir, base)).unwrap().len());
        assert_eq!(there, *lens);
        let kept = std::fs::read_dir(dir.path().join("topic-0/quarantine")).unwrap();
        let kept: Vec<_> = kept.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        assert_eq!(kept, [b"garbage"]);
    }

    #[test]
    fn while_offsets_may_be_left_out_a_roll_seals() {
        let dir = crate::world::scratch();
        let log = open(&dir);
        log.handle().import(&imported(5, 0), Durability::Written).unwrap();
        log.handle().append(three(), Durability::Written).unwrap();
        log.handle().roll().unwrap();
        assert!(crate::image::sealed(&dir.path().join("topic-0")).contains(&0));
    }
}
