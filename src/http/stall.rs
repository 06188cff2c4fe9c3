//! A stream whose other end must go on reading: who lets what was said to it lie is hung up on.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::runtime::Handle;
use tokio::time::Sleep;
use tokio::time::sleep;
use tokio::time::timeout;

/// Long enough for a slow line and a busy client.
const READS_WITHIN: Duration = Duration::from_secs(30);

/// How long, and how much, is still heard of one who was answered before they had said all.
const LINGERS: Duration = Duration::from_millis(500);
const LINGERS_BYTES: u64 = 32 * 1024 * 1024;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Impatient {
    /// `None` only while it is dropped.
    stream: Option<Box<dyn Stream>>,
    /// Something was said to the other end.
    said: bool,
    /// The other end says no more.
    heard_all: bool,
    /// Runs while the other end takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    pub(super) fn new(stream: Box<dyn Stream>) -> Impatient {
        Impatient { stream: Some(stream), said: false, heard_all: false, stalled: None }
    }

    fn stream(&mut self) -> &mut Box<dyn Stream> {
        self.stream.as_mut().expect("it is given away only by drop")
    }

    fn timed<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.said = true;
            self.stalled = None;
            return polled;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(READS_WITHIN)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads no more"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Closed with something unread, a connection takes its last answer back: the system tells the other end that all is lost.
impl Drop for Impatient {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take().filter(|_| self.said && !self.heard_all)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(LINGERS, hear_out(stream)));
        }
    }
}

async fn hear_out(stream: Box<dyn Stream>) {
    let mut rest = stream.take(LINGERS_BYTES);
    let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(self.stream()).poll_read(context, buffer);
        self.heard_all |= matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        polled
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(self.stream()).poll_write(context, bytes);
        self.timed(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(self.stream()).poll_write_vectored(context, slices);
        self.timed(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(self.stream()).poll_flush(context);
        self.timed(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(self.stream()).poll_shutdown(context);
        self.timed(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::io::duplex;
    use tokio::time::Instant;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn who_reads_no_more_is_hung_up_on_in_time() {
        let (ours, _theirs) = duplex(16);
        let mut stream = Impatient::new(Box::new(ours));
        let began = Instant::now();
        let error = stream.write_all(&[0; 17]).await.expect_err("there is no room, and nobody makes any");
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, READS_WITHIN.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_waited_for_as_long_as_they_read() {
        let (ours, mut theirs) = duplex(16);
        let mut stream = Impatient::new(Box::new(ours));
        let slowly = tokio::spawn(async move {
            for _ in 0..10 {
                sleep(READS_WITHIN * 9 / 10).await;
                theirs.read_exact(&mut [0; 16]).await.expect("all of it comes");
            }
        });
        stream.write_all(&[0; 160]).await.expect("each time in time");
        slowly.await.expect("it reads to the end");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_to_read_may_be_silent_for_ever() {
        let (ours, _theirs) = duplex(16);
        let mut stream = Impatient::new(Box::new(ours));
        assert!(timeout(READS_WITHIN * 100, stream.read_u8()).await.is_err(), "nothing came, and nobody hung up");
        stream.write_all(&[0; 16]).await.expect("there is room");
    }
}
