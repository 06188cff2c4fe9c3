//! The only error a face sees: what happened, what the caller can do about it, the next call to make.

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::Error as _;
use std::fmt;

/// What the caller can do about an error. Each face maps every kind, with no catch-all arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The arguments are wrong: correct them.
    Invalid,
    /// The call needs to know who is calling, and nothing told it.
    NoIdentity,
    /// No such thing.
    NotFound,
    /// Somebody else changed or holds what the call wanted.
    Conflict,
    /// The claim behind this call is no longer the caller's: stop working on it.
    StaleClaim,
    /// The cursor points before the oldest event that is still kept.
    CursorExpired,
    /// Nobody is known to be at the door: show a token that is good.
    Unauthorized,
    /// Not for this caller; somebody else may.
    Forbidden,
    /// A rule forbids it, whoever asks.
    Refused,
    /// The store is held by another process: try again.
    Busy,
    /// The store cannot be used as it is.
    Unavailable,
    /// A defect of ours; the cause is in the log.
    Internal,
}

impl Kind {
    pub const ALL: [Kind; 12] = [
        Kind::Invalid,
        Kind::NoIdentity,
        Kind::NotFound,
        Kind::Conflict,
        Kind::StaleClaim,
        Kind::CursorExpired,
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::Refused,
        Kind::Busy,
        Kind::Unavailable,
        Kind::Internal,
    ];

    /// Did the call itself meet a no? Otherwise it never got as far.
    pub fn is_refusal(self) -> bool {
        !matches!(self, Kind::Busy | Kind::Unavailable | Kind::Internal)
    }

    /// The stable word that scripts and models compare.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::NoIdentity => "no_identity",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::StaleClaim => "stale_claim",
            Kind::CursorExpired => "cursor_expired",
            Kind::Unauthorized => "unauthorized",
            Kind::Forbidden => "forbidden",
            Kind::Refused => "refused",
            Kind::Busy => "busy",
            Kind::Unavailable => "unavailable",
            Kind::Internal => "internal",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
    /// The version that was found where another one was expected.
    pub current_version: Option<u64>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was found is told in messages, and may be as long as any argument.
const TEXT_CHARS_MAX: usize = 600;

fn clipped(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Error {
    /// What is wrong, and what to do about it, in one line.
    pub fn in_full(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}{hint}", self.message)
    }

    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: clipped(message.into()), hint: None, current_version: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(Kind::Invalid, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Error::new(Kind::NotFound, message)
    }

    /// The cause goes to the log; the caller learns only that it was not their doing.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!("internal error: {cause}");
        Error::new(Kind::Internal, "something went wrong inside orch-mcp; its log has the cause")
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(clipped(hint.into()));
        self
    }

    pub fn at_version(mut self, found: u64) -> Self {
        self.current_version = Some(found);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The same shape read back, from another process of this program.
impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Error, D::Error> {
        #[derive(Deserialize)]
        struct Shape {
            code: String,
            message: String,
            hint: Option<String>,
            current_version: Option<u64>,
        }
        let Shape { code, message, hint, current_version } = Shape::deserialize(deserializer)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code);
        let kind = kind.ok_or_else(|| D::Error::custom(format!("no kind of error `{code}`")))?;
        Ok(Error { kind, message, hint, current_version })
    }
}

/// `{"code","message","hint","current_version"}`: the one shape of an error on every face.
impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.kind.code())?;
        map.serialize_entry("message", &self.message)?;
        if let Some(hint) = &self.hint {
            map.serialize_entry("hint", hint)?;
        }
        if let Some(version) = &self.current_version {
            map.serialize_entry("current_version", version)?;
        }
        map.end()
    }
}
