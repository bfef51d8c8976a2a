//! The lists at hand, bounded in number and in bytes, found without a lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::entry::{Entry, Held};
use super::schedule::{Bounds, Instant};

type Entries = HashMap<Box<str>, Arc<Entry>>;

pub(super) struct Table {
    entries: ArcSwap<Entries>,
    /// Locked by whoever changes the table, or makes a list longer.
    changing: Mutex<()>,
    bounds: Bounds,
    most_lists: usize,
    most_bytes: usize,
}

/// There are as many lists as may be, and all of them are needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full;

impl Table {
    pub(super) fn new(bounds: Bounds, most_lists: usize, most_bytes: usize) -> Self {
        let (entries, changing) = (ArcSwap::default(), Mutex::new(()));
        Self { entries, changing, bounds, most_lists, most_bytes }
    }

    /// Looks into the list at this URI, if there is one. It costs no lock and no count of references.
    pub(super) fn look<T>(&self, uri: &str, look: impl FnOnce(&Entry) -> Option<T>) -> Option<T> {
        self.entries.load().get(uri).and_then(|entry| look(entry))
    }

    /// The entry of this list, a new one if there is none.
    ///
    /// # Errors
    /// If there is no room for it.
    pub(super) fn entry(&self, uri: &str, now: Instant) -> Result<Arc<Entry>, Full> {
        let _changing = self.changing();
        let mut entries = Entries::clone(&self.entries.load());
        if let Some(entry) = entries.get(uri) {
            return Ok(Arc::clone(entry));
        }
        while entries.len() >= self.most_lists {
            let least = Self::least(&entries, now, None).ok_or(Full)?;
            entries.remove(&least);
        }
        let entry = Arc::new(Entry::new(uri, self.bounds.clone()));
        entries.insert(uri.into(), Arc::clone(&entry));
        self.entries.store(Arc::new(entries));
        Ok(entry)
    }

    /// Gives an entry its list, and makes room for it.
    ///
    /// # Errors
    /// If there is no room: the entry keeps the list that it has.
    pub(super) fn hold(&self, entry: &Entry, held: Held, now: Instant) -> Result<(), Full> {
        let _changing = self.changing();
        let mut entries = Entries::clone(&self.entries.load());
        let others = |entries: &Entries| -> usize {
            entries.values().filter(|other| other.uri != entry.uri).map(|other| other.bytes()).sum()
        };
        let before = entries.len();
        while others(&entries) + held.list.bytes() > self.most_bytes {
            let least = Self::least(&entries, now, Some(&entry.uri)).ok_or(Full)?;
            entries.remove(&least);
        }
        if entries.len() != before {
            self.entries.store(Arc::new(entries));
        }
        entry.hold(held);
        Ok(())
    }

    /// The list that may best be forgotten. One that was asked for just now stays, so that lists that take turns are not
    /// fetched without a pause.
    fn least(entries: &Entries, now: Instant, but: Option<&str>) -> Option<Box<str>> {
        let cooled =
            entries.values().filter(|entry| Some(&*entry.uri) != but && entry.schedule().has_cooled(now));
        cooled.min_by_key(|entry| entry.worth()).map(|entry| entry.uri.clone())
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::UnixTime;
    use crate::status::entry::Look;
    use crate::status::list::{Bits, StatusList};

    const fn s(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    fn table(most_lists: usize, most_bytes: usize) -> Table {
        Table::new(Bounds { ttl: s(60)..=s(3600), stale: s(60) }, most_lists, most_bytes)
    }

    fn fetch(table: &Table, uri: &str, bytes: usize, at: Instant) -> Result<Arc<Entry>, Full> {
        let entry = table.entry(uri, at)?;
        entry.begin(at);
        let unusable_from = entry.schedule().succeeded(at, None, Duration::MAX, 0.0);
        let list = StatusList::new(Bits::Eight, vec![0; bytes].into());
        let issued_at = UnixTime::default();
        table.hold(
            &entry,
            Held { list, issued_at, valid_until: UnixTime::LATEST, since: at, unusable_from },
            at,
        )?;
        Ok(entry)
    }

    fn uris(table: &Table) -> Vec<String> {
        let mut uris: Vec<_> = table.entries.load().keys().map(ToString::to_string).collect();
        uris.sort();
        uris
    }

    #[test]
    fn the_least_used_goes_when_there_are_too_many() {
        let table = table(2, 1000);
        let a = fetch(&table, "a", 1, s(0)).unwrap();
        fetch(&table, "b", 1, s(1)).unwrap();
        assert_eq!(a.look(0, UnixTime::default(), s(2)), Look::Status(0));
        assert!(table.entry("c", s(9)).is_err(), "both were fetched just now");
        assert!(Arc::ptr_eq(&a, &table.entry("a", s(9)).unwrap()), "what is there can be had");
        fetch(&table, "c", 1, s(12)).unwrap();
        assert_eq!(uris(&table), ["a", "c"], "no token came for b");
    }

    #[test]
    fn lists_that_are_too_long_together_displace_each_other_after_a_while() {
        let table = table(10, 100);
        fetch(&table, "a", 40, s(0)).unwrap();
        fetch(&table, "b", 40, s(5)).unwrap();
        fetch(&table, "a", 60, s(6)).unwrap();
        assert!(fetch(&table, "c", 1, s(7)).is_err());
        fetch(&table, "c", 60, s(16)).unwrap();
        assert_eq!(uris(&table), ["c"], "one of them would not have been enough");
        assert!(fetch(&table, "c", 101, s(30)).is_err(), "never more than all");
        assert_eq!(table.entry("c", s(30)).unwrap().bytes(), 60, "the list at hand stays");
    }
}
