//! Tokens that say nothing by themselves: which they are, and what was answered about them. Nothing in here knows of HTTP, nor of
//! the policy that judges an answer.

mod answer;
mod ask;
mod asking;
mod back_off;
mod kept_answers;
mod rule;
mod settings;
mod token;

#[cfg(feature = "introspection")]
pub(crate) use answer::MAX_ANSWER_BYTES;
#[cfg(feature = "introspection")]
pub(crate) use ask::{Answering, Ask, AskError, AskedText};
pub(crate) use ask::{AskedParty, Function};
pub(crate) use asking::{Asking, Outcome};
pub(crate) use rule::Rule;
pub use settings::OpaqueTokens;
pub use token::OpaqueToken;
