//! The built command, run as its users run it.

mod command {
    mod clean;
    mod cookbook;
    mod dump;
    mod flips;
    mod fuzz;
    mod golden;
    mod kafka;
    mod kafka_odd;
    mod ls;
    mod mend;
    mod pack;
    mod run;
    mod select;
    mod stat;
    mod store;
    mod txn;
    mod verify;
}
