//! Files that somebody made to do harm: each costs a typed error or gets a right answer, within
//! bounded memory, and no amount of them costs more than its share.
//!
//! Each case runs in a child, this very test binary, that gets [`child::MEMORY_KIB`] of address
//! space: what allocates as a file tells it to aborts there.

#[path = "hostile/batches.rs"]
mod batches;
#[path = "hostile/child.rs"]
mod child;
#[path = "hostile/compressed.rs"]
mod compressed;
#[path = "hostile/growth.rs"]
mod growth;
#[path = "hostile/logs.rs"]
mod logs;
#[path = "hostile/small.rs"]
mod small;
#[path = "hostile/use_all.rs"]
mod use_all;
