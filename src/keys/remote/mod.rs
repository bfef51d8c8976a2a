//! Keys from elsewhere: fetched in the background, read without a lock.

mod document;
mod driver;
mod fetch;
mod guard;
mod health;
mod http;
mod kept;
mod settings;
mod source;
mod state;
mod sync;

pub use fetch::{Fetch, FetchError};
pub use health::KeyHealth;
pub use http::HttpFetch;
pub(crate) use settings::Found;
pub use settings::RemoteKeys;
