//! What tests stand on: worlds with a store, a clock and processes; stores by kind; real processes of the program.

pub mod world;
