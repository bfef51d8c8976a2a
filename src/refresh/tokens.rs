//! Begin, rotate, end: the steps, in an order that survives a crash between any two of them.

use std::cmp::Reverse;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::access_tokens::AccessTokens;
use super::builder::RefreshTokensBuilder;
use super::error::RefreshError;
use super::rules::{Lifetimes, Verdict};
use super::token::{Parts, RefreshToken, public_id};
use crate::runtime::{Clock, UnixTime, metric, trace};
use crate::store::{RefreshRecord, RefreshStore, Session, StoreError, millis};

/// Refresh tokens (feature `issuer`): what keeps a user logged in while access tokens live for minutes.
///
/// A login begins a session and hands out its first token. Each use exchanges the token for the next one, and reloads
/// the user, so that a new role or a locked account counts from the next refresh on. The store holds hashes only.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_jwt_auth::{MemoryRefreshStore, RefreshTokens, StoreError};
///
/// # struct User { name: String }
/// # async fn find_user(_: &str) -> Result<Option<User>, StoreError> { Ok(Some(User { name: "Bob".into() })) }
/// let refresh = RefreshTokens::builder(MemoryRefreshStore::new()).build()?;
///
/// // Login: after the password was checked.
/// let grant = refresh.begin("bob").await?;
/// // Give `grant.token` to the client, and an access token with `sub` and `sid` of `grant.session`.
///
/// // Refresh: `find_user` asks your database; `None` (no such user, or locked) ends the session.
/// let load = |session: tower_jwt_auth::Session| async move { find_user(session.subject()).await };
/// let rotated = refresh.rotate(&grant.token, load).await?;
/// assert_eq!(rotated.user.name, "Bob");
/// assert_eq!(rotated.session.sid(), grant.session.sid());
///
/// // Logout.
/// refresh.end(&rotated.token).await?;
/// assert!(refresh.rotate(&rotated.token, load).await.is_err());
/// # Ok(()) }
/// ```
///
/// # When a spent token is used again
///
/// A client exchanges each token once. If a spent token is used again, two parties have a copy: the client and a thief. The
/// server cannot know which of them is asking, so the session ends for both, whatever the age of the token
/// ([`RefreshError::Reused`]; RFC 9700 section 4.14.2).
///
/// One case is honest: the client lost the answer, or two of its tabs refresh at once. For a grace of 10 seconds after the
/// exchange, the last token gets the *identical* successor again. There are never two tokens that both work. The store
/// has the successor encrypted under a key that only the old token gives, and forgets it as soon as the successor is used.
///
/// **What the grace means for a thief:** a thief who uses a stolen token within the grace of its rightful exchange gets the
/// successor, and is not noticed at once. The same holds if the thief was first and the client follows within the grace.
/// Both then hold the same token. The theft is found at the next rotation at which one of them is later than the grace:
/// that party uses a spent token, and the session ends. A thief who refreshes within the same seconds as the client, each
/// time, is not found. A grace of zero finds that thief too. If reuse is never seen, the absolute lifetime or a logout ends
/// the session.
///
/// # Access tokens
///
/// They live on after a logout until they expire, unless they are revoked with their session
/// ([`RefreshTokensBuilder::revocations`]):
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Authority, Claims, MemoryRefreshStore, RefreshTokens, Revocations, Secret, Verifier};
///
/// let revocations = Revocations::in_memory(); // several processes share a store
/// let refresh =
///     RefreshTokens::builder(MemoryRefreshStore::new()).revocations("shop", revocations.clone()).build()?;
/// let authority = Authority::hs256(Secret::generate()?).issuer("shop").audience("api");
/// let verifier = Verifier::<Claims>::builder().authority(authority).revocations(revocations).build()?;
/// # Ok(()) }
/// ```
///
/// Cheap to clone.
#[derive(Clone)]
pub struct RefreshTokens(Arc<Inner>);

struct Inner {
    store: Arc<dyn RefreshStore>,
    clock: Arc<dyn Clock>,
    lifetimes: Lifetimes,
    sessions_per_subject: usize,
    access_tokens: Option<AccessTokens>,
}

/// What a login yields.
#[derive(Debug)]
#[non_exhaustive]
pub struct Grant {
    /// The first token of the session, for the client.
    pub token: RefreshToken,
    /// The session that has begun.
    pub session: Session,
}

/// What a refresh yields.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rotated<U> {
    /// The token that replaces the one presented, for the client.
    pub token: RefreshToken,
    /// The session, which goes on.
    pub session: Session,
    /// The user as the database has it now.
    pub user: U,
}

impl RefreshTokens {
    /// Settings for tokens that are kept in this store.
    pub fn builder(store: impl RefreshStore) -> RefreshTokensBuilder {
        RefreshTokensBuilder::new(store)
    }

