//! Many repositories: real ones, in real processes, with whatever may be wrong with them.

mod exchange;
mod pull;
mod readme;
mod report;
mod safety;
mod status;
mod work;
mod world;
