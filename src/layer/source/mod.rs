//! Where the token is in a request: one file a place.

mod authorization;
#[cfg(feature = "cookie")]
mod cookie;
#[cfg(feature = "cookie")]
mod csrf;
pub(super) mod header;
mod query;
mod request_head;
#[cfg(feature = "cookie")]
mod token_cookie;
mod token_source;
mod websocket;

#[cfg(feature = "cookie")]
pub use self::csrf::Csrf;
pub use self::query::redacted_uri;
pub(super) use self::request_head::Credential;
pub use self::request_head::RequestHead;
#[cfg(feature = "cookie")]
pub use self::token_cookie::TokenCookie;
pub use self::token_source::TokenSource;
pub(super) use self::token_source::{find, remove};
