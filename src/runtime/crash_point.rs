//! Points at which a test kills the process, to see what a crash there leaves behind. Without the private feature `__dev`
//! they are nothing at all.

/// Kills the process by SIGKILL if this is the n-th point that it passes, n being the value of
/// `TOWER_JWT_AUTH_CRASH_AT`. Says so on the standard error.
#[cfg(feature = "__dev")]
pub(crate) fn reach(name: &str) {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static PASSED: AtomicUsize = AtomicUsize::new(0);
    let Ok(chosen) = std::env::var("TOWER_JWT_AUTH_CRASH_AT") else { return };
    let this = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if chosen.parse() == Ok(this) {
        eprintln!("crash point {this}: {name}");
        #[cfg(unix)]
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

#[cfg(not(feature = "__dev"))]
pub(crate) const fn reach(_name: &str) {}
