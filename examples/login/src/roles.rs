//! Who may do what, as policies that handlers name in their signatures.

use tower_jwt_auth::{Policy, Require};

use crate::users::Role;

/// May list notes.
#[derive(Debug)]
pub struct Read;
/// May create notes.
#[derive(Debug)]
pub struct Write;
/// May delete notes, list users and change their roles.
#[derive(Debug)]
pub struct Administer;

impl Policy for Read {
    fn require() -> Require {
        Require::role(Role::Reader.as_str())
    }
}

impl Policy for Write {
    fn require() -> Require {
        Require::role(Role::Writer.as_str())
    }
}

impl Policy for Administer {
    fn require() -> Require {
        Require::role(Role::Admin.as_str())
    }
}
