//! What threads of a log meet at: the standard library's, or in the tests of `just concurrency` a
//! checker's, which runs every thread by itself and chooses who goes on at each of them.
//!
//! Everything in `log` takes these from here, or a thread could wait for a lock that the checker
//! does not know of. Locks of the floors below are never held across one of these.

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
