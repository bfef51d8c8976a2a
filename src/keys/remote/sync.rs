//! Locks, tasks and timers of a source: those of std and tokio, or, in a test under `--cfg shuttle`, those of a scheduler
//! that plays threads in every order it can think of.

#[cfg(all(test, shuttle))]
pub(super) mod simulated;

#[cfg(not(all(test, shuttle)))]
pub(super) use {
    crate::runtime::Stopwatch,
    getrandom::fill as fill_random,
    std::sync::{Mutex, MutexGuard, atomic},
    tokio::{runtime::Handle, task::AbortHandle, time::timeout},
};

#[cfg(all(test, shuttle))]
pub(super) use {
    shuttle::future::AbortHandle,
    shuttle::sync::{Mutex, MutexGuard, atomic},
    simulated::{Handle, Stopwatch, fill_random, timeout},
};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
