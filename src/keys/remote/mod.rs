//! Keys from elsewhere: fetched in the background, read without a lock.

mod by_kid;
mod document;
mod endpoint;
mod fetch;
mod guard;
mod health;
mod http;
mod http_builder;
mod http_credentials;
mod measured_as;
mod persisted;
mod settings;
mod source;
mod state;
mod sync;
mod url_rules;

#[cfg(feature = "status-list")]
pub(crate) use document::{Failure, body_of, short};
pub(crate) use endpoint::KeyEndpoint;
#[cfg(feature = "status-list")]
pub(crate) use endpoint::without_query;
pub use fetch::{Fetch, FetchError};
pub use health::KeyHealth;
pub use http::HttpFetch;
pub use http_builder::HttpFetchBuilder;
pub use settings::RemoteKeys;
#[cfg(feature = "status-list")]
pub(crate) use source::spread;
#[cfg(any(feature = "introspection", feature = "status-list"))]
pub(crate) use url_rules::UrlRules;
