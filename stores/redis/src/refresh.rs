//! Sessions.

use std::fmt;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tower_jwt_auth::{NowOrLater, RefreshRecord, RefreshStore, StoreError, UnixTime};

use crate::answer::{array, is_count, is_one, optional_bytes, text};
use crate::link::call_name;
use crate::names::{SessionNames, part_of};
use crate::record::{put_together, take_apart};
use crate::script::{FORGET_IDS, INSERT_RECORD, LIST_IDS, LOAD_RECORDS, REMOVE_RECORDS, SWAP_RECORD, Script};
use crate::{RedisStores, life};

/// Ids in one call, so that no script holds up the server.
const CHUNK: usize = 250;

/// Keeps sessions in Redis, which many processes share; [`RedisStores::refresh`] makes it.
///
/// A session is one key that lives until the record's `expires_at`, and for the seconds in which a retry is answered a second one.
/// The ids of a subject's sessions are in a sorted set. One script writes all three, so the set never lacks a session. It may name one
/// that has ended; listing removes that. So nothing is left to [`remove_expired`](RefreshStore::remove_expired).
#[derive(Clone)]
pub struct RedisRefreshStore(Arc<RedisStores>);

impl RedisRefreshStore {
    pub(crate) fn new(stores: &RedisStores) -> Self {
        Self(Arc::new(stores.clone()))
    }

    fn part_of(&self, id: &str) -> u16 {
        part_of(id, self.0.parts.get())
    }

    fn names(&self, part: u16) -> SessionNames {
        self.0.prefix.sessions(part, self.0.parts.get())
    }

    /// Runs a script that writes a record. Answers whether it did.
    async fn write(
        &self,
        doing: &'static str,
        script: &Script,
        record: &RefreshRecord,
        expected_revision: Option<u64>,
    ) -> Result<bool, StoreError> {
        let id = record.id();
        let names = self.names(self.part_of(id));
        let keys = [names.record(id), names.retry(id), names.of_subject(record.subject())];
        let clock = &*self.0.clock;
        let parts = take_apart(record)?;
        let retry_life = record.retry_until().map_or(1, |until| life::of_key(clock, until));
        let mut arguments = vec![
            call_name()?.into_bytes(),
            record.revision().to_string().into_bytes(),
            parts.record.into_bytes(),
            life::of_key(clock, record.expires_at()).to_string().into_bytes(),
            parts.retry.unwrap_or_default().into_bytes(),
            retry_life.to_string().into_bytes(),
            id.as_bytes().to_vec(),
        ];
        arguments.extend(expected_revision.map(|revision| revision.to_string().into_bytes()));
        is_one(&self.0.link.run(doing, script, &keys, &arguments).await?)
    }

    /// The records with these ids, all of one part; `None` where there is none.
    async fn load_all(&self, part: u16, ids: &[String]) -> Result<Vec<Option<RefreshRecord>>, StoreError> {
        let names = self.names(part);
        let keys: Vec<_> = ids.iter().flat_map(|id| [names.record(id), names.retry(id)]).collect();
        let answer = self.0.link.run("load sessions", &LOAD_RECORDS, &keys, &[]).await?;
        let mut values = array(answer)?.into_iter().map(optional_bytes);
        let mut records = Vec::with_capacity(ids.len());
        while let (Some(stored), Some(retry)) = (values.next(), values.next()) {
            let (stored, retry) = (stored?, retry?);
            records.push(stored.map(|stored| put_together(&stored, retry.as_deref())).transpose()?);
        }
        if records.len() != ids.len() {
            return Err(crate::answer::unexpected());
        }
        Ok(records)
    }

    async fn remove_all(&self, part: u16, ids: &[String]) -> Result<(), StoreError> {
        let names = self.names(part);
        for ids in ids.chunks(CHUNK) {
            let keys: Vec<_> = ids.iter().flat_map(|id| [names.record(id), names.retry(id)]).collect();
            is_count(&self.0.link.run("remove sessions", &REMOVE_RECORDS, &keys, &[]).await?)?;
        }
        Ok(())
    }

    async fn list_part(&self, part: u16, subject: &str) -> Result<Vec<RefreshRecord>, StoreError> {
        let index = [self.names(part).of_subject(subject)];
        let ids = self.0.link.run("list sessions", &LIST_IDS, &index, &[]).await?;
        let ids = array(ids)?.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let mut records = Vec::with_capacity(ids.len());
        let mut ended = Vec::new();
        for ids in ids.chunks(CHUNK) {
            for (record, id) in self.load_all(part, ids).await?.into_iter().zip(ids) {
                match record {
                    Some(record) => records.push(record),
                    None => ended.push(id.as_bytes().to_vec()),
                }
            }
        }
        for ended in ended.chunks(CHUNK) {
            // An id never comes back. If it cannot be forgotten, it is forgotten the next time.
            let _ = self.0.link.run("forget ended sessions", &FORGET_IDS, &index, ended).await;
        }
        Ok(records)
    }
}

impl RefreshStore for RedisRefreshStore {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            match this.write("add a session", &INSERT_RECORD, &record, None).await? {
                true => Ok(()),
                false => Err(StoreError::new("Redis: there is a session with this id")),
            }
        })
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let mut found = this.load_all(this.part_of(&id), &[id]).await?;
            Ok(found.pop().flatten())
        })
    }

    fn compare_and_swap(
        &self,
        expected_revision: u64,
        new: RefreshRecord,
    ) -> NowOrLater<Result<bool, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            this.write("change a session", &SWAP_RECORD, &new, Some(expected_revision)).await
        })
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let mut parts = vec![Vec::new(); usize::from(this.0.parts.get())];
            for id in ids {
                if let Some(part) = parts.get_mut(usize::from(this.part_of(&id))) {
                    part.push(id);
                }
            }
            let parts = (0..).zip(&parts).filter(|(_, ids)| !ids.is_empty());
            try_join_all(parts.map(|(part, ids)| this.remove_all(part, ids))).await?;
            Ok(())
        })
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let parts = 0..this.0.parts.get();
            let lists = try_join_all(parts.map(|part| this.list_part(part, &subject))).await?;
            Ok(lists.into_iter().flatten().filter(|record| record.subject() == subject).collect())
        })
    }

    /// Does nothing: what has expired is gone by itself.
    fn remove_expired(&self, _now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        NowOrLater::ready(Ok(()))
    }
}

impl fmt::Debug for RedisRefreshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisRefreshStore({:?})", self.0.prefix.as_str())
    }
}
