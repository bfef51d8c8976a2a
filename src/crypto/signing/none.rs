//! No backend is on: there are no keys to sign with.

use crate::crypto::private::PrivateMaterial;
use crate::crypto::{KeyError, KeyMaterial};
use crate::jose::Algorithm;

pub(super) enum Key {}

pub(super) fn generate(_: Algorithm) -> Option<PrivateMaterial> {
    None
}

impl Key {
    pub(super) fn new(_: &PrivateMaterial, _: Algorithm) -> Result<(Self, KeyMaterial), KeyError> {
        Err(KeyError::new("no cryptography is compiled in; turn on the feature aws-lc-rs or rust-crypto"))
    }

    pub(super) fn sign(&self, _: &[u8]) -> Option<Vec<u8>> {
        match *self {}
    }
}
