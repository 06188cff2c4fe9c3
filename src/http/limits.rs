//! How much each principal may have under way, and all of them together.

use crate::http::expiry::Expiry;
use crate::mcp::Body;
use crate::mcp::until;
use crate::mcp::watched;
use crate::ops::quota::Quota;
use crate::ops::quota::Share;
use http_body::Body as _;
use std::sync::Arc;

const CALLS_MAX: usize = 256;
/// Each may need a thread.
pub(super) const CALLS_IN_ALL_MAX: usize = 768;
const STREAMS_MAX: usize = 64;
const STREAMS_IN_ALL_MAX: usize = 256;

/// What a request is, as long as it lasts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sort {
    /// Answered when it is done, which may be a wait.
    Call,
    /// Open until somebody closes it.
    Stream,
}

pub(super) struct Limits {
    calls: Arc<Quota<String>>,
    streams: Arc<Quota<String>>,
}

/// One more under way, until it is dropped.
pub(super) struct Permit {
    _under_way: Share<String>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { calls: Quota::new(CALLS_MAX, CALLS_IN_ALL_MAX), streams: Quota::new(STREAMS_MAX, STREAMS_IN_ALL_MAX) }
    }
}

impl Limits {
    pub(super) fn begin(&self, sort: Sort, principal: &str) -> Option<Permit> {
        self.of(sort).take(principal.to_owned()).map(|_under_way| Permit { _under_way })
    }

    pub(super) fn under_way(&self, sort: Sort) -> usize {
        self.of(sort).taken()
    }

    fn of(&self, sort: Sort) -> &Arc<Quota<String>> {
        match sort {
            Sort::Call => &self.calls,
            Sort::Stream => &self.streams,
        }
    }
}

impl Permit {
    /// It is under way until the last of its answer is, or longer where what it asked for is. A stream ends with the token
    /// that opened it.
    pub(super) fn until_sent(self: Arc<Permit>, body: Body, expiry: Expiry) -> Body {
        let is_stream = body.size_hint().exact().is_none();
        let body = if is_stream { until(body, expiry.comes()) } else { body };
        watched(body, move |_| drop(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_takes_all_leaves_room_for_others() {
        let limits = Limits::default();
        let mine: Vec<Permit> = std::iter::from_fn(|| limits.begin(Sort::Call, "a")).collect();
        assert_eq!(mine.len(), CALLS_MAX);
        assert!(limits.begin(Sort::Call, "b").is_some());
        assert!(limits.begin(Sort::Stream, "a").is_some());
        drop(mine);
        assert_eq!(limits.under_way(Sort::Call), 0);
    }
}
