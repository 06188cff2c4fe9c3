//! Names for things: made here, sortable where order matters, and never a path or a flag.

use crate::error::Error;
use crate::error::Result;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Longest name, id or role that anybody may choose.
pub const NAME_CHARS_MAX: usize = 64;

macro_rules! numbered_id {
    ($name:ident, $prefix:literal, $noun:literal) => {
        #[doc = concat!("The ", $noun, "'s number, written `", $prefix, "-0000000012`; `", $prefix, "-12` and `12` are read too.")]
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(i64);

        impl $name {
            pub fn from_number(number: i64) -> $name {
                $name(number)
            }

            pub fn number(self) -> i64 {
                self.0
            }

            /// As people write it.
            pub fn short(self) -> String {
                format!(concat!($prefix, "-{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{:010}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                let digits = text.strip_prefix(concat!($prefix, "-")).unwrap_or(text);
                match digits.parse::<i64>() {
                    Ok(number) if number >= 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok($name(number)),
                    _ => Err(concat!("not a ", $noun, " id such as `", $prefix, "-0000000012`").to_owned()),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                // Nineteen digits may be too many, and nobody has so many things.
                let pattern = match generator.contract().is_serialize() {
                    true => concat!("^", $prefix, "-[0-9]{10,19}$"),
                    false => concat!("^(", $prefix, "-)?[0-9]{1,18}$"),
                };
                schemars::json_schema!({ "type": "string", "pattern": pattern })
            }

            fn inline_schema() -> bool {
                true
            }
        }
    };
}

numbered_id!(TaskId, "task", "task");
numbered_id!(JobId, "job", "job");
numbered_id!(MessageId, "msg", "message");
numbered_id!(QuestionId, "q", "question");

/// An instance's id: ours (`i-` and ten characters) or the registrant's own choice.
#[derive(Clone, Debug, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[schemars(inline)]
pub struct InstanceId(String);

impl InstanceId {
    /// How an id begins that nobody chose.
    pub const PREFIX: &str = "i-";

    /// An id from random bits, in letters that cannot be misread.
    pub fn from_random(mut bits: u64) -> InstanceId {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut id = String::from(InstanceId::PREFIX);
        for _ in 0..10 {
            id.push(LETTERS[(bits & 31) as usize] as char);
            bits >>= 5;
        }
        InstanceId(id)
    }

    /// As the store keeps it.
    pub fn from_stored(id: String) -> InstanceId {
        InstanceId(id)
    }

    pub fn chosen(id: &str) -> Result<InstanceId> {
        check_name("instance_id", id).map(|()| InstanceId(id.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The schema of a name that `check_name` takes, by what stands around it. `\w` means the letters of all languages.
macro_rules! pattern_of_name {
    ($before:literal, $after:literal) => {
        concat!(
            "^",
            $before,
            r"(?!(?:[Aa][Ll][Ll]|[Mm][Ee]|[Ee][Vv][Ee][Rr][Yy][Oo][Nn][Ee])\s*$)\w(?:[\w. -]{0,62}[\w.-])?",
            $after,
            "$"
        )
    };
}

pub const NAME: &str = pattern_of_name!("", "");
/// Or none.
pub const NAME_OR_EMPTY: &str = pattern_of_name!("(?:", ")?");
/// As it is typed.
pub const NAME_AMID_SPACES: &str = pattern_of_name!(r"\s*(?:", r")?\s*");
/// An instance by its id or name, or a name for whoever will bear it; or nobody.
pub const BEARER: &str = pattern_of_name!("(?:@?", ")?");

/// As `BEARER`, and somebody.
pub const BEARER_NAMED: &str = pattern_of_name!("@?", "");

/// Whom a message is for. Whatever is neither a name nor a role may be the id of somebody.
pub const ADDRESS: &str = pattern_of_name!("(?:(?:@|role:)", r"|(?!\s*@|\s*role:)[\s\S]*)");
pub const ADDRESS_BY_NAME: &str = pattern_of_name!("(?:@?", "|all|everyone)?");

/// A name that people choose for an instance, an id or a role: it must be safe to show, to type and to put after a flag.
pub fn check_name(field: &str, name: &str) -> Result<()> {
    match fault_of_name(name) {
        Some(fault) => Err(Error::invalid(format!("`{field}` {fault}")).hint(format!(
            "give 1 to {NAME_CHARS_MAX} letters, digits, `.`, `_` and `-`, with spaces only between them"
        ))),
        None => Ok(()),
    }
}

fn fault_of_name(name: &str) -> Option<String> {
    let length = name.chars().count();
    let stray = |c: &char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' '));
    let (first, last) = (name.chars().next(), name.chars().last());
    match (first, last) {
        _ if length > NAME_CHARS_MAX => Some(format!("has {length} characters; it may have {NAME_CHARS_MAX}")),
        (None, _) | (_, None) => Some("is empty".to_owned()),
        (Some(first @ ('-' | '@' | '.')), _) => Some(format!("begins with `{first}`: `{name}`")),
        (Some(first), _) if first.is_whitespace() => Some(format!("begins with {}: `{name}`", named(first))),
        (_, Some(last)) if last.is_whitespace() => Some(format!("ends with {}: `{name}`", named(last))),
        _ if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) => {
            Some(format!("cannot be `{name}`, which means something else where a name could stand"))
        }
        _ => name.chars().find(stray).map(|c| format!("has {} in it: `{name}`", named(c))),
    }
}

/// A character as a message shows it: what nobody could see is spelled out.
fn named(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '`' => "a backtick".to_owned(),
        '\'' | '"' | '\\' => format!("`{c}`"),
        c => format!("`{}`", c.escape_debug()),
    }
}

/// Words that mean something else where a name could stand.
const RESERVED: &[&str] = &["all", "everyone", "me"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_id_is_read_in_every_form_it_is_written() {
        for text in ["task-0000000012", "task-12", "12"] {
            assert_eq!(text.parse(), Ok(TaskId::from_number(12)), "{text}");
        }
        for text in ["", "task-", "msg-12", "-12", "+12", "task-+1", "12x", "99999999999999999999"] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_could_be_mistaken_are_refused() {
        for name in ["bob", "w-1", "Ümit", "night shift", "a.b_c"] {
            assert!(check_name("name", name).is_ok(), "{name}");
        }
        for (name, fault) in [
            ("", "`role` is empty"),
            (" bob", "`role` begins with a space: ` bob`"),
            ("bob\n", "`role` ends with `\\n`: `bob\n`"),
            ("-rf", "`role` begins with `-`: `-rf`"),
            ("@bob", "`role` begins with `@`: `@bob`"),
            ("../x", "`role` begins with `.`: `../x`"),
            ("a/b", "`role` has `/` in it: `a/b`"),
            ("a\"b", "`role` has `\"` in it: `a\"b`"),
            ("a\nb", "`role` has `\\n` in it: `a\nb`"),
            ("a\u{1b}[2J", "`role` has `\\u{1b}` in it: `a\u{1b}[2J`"),
            ("a\u{202e}b", "`role` has `\\u{202e}` in it: `a\u{202e}b`"),
            ("All", "`role` cannot be `All`, which means something else where a name could stand"),
            (&"x".repeat(65), "`role` has 65 characters; it may have 64"),
        ] {
            let error = check_name("role", name).expect_err(name);
            assert_eq!(error.message, fault);
            assert!(error.hint.is_some_and(|hint| hint.contains("letters")), "{name}");
        }
    }
}
