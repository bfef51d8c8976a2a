//! A value that is here, or a future that will bring it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A value that is already here, or a boxed future that will bring it.
///
/// Every seam of this crate that *may* need the network answers with this type, so that what comes from
/// memory costs no box and no await. It can be awaited as it is:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use tower_jwt_auth::NowOrLater;
///
/// assert_eq!(NowOrLater::ready(1).await, 1);
/// assert_eq!(NowOrLater::later(async { 2 }).await, 2);
/// assert_eq!(NowOrLater::ready(3).now(), Some(3));
/// assert_eq!(NowOrLater::later(async { 4 }).now(), None);
/// # }
/// ```
#[must_use = "does nothing unless awaited or taken with `now`"]
pub struct NowOrLater<T>(State<T>);

enum State<T> {
    Now(T),
    Later(Boxed<T>),
    Taken,
}

impl<T> NowOrLater<T> {
    /// A value that is already here.
    pub const fn ready(value: T) -> Self {
        Self(State::Now(value))
    }

    /// A value that a future will bring.
    pub fn later(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(State::Later(Box::pin(future)))
    }

    /// The value, if it is already here; `None` if it would have to be awaited.
    #[must_use]
    pub fn now(self) -> Option<T> {
        self.into_now().ok()
    }

    /// All values, awaited at once: several that hang take no longer than one.
    #[cfg(feature = "jwks")]
    pub(crate) async fn all(values: impl IntoIterator<Item = Self>) -> Vec<T> {
        let mut waiting: Vec<_> = values.into_iter().map(|value| (value, None)).collect();
        std::future::poll_fn(|context| {
            for (value, here) in waiting.iter_mut().filter(|(_, here)| here.is_none()) {
                if let Poll::Ready(ready) = Pin::new(value).poll(context) {
                    *here = Some(ready);
                }
            }
            if waiting.iter().all(|(_, here)| here.is_some()) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        waiting.into_iter().filter_map(|(_, here)| here).collect()
    }

    /// The value, or what has to be awaited.
    pub(crate) fn into_now(self) -> Result<T, Self> {
        match self.0 {
            State::Now(value) => Ok(value),
            later => Err(Self(later)),
        }
    }
}

// Nothing is pinned inside: the future sits in a box of its own.
impl<T> Unpin for NowOrLater<T> {}

impl<T> Future for NowOrLater<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            State::Later(future) => {
                let polled = future.as_mut().poll(cx);
                if polled.is_ready() {
                    self.0 = State::Taken;
                }
                polled
            }
            state => match std::mem::replace(state, State::Taken) {
                State::Now(value) => Poll::Ready(value),
                // Polled again after it was done, which the contract of `Future` leaves open.
                State::Later(_) | State::Taken => Poll::Pending,
            },
        }
    }
}

// Without `T: Debug`, so that `now().unwrap()` works whatever is inside.
impl<T> fmt::Debug for NowOrLater<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            State::Now(_) => "Now(..)",
            State::Later(_) => "Later(..)",
            State::Taken => "Taken",
        })
    }
}

impl<T> From<T> for NowOrLater<T> {
    fn from(value: T) -> Self {
        Self::ready(value)
    }
}
