//! The built command, run as its users run it.

mod command {
    mod dump;
    mod run;
    mod store;
}
