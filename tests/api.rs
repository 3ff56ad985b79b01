//! What stores, topics and logs promise, through the public door alone.

#[path = "api/help.rs"]
mod help;

#[path = "api/cleaning.rs"]
mod cleaning;
#[path = "api/close.rs"]
mod close;
#[path = "api/damage.rs"]
mod damage;
#[path = "api/following.rs"]
mod following;
#[path = "api/gets.rs"]
mod gets;
#[path = "api/hand_over.rs"]
mod hand_over;
#[path = "api/housekeeping.rs"]
mod housekeeping;
#[path = "api/leftovers.rs"]
mod leftovers;
#[path = "api/lock.rs"]
mod lock;
#[path = "api/logs.rs"]
mod logs;
#[path = "api/many.rs"]
mod many;
#[path = "api/pieces.rs"]
mod pieces;
#[path = "api/readers.rs"]
mod readers;
#[path = "api/resting.rs"]
mod resting;
#[path = "api/topics.rs"]
mod topics;
#[path = "api/waiting.rs"]
mod waiting;
#[path = "api/watching.rs"]
mod watching;

#[path = "../examples/append_and_fetch.rs"]
mod append_and_fetch;

#[test]
fn the_example_runs() {
    append_and_fetch::main().unwrap();
}
