//! What came is no request: the bare refusal that hyper makes of that by itself goes out as an answer like all others.

use crate::http::answer;
use crate::http::router::Router;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Weak;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

/// The longest that hyper makes has some 130 bytes.
const BARE_BYTES_MAX: usize = 256;

/// A connection on which no refusal goes out bare.
pub(super) struct Dressing<S> {
    stream: S,
    router: Arc<Router>,
    /// Held once more for each request that came through and is not answered to its end: what is written meanwhile is ours.
    under_way: Arc<()>,
    /// The rest of what is written in the place of a bare refusal.
    instead: Option<Vec<u8>>,
}

impl<S: AsyncWrite + Unpin> Dressing<S> {
    pub(super) fn new(stream: S, router: Arc<Router>) -> Dressing<S> {
        Dressing { stream, router, under_way: Arc::default(), instead: None }
    }

    /// For each request to hold.
    pub(super) fn under_way(&self) -> Weak<()> {
        Arc::downgrade(&self.under_way)
    }

    /// Where a bare refusal begins in what hyper writes.
    fn bare_in(&self, bytes: &[u8]) -> Option<usize> {
        (Arc::strong_count(&self.under_way) == 1).then(|| bare_at_end(bytes)).flatten()
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Dressing<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none() {
            match this.bare_in(bytes) {
                None => return Pin::new(&mut this.stream).poll_write(context, bytes),
                Some(0) => this.instead = dressed(bytes, &this.router),
                // First the rest of an earlier answer.
                Some(begins) => return Pin::new(&mut this.stream).poll_write(context, &bytes[..begins]),
            }
        }
        while let Some(rest) = this.instead.as_mut().filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut this.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Ok(0)),
                written => drop(rest.drain(..written)),
            }
        }
        this.instead = None;
        Poll::Ready(Ok(bytes.len()))
    }

    /// A refusal is never one of several slices: hyper writes no head before the bodies of earlier answers are on their way.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            [slice] => self.poll_write(context, slice),
            _ => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Dressing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

/// A head that refuses and has nothing in it but what hyper puts there by itself. Any of ours says more.
fn bare_at_end(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(BARE_BYTES_MAX);
    let begins = from + bytes[from..].windows(7).rposition(|window| window == b"HTTP/1.")?;
    let (first, headers) = lines_of(&bytes[begins..])?;
    let is_bare = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        ["connection", "content-length", "date"].iter().any(|bare| name.eq_ignore_ascii_case(bare))
    };
    let is_whole = headers.iter().any(|line| line.eq_ignore_ascii_case("content-length: 0"));
    (is_whole && status_of(first)?.is_client_error() && headers.into_iter().all(is_bare)).then_some(begins)
}

fn lines_of(head: &[u8]) -> Option<(&str, Vec<&str>)> {
    let mut lines = std::str::from_utf8(head).ok()?.strip_suffix("\r\n\r\n")?.split("\r\n");
    Some((lines.next()?, lines.collect()))
}

fn status_of(first_line: &str) -> Option<StatusCode> {
    first_line.split(' ').nth(1)?.parse().ok()
}

/// The same refusal as any of ours: first line and date stay.
fn dressed(bare: &[u8], router: &Router) -> Option<Vec<u8>> {
    let (first, headers) = lines_of(bare)?;
    let date = headers.into_iter().filter(|line| line.to_ascii_lowercase().starts_with("date:"));
    let (mut ours, body) = router.garbled(status_of(first)?);
    ours.insert(header::CONNECTION, HeaderValue::from_static("close"));
    ours.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer::JSON));
    ours.insert(header::CONTENT_LENGTH, body.len().into());
    let ours = ours.iter().filter_map(|(name, value)| Some(format!("{name}: {}", value.to_str().ok()?)));
    let head: Vec<String> = [first].into_iter().chain(date).map(str::to_owned).chain(ours).collect();
    Some(format!("{}\r\n\r\n{body}", head.join("\r\n")).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";

    #[test]
    fn only_a_head_that_says_nothing_but_no_is_bare() {
        let earlier = "d\r\n{\"title\":\"x\"}\r\n0\r\n\r\n";
        let long = "x".repeat(70_000);
        for (bytes, wanted) in [
            (BARE.to_owned(), Some(0)),
            (BARE.replace("1.1 400 Bad Request", "1.0 431 Request Header Fields Too Large"), Some(0)),
            (format!("{earlier}{BARE}"), Some(earlier.len())),
            (format!("{long}{BARE}"), Some(long.len())),
            (BARE.replace("date", "x-request-id: 1\r\ndate"), None),
            (BARE.replace("400 Bad Request", "204 No Content"), None),
            (BARE.replace("400 Bad Request", "100 Continue"), None),
            (BARE.replace("content-length: 0", "content-length: 2"), None),
            (format!("{BARE}{{}}"), None),
            (BARE.trim_end().to_owned(), None),
            ("HTTP/1.1 400".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(bare_at_end(bytes.as_bytes()), wanted, "{bytes:.200}");
        }
        assert_eq!(bare_at_end(&[0xff; 300]), None);
    }
}
