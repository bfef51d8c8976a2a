//! A source whose keys are fetched.

mod attempt;
mod driver;
#[cfg(all(test, shuttle))]
mod interleavings;
mod measure;
mod remote;
mod shared;

pub(super) use self::remote::{MAX_WAITERS, Remote};
pub(super) use self::shared::Settings;
#[cfg(feature = "status-list")]
pub(crate) use self::shared::spread;
