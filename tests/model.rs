//! A log against a model of it: a vector of batches, and what follows from them. Random operations,
//! openings after a clean close, after the death of the process and after a loss of power.
//!
//! `STRANDLINE_MODEL_CASES` sets how many scripts are run.

#[path = "model/image.rs"]
mod image;
#[path = "model/model.rs"]
mod model;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/reading.rs"]
mod reading;
#[path = "model/world.rs"]
mod world;

use proptest::prelude::*;

fn config() -> ProptestConfig {
    let asked = std::env::var("STRANDLINE_MODEL_CASES").ok();
    let cases = asked.and_then(|cases| cases.parse().ok()).unwrap_or(300);
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
}
