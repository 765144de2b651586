//! A socket that gathers requests: before it writes, it lets everybody run once who is about to send something, too.
//!
//! The driver writes as soon as it has a request, which is one system call for each, on both sides, though the tasks that were
//! answered together are all about to send their next one. A single turn of the runtime's queue puts those into one write. Whoever is
//! alone on the connection does not wait for anybody.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Up to so many requests under way are written soonest by one thread alone; more are worth waking another. At 16 tasks it made a
/// quarter of the time, at 256 a tenth (`cargo xtask bench --backend redis`).
const FEW: usize = 128;

/// How many requests are under way on a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd(Arc<AtomicUsize>);

impl Crowd {
    /// One more, until that is dropped.
    pub(super) fn join(&self) -> UnderWay<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.0)
    }

    fn size(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct UnderWay<'c>(&'c AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The socket.
#[derive(Debug)]
pub(super) struct Gathering<S> {
    socket: S,
    crowd: Crowd,
    /// The others have had their turn for the next write.
    gathered: bool,
}

impl<S> Gathering<S> {
    pub(super) fn new(socket: S, crowd: Crowd) -> Self {
        Self { socket, crowd, gathered: false }
    }

    fn poll_gather(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let crowd = self.crowd.size();
        if self.gathered || crowd <= 1 {
            return Poll::Ready(());
        }
        self.gathered = true;
        if crowd <= FEW {
            // Woken when this thread has nothing else to run, and no other thread is woken for it.
            return pin!(tokio::task::yield_now()).poll(context);
        }
        // A task that wakes itself goes to the end of the queue, and another thread may take it.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_gather(context));
        let written = ready!(Pin::new(&mut self.socket).poll_write(context, bytes));
        self.gathered = false;
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_gather(context));
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(context, bytes));
        self.gathered = false;
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn who_is_alone_writes_at_once_and_a_crowd_after_one_turn() {
        let crowd = Crowd::default();
        let mut socket = Gathering::new(tokio::io::sink(), crowd.clone());
        let mut writes = || {
            let mut context = Context::from_waker(Waker::noop());
            Pin::new(&mut socket).poll_write(&mut context, b"PING").is_ready()
        };
        let one = crowd.join();
        assert!(writes() && writes());
        let other = crowd.join();
        assert_eq!([writes(), writes(), writes(), writes()], [false, true, false, true]);
        drop(other);
        assert!(writes() && writes());
        drop(one);
    }
}
