//! The producer state of one partition: who appended what last, so that a retried batch is known
//! again and a lost one is missed, and which transactions are open, so that readers can wait for
//! them.

mod entry;
mod hash_order;
mod state;
mod transactions;

pub(crate) use entry::{ProducerEntry, SentBatch};
pub(crate) use state::{Candidate, Duplicate, Outcome, Producers, Update};
pub(crate) use transactions::CompletedTxn;

#[cfg(test)]
mod tests;
