//! The seam for keys that live elsewhere.

use std::fmt;

use super::error::SignError;
use crate::keys::KeySet;
use crate::runtime::NowOrLater;

/// Signs with a key that may live elsewhere: in an HSM, behind a key management service.
///
/// [`SigningKey`](crate::SigningKey) is the signer whose key is in memory.
///
/// ```
/// use tower_jwt_auth::{KeySet, NowOrLater, SignError, Signer};
///
/// # #[derive(Clone, Debug)] struct Client;
/// # impl Client { async fn sign(&self, _: &str, _: Vec<u8>) -> std::io::Result<Vec<u8>> { Ok(Vec::new()) } }
/// /// A key that never leaves its service.
/// #[derive(Debug)]
/// struct RemoteKey {
///     client: Client,
///     name: String,
///     public: KeySet, // of exactly one key, with its `kid`: `KeySet::from_pem(..)?.with_kid(..)?`
/// }
///
/// impl Signer for RemoteKey {
///     fn key_set(&self) -> KeySet {
///         self.public.clone()
///     }
///
///     fn sign(&self, message: &[u8]) -> NowOrLater<Result<Vec<u8>, SignError>> {
///         let (client, name, message) = (self.client.clone(), self.name.clone(), message.to_vec());
///         NowOrLater::later(async move { client.sign(&name, message).await.map_err(SignError::signer) })
///     }
/// }
/// ```
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// The public key: a set of exactly one, which has a `kid` and names its algorithm.
    fn key_set(&self) -> KeySet;

    /// The signature over `message`, in the form that RFC 7518 section 3 gives it: for ECDSA the two numbers one after
    /// the other, each of full length, not their DER.
    ///
    /// # Errors
    /// If the key cannot be reached, or refuses. The cause is for the log.
    fn sign(&self, message: &[u8]) -> NowOrLater<Result<Vec<u8>, SignError>>;
}
