//! The logs that are compared, each used in the fastest way that its interface offers for the same
//! promise.

mod commitlog;
mod fjall;
mod kafka;
mod kafko;
#[cfg(feature = "krabka")]
mod krabka;
mod okaywal;
mod raft;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod seglog;
mod sqlite;
pub mod strandline;
mod walrus;

use crate::subject::Subject;

/// All but strandline.
pub fn all() -> Vec<Box<dyn Subject>> {
    let mut all: Vec<Box<dyn Subject>> = vec![
        Box::new(commitlog::Peer),
        Box::new(seglog::Peer),
        Box::new(okaywal::Peer),
        Box::new(raft::Peer),
        Box::new(walrus::Peer),
        Box::new(redb::Peer),
        Box::new(fjall::Peer),
        Box::new(sqlite::Peer),
        Box::new(kafko::Peer),
        #[cfg(feature = "krabka")]
        Box::new(krabka::Peer),
        #[cfg(feature = "rocksdb")]
        Box::new(rocksdb::Peer),
    ];
    if kafka::is_at_hand() {
        all.push(Box::new(kafka::Peer));
    }
    all
}
