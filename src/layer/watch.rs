//! Watches one decision from its beginning to its end.

use std::sync::Arc;

use http::{Method, Uri};

use super::answer::Refused;
use super::decision::{Decision, Outcome};
use super::future::Pass;
use super::layer::Settings;
use super::source::RequestHead;
use crate::error::AuthError;
use crate::runtime::{Stopwatch, trace};
use crate::verify::{Trail, TrailNotes};

/// A decision that is being watched. If it is dropped before the verdict, the request was abandoned.
pub(super) struct Watch {
    pub(super) source: Option<&'static str>,
    pub(super) trail: Trail,
    /// For the warning of a layer that only reports.
    request: Option<(Method, Uri)>,
    started: Stopwatch,
    settings: Arc<Settings>,
    ended: bool,
}

impl Watch {
    /// `None` if nobody would see the record, so that nothing is noted. Boxed, so that `None` costs nothing to hand on.
    pub(super) fn start(settings: &Arc<Settings>, head: &RequestHead<'_>) -> Option<Box<Self>> {
        let Settings { watchers, measured, report_only, .. } = &**settings;
        let seen = *measured || *report_only || !watchers.0.is_empty() || trace::debug_is_on();
        seen.then(|| {
            Box::new(Self {
                source: None,
                trail: Trail::default(),
                request: report_only.then(|| (head.method().clone(), head.uri().clone())),
                started: Stopwatch::start(),
                settings: Arc::clone(settings),
                ended: false,
            })
        })
    }

    /// Tells all who watch. `result` is the verdict before anything is let off.
    pub(super) fn ended(&mut self, result: &Result<Pass, Refused>) {
        self.ended = true;
        let outcome = match result {
            Ok(pass) if pass.is_anonymous() => Outcome::Anonymous,
            Ok(_) => Outcome::Accepted,
            Err(_) if self.settings.report_only => Outcome::Reported,
            Err(_) => Outcome::Refused,
        };
        self.tell(outcome, result.as_ref().err().map(|refused| refused.error.clone()));
    }

    /// What the event of a refusal says besides, which is written where the request is known.
    pub(super) fn notes_for_the_log(&self) -> Option<Box<TrailNotes>> {
        trace::debug_is_on().then(|| Box::new(self.trail.notes()))
    }

    fn tell(&self, outcome: Outcome, refusal: Option<AuthError>) {
        let (source, notes, duration) = (self.source, self.trail.notes(), self.started.elapsed());
        let decision = Decision { outcome, refusal, source, notes, duration };
        if self.settings.measured {
            decision.measure();
        }
        decision.tell(self.request.as_ref());
        self.settings.watchers.0.iter().for_each(|watcher| watcher(&decision));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Not while a user's function panics: a second panic would end the process.
        if !self.ended && !std::thread::panicking() {
            self.tell(Outcome::Abandoned, None);
        }
    }
}
