//! What a loss of power can leave of a log's files.
use crate::world::World;
pub(crate) fn power_cut(_world: &World, _seed: u64) {}
