//! The tenants at hand, and how others become known.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::settings::{Resolve, Tenants};
use super::table::{Instant, Table, Tenant, millis};
use crate::crypto::Backend;
use crate::error::{AuthError, ConfigError, Reason};
use crate::jose::Limits;
#[cfg(feature = "jwks")]
use crate::keys::{Fetch, HttpFetch};
use crate::runtime::{Clock, NowOrLater, Stopwatch, trace};
use crate::verify::authority::Authority;
use crate::verify::ready_authority::BuildContext;

/// Questions about new issuers at one time. Those that are known already have no part in it, so that a flood of invented
/// issuers leaves them alone.
const MAX_QUESTIONS: usize = 64;
const MAX_ISSUER_BYTES: usize = 2048;

/// The tenants of a verifier.
pub(in crate::verify) struct KnownTenants {
    resolve: Resolve,
    trusted_for: Duration,
    deadline: Duration,
    backend: Backend,
    limits: Limits,
    #[cfg_attr(not(feature = "jwks"), allow(dead_code))]
    clock: Arc<dyn Clock>,
    /// One client for all of them.
    #[cfg(feature = "jwks")]
    fetch: Arc<dyn Fetch>,
    stopwatch: Stopwatch,
    /// Milliseconds until which nothing is said in the log.
    quiet_until: AtomicU64,
    table: RwLock<Table>,
    /// What is being asked; who comes later waits for the same answer.
    questions: Mutex<Questions>,
}

type Questions = HashMap<Arc<str>, watch::Receiver<Option<Answer>>>;

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Trusted,
    NotTrusted,
    /// It could not be answered, or counts no longer.
    Unclear,
}

type Answered = Result<Option<Authority>, Box<dyn Error + Send + Sync>>;

impl KnownTenants {
    pub(in crate::verify) fn new(
        tenants: Tenants,
        backend: &Backend,
        limits: Limits,
        clock: &Arc<dyn Clock>,
        deadline: Duration,
    ) -> Result<Self, ConfigError> {
        tenants.check()?;
        Ok(Self {
            resolve: tenants.resolve,
            trusted_for: tenants.trusted_for,
            deadline,
            backend: backend.clone(),
            limits,
            clock: Arc::clone(clock),
            #[cfg(feature = "jwks")]
            fetch: Arc::new(HttpFetch::public_addresses_only()?),
            stopwatch: Stopwatch::start(),
            quiet_until: AtomicU64::new(0),
            table: RwLock::new(Table::new(tenants.limit)),
            questions: Mutex::default(),
        })
    }

    /// The tenant of this issuer, if it is known and still trusted.
    pub(in crate::verify) fn find(&self, issuer: &str) -> Option<Arc<Tenant>> {
        let now = self.stopwatch.elapsed();
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let tenant = table.get(issuer).filter(|tenant| tenant.is_trusted(now))?;
        tenant.used(now);
        Some(Arc::clone(tenant))
    }

