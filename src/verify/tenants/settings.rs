//! Issuers that are only known at run time.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::error::ConfigError;
use crate::runtime::NowOrLater;
use crate::verify::authority::Authority;

/// Issuers that are only known at run time, such as one for each customer: asked for a token's `iss`, your function
/// says whether it is trusted, and as what.
///
/// Your function gets the `iss` of a token whose signature has not been checked yet. That `iss` only chooses an authority,
/// which then requires exactly this issuer. Return one for issuers that you know and for no others: an attacker who can choose a trusted issuer
/// can sign tokens, and have this service fetch from their own hosts. A pattern such as `https://*.example.com`
/// is only as good as the names that others can get there.
///
/// A yes counts for five minutes ([`Tenants::trusted_for`]). After a no, each token asks again. While your function cannot
/// answer, tokens of tenants that are not known yet get 503, and the log has the error (feature `tracing`).
///
/// Each tenant has keys, cooldown and failures of its own, so that one whose provider is down hurts no other. Keys are
/// fetched from public addresses alone, and without a proxy, unless the authority has a
/// [`Fetch`](crate::RemoteKeys::fetch) of its own.
///
/// ```
/// # #[cfg(feature = "oidc")]
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Authority, Claims, Tenants, Verifier};
///
/// # #[derive(Clone)] struct Customers;
/// # struct Customer { audience: String }
/// # impl Customers { async fn by_issuer(&self, _: &str) -> std::io::Result<Option<Customer>> { Ok(None) } }
/// # let customers = Customers;
/// let tenants = Tenants::new_async(move |issuer| {
///     let customers = customers.clone();
///     async move {
///         let customer = customers.by_issuer(&issuer).await?; // none: not trusted
///         Ok(customer.map(|customer| Authority::oidc(issuer).audience(customer.audience)))
///     }
/// });
/// let verifier = Verifier::<Claims>::builder().tenants(tenants).build()?;
/// // A customer leaves, and your database knows:
/// let was_known = verifier.forget_tenant("https://id.customer.example");
/// # Ok(()) }
/// # #[cfg(not(feature = "oidc"))] fn main() {}
/// ```
#[must_use = "give it to a VerifierBuilder"]
pub struct Tenants {
    pub(super) resolve: Resolve,
    pub(super) limit: usize,
    pub(super) trusted_for: Duration,
}

/// Asks the user which authority an issuer is.
pub(super) type Resolve = Box<dyn Fn(&str) -> Resolved + Send + Sync>;
pub(super) type Resolved = NowOrLater<Result<Option<Authority>, Box<dyn Error + Send + Sync>>>;

const MAX_TENANTS: usize = 10_000;
const MAX_TRUSTED_FOR: Duration = Duration::from_secs(24 * 3600);

impl Tenants {
    /// Asks this function for each issuer that is not known yet. `None`: it is not trusted.
    ///
    /// It must answer from memory; [`Tenants::new_async`] is for databases.
    pub fn new<F>(resolve: F) -> Self
    where
        F: Fn(&str) -> Option<Authority> + Send + Sync + 'static,
    {
        Self::of(Box::new(move |issuer| NowOrLater::ready(Ok(resolve(issuer)))))
    }

    /// Asks this function, which may wait, for each issuer that is not known yet. `None`: it is not trusted.
    ///
    /// It needs a tokio runtime with the time driver on. An error, or no answer within the verifier's
    /// [`check_deadline`](crate::VerifierBuilder::check_deadline), refuses the token with 503. Of tokens with the same
    /// issuer only one asks. At most 64 issuers that are new are asked for at once; tokens of others are refused with 503.
    pub fn new_async<F, Fut>(resolve: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Authority>, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Self::of(Box::new(move |issuer| NowOrLater::later(resolve(issuer.to_owned()))))
    }

    fn of(resolve: Resolve) -> Self {
        Self { resolve, limit: 100, trusted_for: Duration::from_secs(300) }
    }

    /// How many tenants are kept: 100 by default, at most 10,000.
    ///
    /// When there is no room, the one goes that never had a good token, or that had none for the longest time; its next
    /// token asks and fetches again, but not within 10 seconds of the last time (503 until then). One that had no token for an
    /// hour goes when another one comes.
    pub fn at_most(mut self, tenants: usize) -> Self {
        self.limit = tenants;
        self
    }

    /// How long an answer counts before it is asked for again: 5 minutes by default, at most 24 hours.
    ///
    /// A tenant that you no longer trust has its tokens accepted for this long, unless you call
    /// [`Verifier::forget_tenant`](crate::Verifier::forget_tenant). When it is confirmed, its rules are those of
    /// the new answer; its keys, and how they are fetched, stay as they were if they come from the same place.
    pub fn trusted_for(mut self, time: Duration) -> Self {
        self.trusted_for = time;
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.limit == 0 || self.limit > MAX_TENANTS {
            let problem = format!("{} is out of bounds", self.limit);
            return Err(ConfigError::new("at_most", problem, "keep 1 to 10,000 tenants"));
        }
        if self.trusted_for.is_zero() || self.trusted_for > MAX_TRUSTED_FOR {
            let problem = format!("{:?} is out of bounds", self.trusted_for);
            return Err(ConfigError::new("trusted_for", problem, "use more than 0 and at most 24 hours"));
        }
        Ok(())
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants")
            .field("at_most", &self.limit)
            .field("trusted_for", &self.trusted_for)
            .finish_non_exhaustive()
    }
}
