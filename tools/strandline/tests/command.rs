//! The built command, run as its users run it.

mod command {
    mod dump;
    mod fuzz;
    mod kafka;
    mod ls;
    mod run;
    mod store;
}
