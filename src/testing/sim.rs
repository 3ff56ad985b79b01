//! The simulated disk, and stores on it.

pub use crate::fs::sim::{
    Call, Cut, Dice, Disk, ERRORS, Fault, Image, Order, Pending, Sectors, SyncFault,
};

use crate::error::Result;
use crate::store::{Store, StoreOptions};

/// Opens the store at the root of `disk`.
pub fn open(disk: &Disk, options: StoreOptions) -> Result<Store> {
    options.open_in(disk.root())
}
