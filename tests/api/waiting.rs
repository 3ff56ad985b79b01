//! Waiting for records that are not there yet.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use strandline::record::{ProducerEpoch, ProducerId, Sequence, TransactionEnd};
use strandline::{Batch, Durability, Isolation, Log, Record, Store, TopicOptions};

use crate::help::{append, open, place};

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn one_log(store: &Store) -> Log {
    store.create_topic("events", TopicOptions::new()).unwrap().partition(0).unwrap()
}

#[test]
fn a_future_wakes_when_a_record_is_there_and_needs_no_runtime() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = one_log(&store);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let mut grown = pin!(log.grown(0, Isolation::ReadUncommitted).unwrap());
    assert_eq!(grown.as_mut().poll(&mut context), Poll::Pending);
    append(&log, "one");
    assert!(bell.0.load(Ordering::SeqCst) > 0, "nobody rang");
    assert_eq!(grown.as_mut().poll(&mut context), Poll::Ready(()));
    let mut next = pin!(log.grown(1, Isolation::ReadUncommitted).unwrap());
    assert_eq!(next.as_mut().poll(&mut context), Poll::Pending);
    store.close().unwrap();
    // Nothing will come any more: it does not wait for ever.
    assert_eq!(next.as_mut().poll(&mut context), Poll::Ready(()));
}

#[test]
fn a_read_committed_reader_is_woken_by_the_end_of_the_transaction() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = one_log(&store);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell);
    let mut context = Context::from_waker(&waker);
    let mut grown = pin!(log.grown(0, Isolation::ReadCommitted).unwrap());
    let producer = (ProducerId(7), ProducerEpoch(0));
    let batch = Batch::of([Record::new().value("undecided")])
        .producer(producer.0, producer.1, Sequence(0))
        .transactional(true);
    log.append(batch, Durability::Written).unwrap();
    assert_eq!(grown.as_mut().poll(&mut context), Poll::Pending);
    log.end_transaction(producer, TransactionEnd::Commit, 0, Durability::Written).unwrap();
    assert_eq!(grown.as_mut().poll(&mut context), Poll::Ready(()));
}

#[test]
fn waiting_ends_with_its_time() {
    let (_dir, path) = place();
    let store = open(&path);
    let log = one_log(&store);
    assert!(!log.wait_for(0, Duration::from_millis(1)).unwrap());
    append(&log, "one");
    assert!(log.wait_for(0, Duration::ZERO).unwrap());
    assert!(!log.wait_for(1, Duration::ZERO).unwrap());
}
