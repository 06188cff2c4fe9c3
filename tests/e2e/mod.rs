//! The real Claude Code in front of a scripted model: what a session sees and does that works with us. See `stage.rs`.

mod client;
mod continuity;
mod crew;
mod endings;
mod fleet;
mod goal;
mod joins;
mod jobs;
mod kept;
mod mail;
mod mishaps;
mod protocol;
mod reserved;
mod safety;
mod script;
mod session;
mod stage;
mod stages;
mod stopping;
mod web;
mod wiring;
