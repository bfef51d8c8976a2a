//! The check of an authority: what the list says of a token that is good otherwise.

use std::fmt;
use std::sync::Arc;

use super::allowed::AllowedUris;
use super::driver;
use super::entry::{Entry, Look};
use super::reference::Reference;
use super::shared::Shared;
use crate::error::{AuthError, Reason};
use crate::runtime::{NowOrLater, trace};
use crate::verify::Principal;

type Checked = Result<(), AuthError>;

const CLAIM: &str = "status";

/// The meanings of statuses that are registered (section 7.1).
const VALID: u8 = 0;

/// Asks the lists. Cheap to clone.
#[derive(Clone)]
pub(super) struct StatusCheck(pub(super) Arc<Rules>);

pub(super) struct Rules {
    pub(super) shared: Arc<Shared>,
    pub(super) allowed: AllowedUris,
    /// A token without a status is refused.
    pub(super) is_required: bool,
    /// Statuses beside VALID that let a token pass, one bit for each.
    pub(super) accepted: u16,
}

/// Why it is not known whether a token is revoked.
#[derive(Debug)]
struct NotAtHand(Option<Arc<str>>);

impl fmt::Display for NotAtHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.0.as_deref().unwrap_or("nobody has fetched it yet");
        write!(f, "the status list is not at hand: {why}")
    }
}

impl std::error::Error for NotAtHand {}

impl StatusCheck {
    /// The verdict on a token: at once if its list is at hand.
    pub(super) fn judge(&self, principal: &Principal) -> NowOrLater<Checked> {
        let Rules { shared, allowed, is_required, .. } = &*self.0;
        let refused = |reason| NowOrLater::ready(Err(AuthError::new(reason).with_claim(CLAIM)));
        let reference = match principal.claim_text(CLAIM).map(Reference::read) {
            None if *is_required => return refused(Reason::MissingClaim),
            None => return NowOrLater::ready(Ok(())),
            Some(Err(_malformed)) => return refused(Reason::InvalidClaim),
            Some(Ok(reference)) => reference,
        };
        if !allowed.allow(&reference.uri) {
            trace::debug!("a token names a status list that is not allowed; see StatusLists::allow");
            return refused(Reason::InvalidClaim);
        }
        let look = |entry: &Entry| entry.is_driven().then(|| self.look(entry, reference.idx));
        match shared.table.look(&reference.uri, look) {
            Some(Look::Status(status)) => NowOrLater::ready(self.verdict(status)),
            _ => self.fetch(&reference),
        }
    }

    #[cold]
    fn fetch(&self, reference: &Reference<'_>) -> NowOrLater<Checked> {
        let shared = &self.0.shared;
        let Ok(entry) = shared.table.entry(&reference.uri, shared.now()) else {
            trace::error!("there are more status lists than may be kept; raise StatusLists::lists");
            return NowOrLater::ready(Err(not_at_hand(Some("there are too many lists".into()))));
        };
        // Its task may have ended with another runtime.
        if !entry.is_driven() {
            driver::start(shared, &entry);
        }
        match self.look(&entry, reference.idx) {
            Look::Status(status) => NowOrLater::ready(self.verdict(status)),
            Look::OutOfRange | Look::NotAtHand => self.ask(entry, reference.idx),
        }
    }

    fn look(&self, entry: &Entry, idx: u64) -> Look {
        let Shared { loader, .. } = &*self.0.shared;
        entry.look(idx, loader.clock.now(), self.0.shared.now())
    }

    /// Has the list fetched, and looks again. It may have grown since it was fetched last, so that is done for an index which it
    /// does not have, too.
    fn ask(&self, entry: Arc<Entry>, idx: u64) -> NowOrLater<Checked> {
        let shared = &self.0.shared;
        // First, so that no attempt ends unseen.
        let mut attempts = entry.attempts();
        let now = shared.now();
        let begins = entry.ask(shared.loader.clock.now(), now);
        // If not, nobody can fetch: there is no runtime here.
        let driven = driver::start(shared, &entry);
        // An attempt may have ended since the first look. In a back-off nobody waits.
        let found = self.look(&entry, idx);
        if matches!(found, Look::Status(_)) || !driven || begins > now {
            return NowOrLater::ready(self.after(&entry, found));
        }
        let check = self.clone();
        NowOrLater::later(async move {
            let _ = attempts.changed().await;
            check.after(&entry, check.look(&entry, idx))
        })
    }

    fn after(&self, entry: &Entry, found: Look) -> Checked {
        match found {
            Look::Status(status) => self.verdict(status),
            Look::OutOfRange => Err(AuthError::new(Reason::InvalidClaim).with_claim(CLAIM)),
            Look::NotAtHand => Err(not_at_hand(entry.last_error())),
        }
    }

    /// Whatever is not known to be good is not good.
    fn verdict(&self, status: u8) -> Checked {
        let is_accepted = status < 16 && self.0.accepted & (1 << status) != 0;
        match status == VALID || is_accepted {
            true => Ok(()),
            false => Err(AuthError::new(Reason::Revoked).with_claim(CLAIM)),
        }
    }
}

fn not_at_hand(why: Option<Arc<str>>) -> AuthError {
    AuthError::new(Reason::RevocationUnavailable).with_claim(CLAIM).with_source(NotAtHand(why))
}