    pub(super) fn new(
        store: Arc<dyn RefreshStore>,
        clock: Arc<dyn Clock>,
        lifetimes: Lifetimes,
        sessions_per_subject: usize,
        access_tokens: Option<AccessTokens>,
    ) -> Self {
        Self(Arc::new(Inner { store, clock, lifetimes, sessions_per_subject, access_tokens }))
    }

    /// Begins a session: call it when somebody has logged in.
    ///
    /// # Errors
    /// If the store could not be written, or the system has no randomness.
    pub async fn begin(&self, subject: impl Into<String>) -> Result<Grant, StoreError> {
        let first = Parts::generate()?;
        let now = self.now();
        let record = RefreshRecord::begin(&first, public_id()?, subject.into(), &self.0.lifetimes, now)?;
        let session = record.session();
        self.0.store.insert(record).await?;
        self.make_room(&session, now).await?;
        Ok(Grant { token: first.token(), session })
    }

    /// Removes what is beyond the number of sessions that a subject may have.
    async fn make_room(&self, begun: &Session, now: UnixTime) -> Result<(), StoreError> {
        let mut records = self.0.store.list(begun.subject().to_owned()).await?;
        if records.len() <= self.0.sessions_per_subject {
            return Ok(());
        }
        // The id decides between equals, so that two logins at once agree on who has to go.
        records.sort_by_cached_key(|record| {
            Reverse((record.is_live(now), record.session().last_used_at(), record.id().to_owned()))
        });
        let mut beyond = records.split_off(self.0.sessions_per_subject);
        // A login is not undone because the clock was set back and it looks older than the others.
        beyond.retain(|record| record.sid != begun.sid());
        self.end_records(&beyond).await
    }

