//! The MCP face: operations as tools, resources and prompts of a server on stdin and stdout. All rmcp types stay here.

mod calls;
mod complete;
mod ending;
mod lines;
mod profiles;
mod prompts;
mod resources;
mod server;
mod session;
mod stdio;
mod subscriptions;
mod tools;
mod waker;

pub use profiles::Profile;
pub use profiles::listed;
pub use server::INSTRUCTIONS;
pub use session::Service;
pub use session::serve_stdio;
pub use tools::tool_bytes;
