//! What a suite has checked, and how it says that a rule is broken.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;

use crate::runtime::NowOrLater;
use crate::store::StoreError;

/// How long a store may take for one answer. It is no measurement: a store that needs so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// What was checked. Every check has passed: a broken rule is a panic.
///
/// Printed, it is a line such as `64 checks of 21 rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    rules: Vec<(&'static str, usize)>,
}

impl Checked {
    /// The number of checks.
    #[must_use]
    pub fn checks(&self) -> usize {
        self.rules.iter().map(|(_, checks)| checks).sum()
    }

    /// Each rule, as the panic names it, and the number of its checks.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, usize)> + '_ {
        self.rules.iter().copied()
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks of {} rules", self.checks(), self.rules.len())
    }
}

/// A run of a suite.
pub(super) struct Run {
    /// The trait that the store implements.
    of: &'static str,
    rules: Vec<(&'static str, usize)>,
}

impl Run {
    pub(super) const fn of(of: &'static str) -> Self {
        Self { of, rules: Vec::new() }
    }

    /// What is checked from now on.
    pub(super) fn rule(&mut self, rule: &'static str) {
        self.rules.push((rule, 0));
    }

    pub(super) fn check(&mut self, holds: bool, found: impl FnOnce() -> String) {
        if !holds {
            self.broken(&found());
        }
        if let Some((_, checks)) = self.rules.last_mut() {
            *checks += 1;
        }
    }

    /// Checks that what was found is what should be there; `what` names it.
    pub(super) fn same<T: PartialEq + fmt::Debug>(&mut self, what: &str, found: &T, expected: &T) {
        self.check(found == expected, || format!("{what} is {found:?} and not {expected:?}"));
    }

    /// The answer of a store that works.
    pub(super) async fn ok<T>(&self, what: &str, answer: NowOrLater<Result<T, StoreError>>) -> T {
        match self.answer(what, answer).await {
            Ok(value) => value,
            Err(error) => self.broken(&format!("{what}: the store answered the error {error}")),
        }
    }

    /// Checks that a store that cannot know answers an error.
    pub(super) async fn err<T>(&mut self, what: &str, answer: NowOrLater<Result<T, StoreError>>) {
        let is_error = self.answer(what, answer).await.is_err();
        self.check(is_error, || format!("{what}: the store answered as if it knew"));
    }

    pub(super) async fn answer<T>(&self, what: &str, answer: impl Future<Output = T>) -> T {
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_) => self.broken(&format!("{what}: the store has not answered within {PATIENCE:?}")),
        }
    }

    /// Asks again and again until it is so, for stores that tidy up by a clock of their own. Says whether it came to that.
    pub(super) async fn comes(&self, mut is_so: impl AsyncFnMut(&Self) -> bool) -> bool {
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if is_so(self).await {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }

    #[allow(clippy::panic)] // a test kit: it is how a test says that the store does not fit
    pub(super) fn broken(&self, found: &str) -> ! {
        let rule = self.rules.last().map_or("it can be used", |(rule, _)| rule);
        panic!("this {} breaks the rule: {rule}. {found}", self.of)
    }

    pub(super) fn done(self) -> Checked {
        Checked { rules: self.rules }
    }
}

/// Does all of this at once: each part is a task of its own, which begins when all others do. The outputs are in order.
#[allow(clippy::panic)]
pub(super) async fn at_once<T, F>(parts: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let parts: Vec<F> = parts.into_iter().collect();
    let start = Arc::new(Barrier::new(parts.len()));
    let tasks: Vec<_> = parts
        .into_iter()
        .map(|part| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                part.await
            })
        })
        .collect();
    let mut outputs = Vec::new();
    for task in tasks {
        match tokio::time::timeout(PATIENCE, task).await {
            Ok(Ok(output)) => outputs.push(output),
            Ok(Err(stopped)) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(stopped) => panic!("{stopped}"),
            },
            Err(_) => panic!("calls that are made at once have not been answered within {PATIENCE:?}"),
        }
    }
    outputs
}

/// 256 random bits, so that the suite may run on a store that others use, or that it has run on before.
#[allow(clippy::panic)]
pub(super) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("{error}");
    }
    bytes
}
