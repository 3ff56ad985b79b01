//! The schedules that must hold, each by its name: what is done to a log on the simulated disk, a
//! crash at every call of it, and exactly what is there afterwards (`docs/durability.md`).
//!
//! A crash is the death of the process, and the loss of power with every choice of what was on its
//! way to the disk. "Kafka" is a hand that does to the files what Kafka's log layer does. Two
//! schedules wait for what they are about: *adopt* and *give back* for their commands.

// Not all of it is used here.
#[allow(dead_code)]
#[path = "crash/mod.rs"]
mod disk;
#[path = "schedules/closes.rs"]
mod closes;
#[path = "schedules/cuts.rs"]
mod cuts;
#[path = "schedules/elsewhere.rs"]
mod elsewhere;
#[path = "schedules/faults.rs"]
mod faults;
#[path = "schedules/foreign.rs"]
mod foreign;
#[path = "schedules/host.rs"]
mod host;
#[path = "schedules/kafka.rs"]
mod kafka;
#[path = "schedules/marks.rs"]
mod marks;
#[path = "schedules/ours.rs"]
mod ours;
#[path = "schedules/readers.rs"]
mod readers;
#[path = "schedules/replaced.rs"]
mod replaced;
#[path = "schedules/rot.rs"]
mod rot;
#[path = "schedules/scene.rs"]
mod scene;
#[path = "schedules/syncs.rs"]
mod syncs;
#[path = "schedules/tails.rs"]
mod tails;
