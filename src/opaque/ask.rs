//! The seam to whoever knows what a token means.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::token::OpaqueToken;
use crate::error::ConfigError;
use crate::runtime::Clock;

/// What was said about a token, not judged yet.
pub(crate) enum AskedText {
    /// The JSON of its claims.
    Claims(String),
    /// A member `active` has to say whether the JSON counts.
    #[cfg_attr(not(feature = "introspection"), allow(dead_code))]
    ClaimsIfActive(String),
    NotActive,
}

/// Nothing can be said about a token just now.
#[derive(Debug)]
pub(crate) struct AskError {
    /// Why, for the log. Never with the token.
    pub(crate) why: String,
    /// Whether the next question has little hope either.
    pub(crate) is_down: bool,
    /// How long it wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl AskError {
    /// Whoever is asked does not answer.
    pub(crate) fn down(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { why: with_causes(&*error.into()), is_down: true, retry_after: None }
    }

    /// There is no good answer about this one token.
    pub(crate) fn of_this_token(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_down: false, retry_after: None }
    }
}

fn with_causes(error: &(dyn Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<AskedText, AskError>> + Send>>;

/// Whoever knows what tokens mean.
pub(crate) trait Ask: fmt::Debug + Send + Sync + 'static {
    fn ask(&self, token: OpaqueToken) -> Answering;
}

/// The settings of one, which are checked when the verifier is built.
pub(crate) trait AskedParty: fmt::Debug + Send + Sync + 'static {
    /// # Errors
    /// If a setting is missing or cannot be used.
    fn ready(self: Box<Self>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Ask>, ConfigError>;
}

/// A function of the user's.
pub(crate) struct Function(Box<dyn Fn(OpaqueToken) -> Answering + Send + Sync>);

impl Function {
    pub(crate) fn new<F, Fut, T, E>(ask: F) -> Self
    where
        F: Fn(OpaqueToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<T>, E>> + Send + 'static,
        T: Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Box::new(move |token| {
            let answering = ask(token);
            Box::pin(async move {
                match answering.await.map_err(AskError::down)? {
                    None => Ok(AskedText::NotActive),
                    Some(claims) => serde_json::to_string(&claims).map(AskedText::Claims).map_err(|error| {
                        AskError::of_this_token(format!("the claims cannot be written as JSON: {error}"))
                    }),
                }
            })
        }))
    }
}

impl Ask for Function {
    fn ask(&self, token: OpaqueToken) -> Answering {
        (self.0)(token)
    }
}

impl AskedParty for Function {
    fn ready(self: Box<Self>, _: &Arc<dyn Clock>) -> Result<Arc<dyn Ask>, ConfigError> {
        Ok(Arc::new(*self))
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function(..)")
    }
}
