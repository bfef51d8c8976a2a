//! Asks about tokens: once for all who come with the same one, so many at a time, and not at all while there is no hope.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use super::answer;
use super::ask::{Ask, AskError};
use super::back_off::BackOff;
use super::kept_answers::{KeptAnswers, TokenHash};
use super::settings::OpaqueTokens;
use super::token::{OpaqueToken, is_b64token};
use crate::error::ConfigError;
use crate::jose::Limits;
use crate::runtime::{Clock, NowOrLater, Stopwatch, trace};

/// What is known of a token.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Its claims, as a payload.
    Active(Arc<str>),
    NotActive,
    /// Nobody can say, for this reason.
    Unknown(Arc<str>),
    /// It cannot be a token.
    Malformed,
}

pub(crate) struct Found {
    pub(crate) outcome: NowOrLater<Outcome>,
    /// Nobody had to be asked.
    pub(crate) was_kept: bool,
}

impl Found {
    fn now(outcome: Outcome, was_kept: bool) -> Self {
        Self { outcome: NowOrLater::ready(outcome), was_kept }
    }

    fn unknown(why: &str) -> Self {
        Self::now(Outcome::Unknown(why.into()), false)
    }
}

/// Questions that wait for their turn.
const MAX_WAITING: usize = 1000;

/// One authority's questions and answers. Clones share them.
#[derive(Clone)]
pub(crate) struct Asking(Arc<Inner>);

struct Inner {
    ask: Arc<dyn Ask>,
    settings: OpaqueTokens,
    limits: Limits,
    /// Whose tokens these are, if that is one issuer.
    issuer: Option<Arc<str>>,
    clock: Arc<dyn Clock>,
    stopwatch: Stopwatch,
    kept: KeptAnswers,
    /// What is being asked; who comes later waits for the same answer.
    questions: Mutex<Questions>,
    turns: Arc<Semaphore>,
    back_off: Mutex<BackOff>,
}

type Questions = HashMap<TokenHash, watch::Receiver<Option<Outcome>>>;

impl Asking {
    /// # Errors
    /// If a setting is out of bounds, or there is no SHA-256.
    pub(crate) fn new(
        settings: OpaqueTokens,
        ask: Arc<dyn Ask>,
        limits: Limits,
        issuer: Option<Arc<str>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        settings.check()?;
        if crate::crypto::sha256(b"").is_none() {
            return Err(ConfigError::no_backend());
        }
        Ok(Self(Arc::new(Inner {
            ask,
            limits,
            issuer,
            clock,
            stopwatch: Stopwatch::start(),
            kept: KeptAnswers::new(&settings)?,
            questions: Mutex::default(),
            turns: Arc::new(Semaphore::new(settings.in_flight)),
            back_off: Mutex::default(),
            settings,
        })))
    }

    /// What is known of a token, or will be.
    pub(crate) fn find(&self, token: &[u8]) -> Found {
        let inner = &self.0;
        if !is_b64token(token) {
            return Found::now(Outcome::Malformed, false);
        }
        let text = std::str::from_utf8(token).ok();
        let Some(token) = text.and_then(OpaqueToken::new) else {
            return Found::unknown("there is no SHA-256");
        };
        let name = token.sha256();
        if let Some(outcome) = inner.kept(&name) {
            return Found::now(outcome, true);
        }
        let mut questions = inner.questions();
        if let Some(answer) = questions.get(&name).cloned() {
            drop(questions);
            return self.wait_for(answer);
        }
        // Somebody's question may have been answered since the first look.
        if let Some(outcome) = inner.kept(&name) {
            return Found::now(outcome, true);
        }
        if inner.back_off().is_quiet(inner.stopwatch.elapsed()) {
            return Found::unknown("the last questions failed, so nobody is asked for a while");
        }
        if questions.len() >= inner.settings.in_flight + MAX_WAITING {
            return Found::unknown("too many questions wait already");
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            trace::error!("to ask about an opaque token needs a tokio runtime");
            return Found::unknown("there is no tokio runtime to ask on");
        };
        let (tell, answer) = watch::channel(None);
        questions.insert(name, answer.clone());
        drop(questions);
        let question = Question { inner: Arc::clone(inner), name, tell };
        // On a task of its own: a client that hangs up cancels nothing for the others.
        runtime.spawn(question.run(token));
        self.wait_for(answer)
    }

    /// What is kept of a token's claims, for the developer at the desk.
    pub(crate) fn claims_at_hand(&self, token: &str) -> Option<Arc<str>> {
        match self.0.kept(&OpaqueToken::new(token)?.sha256()) {
            Some(Outcome::Active(claims)) => Some(claims),
            _ => None,
        }
    }

