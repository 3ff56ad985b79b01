//! The verbs that work on a store.

pub(crate) mod append;
pub(crate) mod fetch;
pub(crate) mod topic;
pub(crate) mod tour;
