//! Issuers that are only known at run time.

mod known;
mod settings;
mod table;

pub(super) use self::known::KnownTenants;
pub use self::settings::Tenants;
pub(super) use self::table::Tenant;