    /// Asks the user who this issuer is. Answers whether it is known now.
    ///
    /// # Errors
    /// If it is not trusted, or that cannot be told.
    pub(in crate::verify) fn ask(self: &Arc<Self>, issuer: &str) -> NowOrLater<Result<bool, AuthError>> {
        let unknown = || AuthError::new(Reason::UnknownIssuer).with_claim("iss");
        let verdict = move |answer| match answer {
            Answer::Trusted => Ok(true),
            Answer::NotTrusted => Err(unknown()),
            Answer::Unclear => {
                let why = "whether the tenant is trusted cannot be told; why is in the log";
                Err(AuthError::new(Reason::KeysUnavailable).with_source(why))
            }
        };
        if issuer.len() > MAX_ISSUER_BYTES {
            return NowOrLater::ready(Err(unknown()));
        }
        let mut questions = self.questions();
        let running = questions.get(issuer).cloned();
        if let Some(answer) = running {
            drop(questions);
            return NowOrLater::later(async move { verdict(wait_for(answer).await) });
        }
        let (known, may_come) = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            (table.get(issuer).is_some(), table.may_come(issuer, self.stopwatch.elapsed()))
        };
        if !may_come || !known && questions.len() >= MAX_QUESTIONS {
            return NowOrLater::ready(verdict(Answer::Unclear));
        }
        let issuer: Arc<str> = issuer.into();
        let (tell, answer) = watch::channel(None);
        questions.insert(Arc::clone(&issuer), answer.clone());
        drop(questions);
        let asked = OpenQuestion { tenants: Arc::clone(self), issuer, tell };
        match (self.resolve)(&asked.issuer).into_now() {
            Ok(answered) => NowOrLater::ready(verdict(asked.settle(answered))),
            Err(resolving) => {
                let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                    trace::error!("an asynchronous question for tenants needs a tokio runtime");
                    return NowOrLater::ready(verdict(Answer::Unclear));
                };
                let deadline = self.deadline;
                // On a task of its own: a client that hangs up cancels nothing for the others.
                runtime.spawn(async move {
                    let answered = match tokio::time::timeout(deadline, resolving).await {
                        Ok(answered) => answered,
                        Err(_) => Err(format!("no answer within {deadline:?} (check_deadline)").into()),
                    };
                    asked.settle(answered);
                });
                NowOrLater::later(async move { verdict(wait_for(answer).await) })
            }
        }
    }

    /// Forgets the tenant of this issuer. Answers whether it was known, or asked for.
    pub(in crate::verify) fn forget(&self, issuer: &str) -> bool {
        // What is being asked may have been answered before the tenant was withdrawn.
        let mut questions = self.questions();
        let asked = questions.remove(issuer).is_some();
        let gone = self.table.write().unwrap_or_else(PoisonError::into_inner).remove(issuer);
        drop(questions);
        asked || gone.is_some()
    }

    #[cfg(feature = "jwks")]
    pub(in crate::verify) fn all(&self) -> Vec<Arc<Tenant>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.iter().cloned().collect()
    }

    /// # Errors
    /// If the authority that the user returned cannot be used for this issuer.
    fn make(&self, issuer: &Arc<str>, authority: Authority, now: Instant) -> Result<Tenant, ConfigError> {
        let authority = authority.for_issuer(issuer)?;
        let earlier = self.table.read().unwrap_or_else(PoisonError::into_inner).get(issuer).cloned();
        let authority = authority.build(&BuildContext {
            backend: &self.backend,
            limits: &self.limits,
            clock: &self.clock,
            #[cfg(feature = "jwks")]
            fetch: Some(&self.fetch),
            earlier: earlier.as_ref().map_or(&[], |earlier| std::slice::from_ref(&earlier.authority)),
        })?;
        let tenant = Tenant::new(authority, now, now + self.trusted_for);
        Ok(match &earlier {
            Some(earlier) => tenant.confirming(earlier),
            None => tenant,
        })
    }

    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is open; it is closed however it ends, by a panic of the user's function too.
struct OpenQuestion {
    tenants: Arc<KnownTenants>,
    issuer: Arc<str>,
    tell: watch::Sender<Option<Answer>>,
}

impl OpenQuestion {
    fn settle(&self, answered: Answered) -> Answer {
        let tenants = &self.tenants;
        let answer = match answered {
            Ok(Some(authority)) => match tenants.make(&self.issuer, authority, tenants.stopwatch.elapsed()) {
                Ok(tenant) => self.trust(tenant),
                Err(error) => {
                    self.complain("the authority of a tenant cannot be used", &error);
                    Answer::Unclear
                }
            },
            Ok(None) => {
                tenants.forget(&self.issuer);
                Answer::NotTrusted
            }
            Err(error) => {
                self.complain("whether a tenant is trusted cannot be told", &*error);
                Answer::Unclear
            }
        };
        self.tell.send_replace(Some(answer));
        answer
    }

    /// Anybody can name any issuer, so this is said once a second, and not all of the name.
    fn complain(&self, _what: &str, _error: &dyn Error) {
        let now = millis(self.tenants.stopwatch.elapsed());
        let quiet_until = &self.tenants.quiet_until;
        let silent = quiet_until
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |until| (until <= now).then_some(now + 1000));
        if silent.is_ok() {
            let _issuer: String = self.issuer.chars().take(200).collect();
            trace::error!(issuer = ?_issuer, error = %_error, "{_what}");
        }
    }

    /// Unless the tenant was forgotten meanwhile.
    fn trust(&self, tenant: Tenant) -> Answer {
        let questions = self.tenants.questions();
        if !self.is_open(&questions) {
            return Answer::Unclear;
        }
        let now = self.tenants.stopwatch.elapsed();
        let mut table = self.tenants.table.write().unwrap_or_else(PoisonError::into_inner);
        let gone = table.insert(Arc::clone(&self.issuer), Arc::new(tenant), now);
        drop(table);
        drop(questions);
        drop(gone);
        Answer::Trusted
    }

    fn is_open(&self, questions: &Questions) -> bool {
        questions.get(&self.issuer).is_some_and(|answer| answer.same_channel(&self.tell.subscribe()))
    }
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        let mut questions = self.tenants.questions();
        if self.is_open(&questions) {
            questions.remove(&self.issuer);
        }
    }
}

/// What is answered, or nothing if whoever asked is gone.
async fn wait_for(mut answer: watch::Receiver<Option<Answer>>) -> Answer {
    answer.wait_for(Option::is_some).await.ok().and_then(|answer| *answer).unwrap_or(Answer::Unclear)
}

impl fmt::Debug for KnownTenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownTenants").finish_non_exhaustive()
    }
}
