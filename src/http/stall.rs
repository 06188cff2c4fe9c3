//! A stream whose other end must go on reading: who lets what was said to it lie is hung up on.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Sleep;
use tokio::time::sleep;

/// Long enough for a slow line and a busy client.
const READS_WITHIN: Duration = Duration::from_secs(30);

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) struct Impatient {
    stream: Box<dyn Stream>,
    /// Runs while the other end takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    pub(super) fn new(stream: Box<dyn Stream>) -> Impatient {
        Impatient { stream, stalled: None }
    }

    fn timed<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
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

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.timed(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.timed(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
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
