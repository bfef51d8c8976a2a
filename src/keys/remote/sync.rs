//! Locks, tasks and timers of a source: those of std and tokio, or, in a test under `--cfg shuttle`, those of a scheduler
//! that plays threads in every order it can think of.

#[cfg(all(test, shuttle))]
pub(super) mod played;

#[cfg(not(all(test, shuttle)))]
pub(super) use {
    crate::time::Stopwatch,
    getrandom::fill as fill_random,
    std::sync::{Mutex, MutexGuard, atomic},
    tokio::{runtime::Handle, task::AbortHandle, time::timeout},
};

#[cfg(all(test, shuttle))]
pub(super) use {
    played::{Handle, Stopwatch, fill_random, timeout},
    shuttle::future::AbortHandle,
    shuttle::sync::{Mutex, MutexGuard, atomic},
};
