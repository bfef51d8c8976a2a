//! Identities of programs: jobs, pods, services, and what stands in front of them.

use super::arguments::{self as arg, or_failed};
use super::table;
use crate::error::ConfigError;
use crate::keys::RemoteKeys;
use crate::verify::{Authority, ClaimRule};

/// GitHub Actions on github.com: jobs in repositories of the owner with this numeric id.
///
/// Requires `iss`, your audience, the owner in `repository_owner_id`, and a `repository_id`. No scopes, no roles.
///
/// Traps:
/// * The issuer signs for everybody: the owner alone keeps strangers out. `gh api users/OWNER --jq .id` tells the id.
/// * Names change hands, ids do not; `sub` has more than one form. Never compare the beginning of `sub` or `repository`.
/// * The audience is whatever the job asks for: take one that is yours alone, not the default (the owner's URL).
/// * Every repository and branch of the owner passes. Narrow it by a check, as below.
///
/// ```
/// use tower_jwt_auth::{AuthError, Principal, Reason, provider};
///
/// let authority = provider::github_actions("9919").audience("https://deploy.example.com").check(
///     |job: &Principal| {
///         let is = |claim, value: &str| job.claim::<String>(claim).as_deref() == Some(value);
///         match is("repository_id", "74") && is("environment", "production") {
///             true => Ok(()),
///             false => Err(AuthError::new(Reason::InvalidClaim).with_claim("repository_id")),
///         }
///     },
/// );
/// ```
pub fn github_actions(owner_id: &str) -> Authority {
    or_failed(arg::digits("owner_id", owner_id).map(|owner| {
        table::GITHUB_ACTIONS
            .of_issuer("https://token.actions.githubusercontent.com")
            .demand("/repository_owner_id", ClaimRule::is(owner))
    }))
}

/// GitLab CI: jobs in projects of the namespace (group or user) with this numeric id, on the GitLab at this URL.
///
/// Requires `iss`, your audience, the namespace in `namespace_id`, a `project_id` and a `job_id`. No scopes, no roles.
///
/// Traps:
/// * gitlab.com signs for everybody: the namespace alone keeps strangers out.
/// * A subgroup is a namespace of its own, and not that of its parent.
/// * Every branch passes: check `ref_protected` (the string `true`) before you let a job deploy.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::gitlab_ci("https://gitlab.com", "72").audience("https://deploy.example.com");
/// ```
pub fn gitlab_ci(url: &str, namespace_id: &str) -> Authority {
    let made = || {
        let url = arg::base_url("url", url, "https://gitlab.com")?;
        let namespace = arg::digits("namespace_id", namespace_id)?;
        Ok(table::GITLAB_CI.of_issuer(url).demand("/namespace_id", ClaimRule::is(namespace)))
    };
    or_failed(made())
}

/// Kubernetes: tokens of service accounts of this namespace, from the cluster with this issuer
/// (`--service-account-issuer`).
///
/// Requires `iss`, your audience, the namespace in `kubernetes.io` and in `sub`. No scopes, no roles; `sub` is
/// `system:serviceaccount:`, the namespace, `:`, the account.
///
/// Traps:
/// * Give your service an audience of its own, and project a token for it into the pods; the default token is for the API server.
/// * Keys within the cluster need its certificate authority, and mostly a token: hand a client of your own to
///   [`Authority::remote_keys`].
/// * Legacy tokens (from secrets) have no audience and never expire; they are refused.
/// * That a pod or account was deleted is known to `TokenReview` alone: ask for short lifetimes.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let cluster = "https://oidc.eks.eu-west-1.amazonaws.com/id/D48675832CA65BD10A532F597OIDCID";
/// let authority = provider::kubernetes(cluster, "payments").audience("orders-api");
/// ```
pub fn kubernetes(issuer: &str, namespace: &str) -> Authority {
    let made = || {
        let issuer = arg::issuer_url("issuer", issuer, "https://kubernetes.default.svc.cluster.local")?;
        let namespace = arg::label("namespace", namespace, "payments")?;
        Ok(table::KUBERNETES
            .of_issuer(issuer)
            .demand("/kubernetes.io/namespace", ClaimRule::is(namespace))
            .demand("/sub", ClaimRule::BeginsWith(format!("system:serviceaccount:{namespace}:"))))
    };
    or_failed(made())
}

/// SPIFFE: JWT-SVIDs of this trust domain, whose bundle (or the JWK set of its discovery provider) is at this URL.
///
/// Requires your audience, and a SPIFFE ID of the trust domain in `sub`. `iss` may be anything, as the specification says, so
/// it has to be the only authority of its verifier.
///
/// Traps:
/// * Every workload of the trust domain passes. Its identity is in `sub`; compare it whole.
/// * A JWT-SVID is a bearer token, and every service that receives it can use it: keep audiences narrow.
/// * A bundle that became empty means that all keys are withdrawn; here the last keys serve until
///   [`RemoteKeys::stale`] is over.
/// * `typ` of `JOSE`, which is allowed, and ES512, which not every backend has, are refused.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::spiffe("example.org", "https://spire.example.org/bundle").audience("orders-api");
/// ```
pub fn spiffe(trust_domain: &str, bundle: impl Into<RemoteKeys>) -> Authority {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_');
    if trust_domain.is_empty() || trust_domain.len() > 255 || !trust_domain.bytes().all(fits) {
        let problem = format!("{trust_domain:?} is not the name of a trust domain");
        let remedy = "give the name alone, such as example.org";
        return Authority::failed(ConfigError::new("trust_domain", problem, remedy));
    }
    let ids = ClaimRule::BeginsWith(format!("spiffe://{trust_domain}/"));
    table::SPIFFE.of_keys_at(bundle).any_issuer().demand("/sub", ids)
}

/// Cloudflare Access: application tokens of this team (`example` of `example.cloudflareaccess.com`) for the application
/// with this Audience tag.
///
/// Requires `iss`, the tag in `aud`, and `type` of `app`. No scopes, no roles.
///
/// Traps:
/// * The token is not in `Authorization` but in the header `Cf-Access-Jwt-Assertion`, which the example reads.
/// * All applications of a team share issuer and keys: the tag alone tells them apart.
/// * A service token has an empty `sub`; it is told by `common_name`.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Claims, JwtAuthLayer, TokenSource, Verifier, provider};
///
/// let tag = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";
/// let verifier = Verifier::<Claims>::new(provider::cloudflare_access("example", tag))?;
/// let layer = JwtAuthLayer::new(verifier).token_from([TokenSource::header("cf-access-jwt-assertion")?]);
/// # Ok(()) }
/// ```
pub fn cloudflare_access(team: &str, audience_tag: &str) -> Authority {
    let made = || {
        let team = arg::label("team", team, "example")?;
        let is_tag = audience_tag.len() == 64 && audience_tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_tag {
            let problem = format!("{audience_tag:?} is not 64 hexadecimal digits");
            return Err(ConfigError::new(
                "audience_tag",
                problem,
                "copy the tag from the application's settings",
            ));
        }
        let issuer = format!("https://{team}.cloudflareaccess.com");
        let keys = format!("{issuer}/cdn-cgi/access/certs");
        let authority = table::CLOUDFLARE_ACCESS.of_keys_at(keys).issuer(issuer).audience(audience_tag);
        Ok(authority.demand("/type", ClaimRule::is("app")))
    };
    or_failed(made())
}
