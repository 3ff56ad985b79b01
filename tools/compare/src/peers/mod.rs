//! The logs that are compared, each used in the fastest way that its interface offers for the same
//! promise.

mod commitlog;
mod fjall;
mod kafka;
#[cfg(feature = "kafko")]
mod kafko;
mod okaywal;
mod raft;
mod redb;
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
        #[cfg(feature = "kafko")]
        Box::new(kafko::Peer),
    ];
    if kafka::is_at_hand() {
        all.push(Box::new(kafka::Peer));
    }
    all
}
