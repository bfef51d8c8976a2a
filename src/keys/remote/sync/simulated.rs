//! What stands for tokio's runtime and its clock where `shuttle` plays the scheduler.
//!
//! Shuttle runs all threads of one execution on one real thread, so what is local to that thread is shared by them all,
//! and touching it is no point at which another one may go on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use shuttle::future::{JoinHandle, spawn};
use shuttle::rand::{RngCore, thread_rng};

thread_local! {
    static TIME: RefCell<Time> = RefCell::default();
}

#[derive(Default)]
struct Time {
    now: Duration,
    timers: BTreeMap<(Duration, u64), Waker>,
    made: u64,
}

/// Begins an execution.
pub(in crate::keys::remote) fn reset() {
    let earlier = TIME.take();
    drop(earlier);
}

pub(in crate::keys::remote) fn now() -> Duration {
    TIME.with_borrow(|time| time.now)
}

/// When the next timer rings.
pub(in crate::keys::remote) fn next() -> Option<Duration> {
    TIME.with_borrow(|time| time.timers.keys().next().map(|(at, _)| *at))
}

/// Lets the time be `now`, and rings what is due.
pub(in crate::keys::remote) fn be(now: Duration) {
    let due = TIME.with_borrow_mut(|time| {
        time.now = time.now.max(now);
        let later = time.timers.split_off(&(time.now + Duration::from_nanos(1), 0));
        std::mem::replace(&mut time.timers, later)
    });
    due.into_values().for_each(Waker::wake);
}

#[derive(Clone, Copy)]
pub(in crate::keys::remote) struct Stopwatch(Duration);

impl Stopwatch {
    pub(in crate::keys::remote) fn start() -> Self {
        Self(now())
    }

    pub(in crate::keys::remote) fn elapsed(self) -> Duration {
        now() - self.0
    }
}

pub(in crate::keys::remote) struct Handle;

impl Handle {
    pub(in crate::keys::remote) fn try_current() -> Result<Self, Infallible> {
        Ok(Self)
    }

    pub(in crate::keys::remote) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        spawn(task)
    }
}

/// From shuttle's own source, so that a schedule can be played again.
pub(in crate::keys::remote) fn fill_random(bytes: &mut [u8]) -> Result<(), Infallible> {
    thread_rng().fill_bytes(bytes);
    Ok(())
}

pub(in crate::keys::remote) struct Elapsed;

pub(in crate::keys::remote) async fn timeout<F: Future>(
    after: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut future = std::pin::pin!(future);
    let mut timer = Timer::new(after);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => Pin::new(&mut timer).poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}

pub(in crate::keys::remote) async fn sleep(time: Duration) {
    Timer::new(time).await;
}

struct Timer((Duration, u64));

impl Timer {
    fn new(after: Duration) -> Self {
        Self(TIME.with_borrow_mut(|time| {
            time.made += 1;
            (time.now + after, time.made)
        }))
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        TIME.with_borrow_mut(|time| {
            if self.0.0 <= time.now {
                return Poll::Ready(());
            }
            time.timers.insert(self.0, cx.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let _ = TIME.try_with(|time| time.borrow_mut().timers.remove(&self.0));
    }
}
