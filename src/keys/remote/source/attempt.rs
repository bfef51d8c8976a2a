//! One attempt: the keys of an earlier process first, if there are none; then the fetch; and what is kept of it when.

use super::super::document::Failure;
use super::super::persisted::Restored;
use super::super::sync::atomic::Ordering;
use super::super::sync::{lock, timeout};
use super::shared::{Fetched, Inner, Settings, millis};
use crate::keys::KeySet;
use crate::runtime::trace;

impl Inner {
    /// One attempt, from its beginning to what all are told of its end.
    pub(in crate::keys::remote) async fn attempt(&self) {
        let Settings { fetch_time, kept, clock, .. } = &self.settings;
        self.restore().await;
        let began = self.now();
        self.state().begin(began);
        let asked_at = clock.now();
        let fetched = match timeout(*fetch_time, self.load()).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Failure::new(format!("no answer within {fetch_time:?}"))),
        };
        if fetched.is_ok() {
            *lock(&self.fetched_at) = Some(asked_at);
        }
        self.measure_fetch(fetched.is_ok(), self.now().saturating_sub(began));
        let (Some(kept), Ok(Fetched { keys, max_age, body })) = (kept, &fetched) else {
            return self.ended(fetched);
        };
        let (keys, max_age, body) = (&keys.clone(), *max_age, body.clone());
        let save = kept.save(&body, keys, asked_at, max_age);
        if self.removes_some(keys) {
            // First of all, or a crash could bring them back. New keys wait for no store.
            self.add(keys);
            save.await;
            self.ended(fetched);
        } else {
            self.ended(fetched);
            save.await;
        }
    }

    /// Without keys those of an earlier process serve, while new ones are fetched.
    async fn restore(&self) {
        let Settings { kept: Some(kept), clock, .. } = &self.settings else { return };
        if !self.snapshot.load().1.is_empty() {
            return;
        }
        let Some(Restored { keys, fetched_at, age, max_age }) = kept.load(&**clock).await else { return };
        // Those that were at hand already are gone since they are too old, whatever the wall clock says now.
        if lock(&self.fetched_at).is_some_and(|before| fetched_at <= before) {
            return;
        }
        let mut state = self.state();
        if !state.restored(self.now(), age, max_age) {
            drop(state);
            trace::warn!(url = self.settings.location.shown(), age = ?age, "kept keys are too old to be trusted");
            return;
        }
        *lock(&self.fetched_at) = Some(fetched_at);
        self.restored.store(self.snapshot.load().0 + 1, Ordering::Relaxed);
        let change = self.replace(keys);
        self.unusable_from.store(state.unusable_from().map_or(u64::MAX, millis), Ordering::Relaxed);
        drop(state);
        trace::info!(url = self.settings.location.shown(), age = ?age, "keys of an earlier process were restored");
        self.measure();
        self.tell(change);
        self.attempts.send_modify(|_| ());
    }

    fn removes_some(&self, keys: &KeySet) -> bool {
        !self.snapshot.load().1.without(keys).is_empty()
    }

    /// Takes the new keys of a set, while old ones stay.
    fn add(&self, keys: &KeySet) {
        let state = self.state();
        let current = self.snapshot.load().1.clone();
        let new = keys.without(&current);
        if new.is_empty() {
            return;
        }
        let change = self.replace(new.merge(&current));
        drop(state);
        self.tell(change);
        self.attempts.send_modify(|_| ());
    }
}
