//! The built command, run as its users run it.

/// How the library's own tests damage files by recipe.
#[allow(dead_code, reason = "they are used there")]
#[path = "../../../tests/kafka/recovery_batches.rs"]
mod recovery_batches;
#[allow(dead_code, reason = "they are used there")]
#[path = "../../../tests/kafka/text.rs"]
mod text;

mod command {
    mod acceptance;
    mod bounds;
    mod catalogue;
    mod clean;
    mod cookbook;
    mod dump;
    mod export;
    mod first_use;
    mod flips;
    mod fuzz;
    mod golden;
    mod kafka;
    mod kafka_odd;
    mod ls;
    mod made;
    mod manners;
    mod mend;
    mod pack;
    mod run;
    mod select;
    mod shown;
    mod small_hurts;
    mod stat;
    mod store;
    mod txn;
    mod verify;
}
