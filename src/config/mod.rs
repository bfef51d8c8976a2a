//! Configuration by a TOML file and by environment variables.

#[allow(clippy::module_inception)]
mod config;
mod environment;
mod make;
mod names;
mod reader;
mod schema;
mod settings;
mod values;

pub use config::Config;
