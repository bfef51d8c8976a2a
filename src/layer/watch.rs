//! Watches one decision from its beginning to its end.

use super::answer::Refused;
use super::decision::{Decision, Outcome};
use super::future::Pass;
use super::layer::Settings;
use crate::runtime::{Stopwatch, trace};
use crate::verify::Trail;

/// A decision that is being watched.
pub(super) struct Watch {
    pub(super) source: Option<&'static str>,
    pub(super) trail: Trail,
    started: Stopwatch,
}

impl Watch {
    /// `None` if nobody would see the record, so that nothing is noted. Boxed, so that `None` costs nothing to hand on.
    pub(super) fn start(settings: &Settings) -> Option<Box<Self>> {
        let Settings { watchers, measured, report_only, .. } = settings;
        let seen = *measured || *report_only || !watchers.0.is_empty() || trace::debug_is_on();
        seen.then(|| Box::new(Self { source: None, trail: Trail::default(), started: Stopwatch::start() }))
    }

    /// Tells all who watch. `result` is the verdict before anything is let off.
    pub(super) fn ended(&self, result: &Result<Pass, Refused>, settings: &Settings) {
        let outcome = match result {
            Ok(pass) if pass.is_anonymous() => Outcome::Anonymous,
            Ok(_) => Outcome::Accepted,
            Err(_) if settings.report_only => Outcome::Reported,
            Err(_) => Outcome::Refused,
        };
        let decision = Decision {
            outcome,
            refusal: result.as_ref().err().map(|refused| refused.error.clone()),
            source: self.source,
            notes: self.trail.notes(),
            duration: self.started.elapsed(),
        };
        if settings.measured {
            decision.measure();
        }
        decision.tell();
        settings.watchers.0.iter().for_each(|watcher| watcher(&decision));
    }
}
