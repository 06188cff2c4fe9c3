//! The MCP face: operations as tools, resources and prompts of a server on standard input and output, or behind a web
//! server. All rmcp types stay here.

pub mod answer;
mod body;
mod calls;
mod complete;
mod ending;
#[cfg(feature = "conformance")]
mod fixtures;
mod lines;
mod profiles;
mod progress;
mod prompts;
mod reader;
mod resources;
mod server;
mod newsroom;
mod patience;
mod permission;
mod pipe;
mod session;
mod subscriptions;
mod tools;
mod waits;
mod waker;
mod web;
mod wire;

pub use body::Body;
pub use body::told;
pub use body::until;
pub use body::watched;
pub use newsroom::EventBell;
pub use profiles::Profile;
pub use profiles::listed;
pub use server::INSTRUCTIONS;
pub use session::Service;
pub use session::serve_stdio;
pub use tools::tool_bytes;
pub use waits::Waits;
pub use web::Leave;
pub use web::Web;
