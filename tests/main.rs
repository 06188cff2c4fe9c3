//! The one test binary.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot go on fails")]

mod contract;
mod failures;
mod faces;
mod layers;
mod power;
mod store;
mod support;
