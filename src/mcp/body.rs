//! The body of an answer over HTTP: one that is made while it is sent, and what goes with it until the last of it is taken.

use bytes::Bytes;
use http_body::Body as _;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::BodyExt;
use http_body_util::Empty;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use tokio::sync::mpsc;

pub type Body = BoxBody<Bytes, Infallible>;

/// What `tell` says, as it says it, with so much of it on its way. It is dropped with its reader.
pub fn told<T>(on_its_way_max: usize, tell: impl FnOnce(mpsc::Sender<Frame<Bytes>>) -> T) -> Body
where
    T: Future<Output = ()> + Send + 'static,
{
    let (frames, stream) = mpsc::channel(on_its_way_max);
    let gone = frames.clone();
    let telling = tell(frames);
    tokio::spawn(async move {
        tokio::select! {
            () = telling => {}
            () = gone.closed() => {}
        }
    });
    streamed(stream)
}

/// What comes through the channel, as it comes.
pub(super) fn streamed(frames: mpsc::Receiver<Frame<Bytes>>) -> Body {
    StreamBody::new(Frames(frames)).boxed()
}

struct Frames(mpsc::Receiver<Frame<Bytes>>);

impl futures_core::Stream for Frames {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

/// The same body. Once it is over, `then` is told whether all of it was taken; where not, nobody reads it any more.
pub fn watched(body: Body, then: impl FnOnce(bool) + Send + Sync + Unpin + 'static) -> Body {
    let mut watched = Watched { body, then: Some(then) };
    watched.look_for_the_end();
    watched.boxed()
}

struct Watched<F: FnOnce(bool)> {
    body: Body,
    /// `None` once it was told.
    then: Option<F>,
}

impl<F: FnOnce(bool)> Watched<F> {
    fn end(&mut self, is_whole: bool) {
        if let Some(then) = self.then.take() {
            then(is_whole);
        }
    }

    /// A body that says so is not asked again.
    fn look_for_the_end(&mut self) {
        if self.body.is_end_stream() {
            self.end(true);
        }
    }
}

impl<F: FnOnce(bool) + Unpin> http_body::Body for Watched<F> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.end(true),
            Poll::Ready(Some(_)) => self.look_for_the_end(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<F: FnOnce(bool)> Drop for Watched<F> {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// The same body, and no more of it after that.
pub fn until(body: Body, end: impl Future<Output = ()> + Send + Sync + 'static) -> Body {
    Until { body, end: Some(Box::pin(end)) }.boxed()
}

struct Until {
    body: Body,
    /// `None` once it came.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl http_body::Body for Until {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready()) {
            self.end = None;
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
    use http_body_util::Full;
    use std::sync::Arc;
    use std::sync::Mutex;

    /// What `then` was told of a body of which so many frames were asked for.
    async fn told_of(body: Body, frames: usize) -> Option<bool> {
        let told: Arc<Mutex<Option<bool>>> = Arc::default();
        let tells = told.clone();
        let mut body = watched(body, move |is_whole| *tells.lock().unwrap() = Some(is_whole));
        for _ in 0..frames {
            body.frame().await;
        }
        drop(body);
        told.lock().unwrap().take()
    }

    #[tokio::test]
    async fn who_took_all_of_a_body_is_told_from_who_left() {
        let whole = || Full::new(Bytes::from_static(b"x")).boxed();
        let stream = || {
            told(4, |frames| async move {
                for _ in 0..2 {
                    let _ = frames.send(Frame::data(Bytes::from_static(b"x"))).await;
                }
            })
        };
        assert_eq!(told_of(whole(), 0).await, Some(false));
        assert_eq!(told_of(whole(), 1).await, Some(true), "it says that there is no more");
        assert_eq!(told_of(Empty::new().boxed(), 0).await, Some(true));
        assert_eq!(told_of(stream(), 2).await, Some(false), "there may be more");
        assert_eq!(told_of(stream(), 3).await, Some(true));
        assert_eq!(told_of(until(stream(), async {}), 1).await, Some(true));
    }
}
