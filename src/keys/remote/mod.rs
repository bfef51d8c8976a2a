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

pub(crate) use endpoint::KeyEndpoint;
pub use fetch::{Fetch, FetchError};
pub use health::KeyHealth;
pub use http::HttpFetch;
pub use http_builder::HttpFetchBuilder;
pub use settings::RemoteKeys;
