//! Configuration by a TOML file and by environment variables.

mod authority;
mod check;
#[allow(clippy::module_inception)]
mod config;
mod environment;
mod layer;
mod names;
mod reader;
mod reload;
mod schema;
mod settings;
mod values;

pub use config::Config;
pub use reload::{ReloadableAuth, ReloadableLayer};
