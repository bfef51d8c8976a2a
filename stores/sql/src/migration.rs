//! What makes the tables.

/// A step that makes or changes the tables: `migrations()` of the stores lists them, to be run by hand.
///
/// The SQL is complete: run it in one transaction, in the order of the versions. It notes its version in the table
/// `tower_jwt_auth_migrations`, so the stores do not run it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    version: i32,
    sql: &'static str,
}

impl Migration {
    #[cfg(any(feature = "postgres", feature = "__sqlite"))]
    pub(crate) const fn new(version: i32, sql: &'static str) -> Self {
        Self { version, sql }
    }

    /// Its number; the first one is 1.
    #[must_use]
    pub const fn version(&self) -> i32 {
        self.version
    }

    /// The statements.
    #[must_use]
    pub const fn sql(&self) -> &'static str {
        self.sql
    }
}
