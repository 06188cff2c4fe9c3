//! The door: what is refused there, who it is for, how much may come in, and that nobody gets at what is somebody else's.

mod crosstalk;
mod crowds;
mod door;
mod ending;
mod gone;
mod killed;
mod logs;
mod manners;
mod metrics;
mod readers;
mod roles;
mod spoofs;
mod tls;
mod tokens;
mod wire;
