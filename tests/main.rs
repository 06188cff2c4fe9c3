//! The one test binary.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot go on fails")]

mod contract;
mod documents;
mod e2e;
mod failures;
mod faces;
mod http;
mod launch;
mod layers;
mod ops;
mod pipelines;
mod plan;
mod plugin;
mod power;
mod races;
mod remote;
mod repos;
mod roles;
mod sim;
mod skills;
mod store;
mod support;
