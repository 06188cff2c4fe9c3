//! The rungs of the ladder by which somebody is woken.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// From the gentlest on. Whoever works is told by its hooks at its next step; the others ring an idle session.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WakeRung")]
pub enum Rung {
    /// It asked by itself: a call returned what it was to be woken for.
    Call,
    /// A hook told it at its next step.
    Hook,
    /// A notice through the connection to its server, for a client that was asked to listen for such.
    Channel,
    /// A line to the socket at which its client takes messages.
    Inbox,
    /// A process of its client that ended to wake it.
    Rewake,
    /// The standard input of a session, from whoever launched it.
    Stdin,
}

impl Rung {
    /// Those that ring, in their order.
    pub const RINGING: [Rung; 4] = [Rung::Channel, Rung::Inbox, Rung::Rewake, Rung::Stdin];

    pub fn word(self) -> &'static str {
        match self {
            Rung::Call => "call",
            Rung::Hook => "hook",
            Rung::Channel => "channel",
            Rung::Inbox => "inbox",
            Rung::Rewake => "rewake",
            Rung::Stdin => "stdin",
        }
    }
}