    fn wait_for(&self, mut answer: watch::Receiver<Option<Outcome>>) -> Found {
        let time = self.0.settings.answer_time;
        let outcome = NowOrLater::later(async move {
            match tokio::time::timeout(time, answer.wait_for(Option::is_some)).await {
                Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(gone),
                Ok(Err(_)) => gone(),
                Err(_) => Outcome::Unknown(format!("no answer within {time:?}").into()),
            }
        });
        Found { outcome, was_kept: false }
    }
}

fn gone() -> Outcome {
    Outcome::Unknown("whoever asked is gone".into())
}

impl Inner {
    fn kept(&self, name: &TokenHash) -> Option<Outcome> {
        let kept = self.kept.get(name, self.stopwatch.elapsed(), self.clock.now())?;
        Some(kept.map_or(Outcome::NotActive, |answer| Outcome::Active(answer.claims)))
    }

    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn back_off(&self) -> MutexGuard<'_, BackOff> {
        self.back_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeeded(&self) {
        if self.back_off().succeeded() {
            trace::info!(asked = ?self.ask, "questions about opaque tokens are answered again");
        }
    }

    fn failed(&self, error: &AskError) {
        let mut chance = [128];
        let _ = getrandom::fill(&mut chance);
        let [chance] = chance;
        let now = self.stopwatch.elapsed();
        self.back_off().failed(now, error.retry_after, chance);
    }
}

/// A question that is open; it is closed however it ends, by a panic of the user's function too.
struct Question {
    inner: Arc<Inner>,
    name: TokenHash,
    tell: watch::Sender<Option<Outcome>>,
}

impl Question {
    async fn run(self, token: OpaqueToken) {
        if let Some(outcome) = self.answered(token).await {
            self.tell.send_replace(Some(outcome));
        }
    }

    /// `None` if nobody waits any longer.
    async fn answered(&self, token: OpaqueToken) -> Option<Outcome> {
        let inner = &*self.inner;
        let time = inner.settings.answer_time;
        let Ok(Ok(_turn)) = tokio::time::timeout(time, inner.turns.acquire()).await else {
            return Some(Outcome::Unknown("too many questions were before this one".into()));
        };
        if self.is_abandoned() {
            return None;
        }
        let (asked_at, clock_then) = (inner.stopwatch.elapsed(), inner.clock.now());
        if !inner.back_off().may_ask(asked_at, time) {
            return Some(Outcome::Unknown(
                "the questions before failed, so nobody is asked for a while".into(),
            ));
        }
        let answered = match tokio::time::timeout(time, inner.ask.ask(token)).await {
            Ok(answered) => answered,
            Err(_) => Err(AskError::down(format!("no answer within {time:?}"))),
        };
        let issuer = inner.issuer.as_deref();
        let read = answered.and_then(|asked| {
            // It was answered: what one token's answer lacks must not silence the questions about others.
            answer::read(asked, &inner.limits, issuer).map_err(AskError::of_this_token)
        });
        match read {
            Ok(answer) => {
                inner.succeeded();
                let kept_for = match &answer {
                    Some(answer) => {
                        let left = answer.expires.map(|expires| expires.saturating_since(clock_then));
                        left.map_or(inner.settings.kept_for, |left| left.min(inner.settings.kept_for))
                    }
                    None => inner.settings.refusals_kept_for,
                };
                let outcome = match &answer {
                    Some(answer) => Outcome::Active(Arc::clone(&answer.claims)),
                    None => Outcome::NotActive,
                };
                if !kept_for.is_zero() {
                    inner.kept.insert(self.name, answer, asked_at + kept_for);
                }
                Some(outcome)
            }
            Err(error) => {
                if error.is_down {
                    trace::warn!(asked = ?inner.ask, error = %error.why, "a question about an opaque token failed");
                    inner.failed(&error);
                } else {
                    // Not louder, because clients choose the token.
                    trace::debug!(asked = ?inner.ask, error = %error.why, "an opaque token cannot be judged");
                    inner.succeeded();
                }
                Some(Outcome::Unknown(error.why.into()))
            }
        }
    }

    /// Whether all who waited are gone; then nobody finds this question any longer.
    fn is_abandoned(&self) -> bool {
        let mut questions = self.inner.questions();
        // One receiver is that of the map.
        let abandoned = self.tell.receiver_count() <= 1;
        if abandoned {
            questions.remove(&self.name);
        }
        abandoned
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let mut questions = self.inner.questions();
        if questions.get(&self.name).is_some_and(|answer| answer.same_channel(&self.tell.subscribe())) {
            questions.remove(&self.name);
        }
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("ask", &self.0.ask)
            .field("settings", &self.0.settings)
            .field("kept", &self.0.kept)
            .finish_non_exhaustive()
    }
}