    /// Exchanges a token for its successor.
    ///
    /// `load_user` is asked once, after the token was found good and before anything is changed. Its `None` says that
    /// there is no such user any more: the session ends. If it fails, nothing has happened and the token stays good.
    ///
    /// Once begun it may be dropped at any point, and the process may die at any point: the client that got no answer
    /// sends the same token again.
    ///
    /// # Errors
    /// [`RefreshError`] says why there is no new token, and whether to try again.
    pub async fn rotate<U, E, F>(
        &self,
        token: &RefreshToken,
        load_user: impl FnOnce(Session) -> F,
    ) -> Result<Rotated<U>, RefreshError>
    where
        F: Future<Output = Result<Option<U>, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let presented = Parts::of(token).ok_or(RefreshError::Invalid)?;
        let (record, verdict) = self.judge(&presented).await?;
        let loaded = load_user(record.session()).await.map_err(|error| RefreshError::User(error.into()))?;
        let Some(user) = loaded else {
            trace::debug!(sid = record.session().sid(), "no such user any more, so the session ends");
            self.end_records(&[record]).await?;
            return Err(RefreshError::Invalid);
        };
        let (record, token) = match verdict {
            Good::Retry(successor) => (record, successor),
            Good::Current => match self.swap(&presented, &record).await? {
                Some(done) => done,
                // Somebody else was faster. The token is now the one before the current one, or older.
                None => match self.judge(&presented).await? {
                    (record, Good::Retry(successor)) => (record, successor),
                    (_, Good::Current) => {
                        let problem = "compare-and-swap refused a record that had not changed";
                        return Err(StoreError::new(problem).into());
                    }
                },
            },
        };
        Ok(Rotated { token, session: record.session(), user })
    }

    /// The record of a token that may be exchanged. One that was exchanged before ends its session here.
    async fn judge(&self, presented: &Parts) -> Result<(RefreshRecord, Good), RefreshError> {
        let id = presented.record_id()?;
        let record = self.0.store.load(id).await?.ok_or(RefreshError::Invalid)?;
        match record.judge(presented, self.now())? {
            Verdict::Current => Ok((record, Good::Current)),
            Verdict::Retry(successor) => Ok((record, Good::Retry(successor))),
            Verdict::Expired => Err(RefreshError::Invalid),
            Verdict::Reused => {
                let session = record.session();
                trace::warn!(sid = session.sid(), "a refresh token was used again, so its session ends");
                metric::counter!(metric::REFRESH_REUSED);
                self.end_records(&[record]).await?;
                Err(RefreshError::Reused(session))
            }
        }
    }

    /// Stores a successor, unless the record has changed meanwhile.
    async fn swap(
        &self,
        current: &Parts,
        record: &RefreshRecord,
    ) -> Result<Option<(RefreshRecord, RefreshToken)>, StoreError> {
        let successor = current.successor()?;
        // The time is read anew: loading the user may have taken a good part of the grace.
        let new = record.rotated(current, &successor, &self.0.lifetimes, self.now())?;
        let swapped = self.0.store.compare_and_swap(record.revision(), new.clone()).await?;
        if swapped {
            metric::counter!(metric::REFRESH_ROTATIONS);
        }
        Ok(swapped.then(|| (new, successor.token())))
    }

    /// The session of a token, and whether the token is the one to be exchanged next. Nothing is changed, whatever it is.
    pub(crate) async fn look_up(&self, token: &RefreshToken) -> Result<Option<(Session, bool)>, StoreError> {
        let Some(presented) = Parts::of(token) else { return Ok(None) };
        let Some(record) = self.0.store.load(presented.record_id()?).await? else { return Ok(None) };
        let is_current = matches!(record.judge(&presented, self.now())?, Verdict::Current);
        Ok(Some((record.session(), is_current)))
    }

    /// Ends the session of a token: logout. Any token of the session will do, and one that is none changes nothing.
    ///
    /// # Errors
    /// If the store could not be written: the session may live on.
    pub async fn end(&self, token: &RefreshToken) -> Result<(), StoreError> {
        let Some(presented) = Parts::of(token) else { return Ok(()) };
        let id = presented.record_id()?;
        if self.0.access_tokens.is_none() {
            return self.0.store.remove(vec![id]).await;
        }
        match self.0.store.load(id).await? {
            Some(record) => self.end_records(&[record]).await,
            None => Ok(()),
        }
    }

    /// Ends sessions, and their access tokens if those are known. One does not wait for the other to succeed: what can be ended
    /// is ended.
    async fn end_records(&self, records: &[RefreshRecord]) -> Result<(), StoreError> {
        // It begins here: if the caller goes away from now on, it is done all the same.
        let revoking = self.0.access_tokens.as_ref().map(|access_tokens| access_tokens.revoke(records));
        let removed =
            self.0.store.remove(records.iter().map(|record| record.id().to_owned()).collect()).await;
        if let Some(revoking) = revoking {
            revoking.await?;
        }
        removed
    }

    /// Ends all sessions of a subject: logout everywhere, also after a changed password.
    ///
    /// # Errors
    /// If the store could not be read or written: sessions may live on.
    pub async fn end_all(&self, subject: &str) -> Result<(), StoreError> {
        let records = self.0.store.list(subject.to_owned()).await?;
        self.end_records(&records).await
    }

    /// Ends one session of a subject, by its public name. Says whether there was such a session.
    ///
    /// The subject is the one who asks: nobody can end the session of another by knowing its name.
    ///
    /// # Errors
    /// If the store could not be read or written: the session may live on.
    pub async fn end_session(&self, subject: &str, sid: &str) -> Result<bool, StoreError> {
        match self.live_record(subject, sid).await? {
            Some(record) => {
                self.end_records(&[record]).await?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The live sessions of a subject, the last used one first.
    ///
    /// # Errors
    /// If the store could not be read.
    pub async fn sessions(&self, subject: &str) -> Result<Vec<Session>, StoreError> {
        let now = self.now();
        let records = self.0.store.list(subject.to_owned()).await?;
        let live = records.iter().filter(|record| record.is_live(now));
        let mut sessions: Vec<_> = live.map(RefreshRecord::session).collect();
        sessions.sort_by_key(|session| Reverse(session.last_used_at()));
        Ok(sessions)
    }

    /// Whether a session still lives: for access tokens that must not outlive a logout.
    ///
    /// # Errors
    /// If the store could not be read.
    pub async fn is_live(&self, subject: &str, sid: &str) -> Result<bool, StoreError> {
        Ok(self.live_record(subject, sid).await?.is_some())
    }

    async fn live_record(&self, subject: &str, sid: &str) -> Result<Option<RefreshRecord>, StoreError> {
        let now = self.now();
        let records = self.0.store.list(subject.to_owned()).await?;
        Ok(records.into_iter().find(|record| record.session().sid() == sid && record.is_live(now)))
    }

    /// Deletes what has expired: sessions, and what answers retries. Call it now and then, such as every hour.
    ///
    /// Nothing depends on it but the size of the store, and what a thief of the store finds in it.
    ///
    /// # Errors
    /// If the store could not be written.
    pub async fn remove_expired(&self) -> Result<(), StoreError> {
        self.0.store.remove_expired(self.now()).await
    }

    fn now(&self) -> UnixTime {
        millis::whole(self.0.clock.now())
    }
}

/// A token that may be exchanged.
enum Good {
    Current,
    Retry(RefreshToken),
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokens")
            .field("store", &self.0.store)
            .field("lifetimes", &self.0.lifetimes)
            .finish_non_exhaustive()
    }
}
