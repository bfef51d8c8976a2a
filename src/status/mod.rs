//! Token Status Lists (draft-ietf-oauth-status-list): whether the issuer has revoked a token that is good otherwise.

mod allowed;
mod check;
mod driver;
mod entry;
mod inflate;
mod list;
mod list_token;
mod loader;
mod reference;
mod schedule;
mod shared;
mod status_lists;
mod table;

pub use status_lists::StatusLists;
