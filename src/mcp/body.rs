//! The body of an answer over HTTP, also one that is made while it is sent.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use tokio::sync::mpsc;

pub type Body = BoxBody<Bytes, Infallible>;

/// What comes through the channel, as it comes.
pub fn streamed(frames: mpsc::Receiver<Frame<Bytes>>) -> Body {
    StreamBody::new(Frames(frames)).boxed()
}

struct Frames(mpsc::Receiver<Frame<Bytes>>);

impl futures_core::Stream for Frames {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

/// The same, with something that is held until the last of it is sent.
pub fn held(body: Body, what: impl Send + Sync + Unpin + 'static) -> Body {
    Held { body, _what: what }.boxed()
}

struct Held<W> {
    body: Body,
    _what: W,
}

impl<W: Unpin> http_body::Body for Held<W> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
