//! How much each principal may have under way, and all of them together.

use crate::http::expiry::Expiry;
use crate::mcp::Body;
use bytes::Bytes;
use http_body::Body as _;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::BodyExt;
use http_body_util::Empty;
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;

/// What a request is, as long as it lasts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Sort {
    /// Answered when it is done, which may be a wait.
    Call,
    /// Open until somebody closes it.
    Stream,
}

impl Sort {
    /// Of one principal, and in all. Each call may need a thread.
    fn most(self) -> (usize, usize) {
        match self {
            Sort::Call => (CALLS_MAX, CALLS_IN_ALL_MAX),
            Sort::Stream => (64, 256),
        }
    }
}

const CALLS_MAX: usize = 256;
pub(super) const CALLS_IN_ALL_MAX: usize = 768;

#[derive(Default)]
pub(super) struct Limits(Mutex<HashMap<(Sort, String), usize>>);

/// One more under way, until it is dropped.
pub(super) struct Permit {
    limits: Arc<Limits>,
    sort: Sort,
    principal: String,
}

impl Limits {
    pub(super) fn begin(self: &Arc<Limits>, sort: Sort, principal: &str) -> Option<Permit> {
        let (most, most_in_all) = sort.most();
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_all: usize = under_way.iter().filter(|((other, _), _)| *other == sort).map(|(_, count)| count).sum();
        let own = under_way.get(&(sort, principal.to_owned())).copied().unwrap_or_default();
        if own >= most || in_all >= most_in_all {
            return None;
        }
        under_way.insert((sort, principal.to_owned()), own + 1);
        Some(Permit { limits: self.clone(), sort, principal: principal.to_owned() })
    }

    pub(super) fn under_way(&self, sort: Sort) -> usize {
        let under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.iter().filter(|((other, _), _)| *other == sort).map(|(_, count)| count).sum()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut under_way = self.limits.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.sort, std::mem::take(&mut self.principal));
        if let Some(count) = under_way.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&key);
            }
        }
    }
}

impl Permit {
    /// It is under way until the last of its answer is. A stream ends with the token that opened it.
    pub(super) fn until_sent(self, body: Body, expiry: Expiry) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let is_stream = body.size_hint().exact().is_none();
        let lapses = is_stream.then(|| Box::pin(expiry.comes()) as Pin<Box<dyn Future<Output = ()> + Send + Sync>>);
        Counted { body, lapses, _permit: self }.boxed()
    }
}

struct Counted {
    body: Body,
    lapses: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    _permit: Permit,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.lapses.as_mut().is_some_and(|lapses| lapses.as_mut().poll(context).is_ready()) {
            self.lapses = None;
            self.body = Empty::new().boxed();
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_takes_all_leaves_room_for_others() {
        let limits = Arc::new(Limits::default());
        let mine: Vec<Permit> = std::iter::from_fn(|| limits.begin(Sort::Call, "a")).collect();
        assert_eq!(mine.len(), CALLS_MAX);
        assert!(limits.begin(Sort::Call, "b").is_some());
        assert!(limits.begin(Sort::Stream, "a").is_some());
        drop(mine);
        assert_eq!(limits.under_way(Sort::Call), 0);
        assert!(limits.0.lock().unwrap().is_empty(), "nobody is kept who has nothing under way");
    }
}
