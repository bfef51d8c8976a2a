//! Identities of programs: jobs, pods, services.

use std::path::PathBuf;

use super::arguments::{self as arg, or_failed};
use super::table;
use crate::error::ConfigError;
use crate::jose::{self, Compact, FirstMember, Limits, Padding};
use crate::keys::{HttpFetch, RemoteKeys};
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
/// * Keys within the cluster need its certificate authority, and mostly a token: [`kubernetes_in_cluster`].
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
        kubernetes_of(issuer.into(), namespace)
    };
    or_failed(made())
}

fn kubernetes_of(keys: RemoteKeys, namespace: &str) -> Result<Authority, ConfigError> {
    let namespace = arg::label("namespace", namespace, "payments")?;
    Ok(table::KUBERNETES
        .of_issuer(keys)
        .demand("/kubernetes.io/namespace", ClaimRule::is(namespace))
        .demand("/sub", ClaimRule::BeginsWith(format!("system:serviceaccount:{namespace}:"))))
}

/// What a pod is told of its cluster: the files of its service account, and where the API server is.
#[derive(Clone, Debug)]
#[must_use = "give it to kubernetes_in_cluster"]
pub struct Pod {
    files: PathBuf,
    api_server: Option<String>,
}

impl Pod {
    /// This pod: the files in `/var/run/secrets/kubernetes.io/serviceaccount`, and the API server that
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` name.
    pub fn new() -> Self {
        Self { files: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"), api_server: None }
    }

    /// Takes `token` and `ca.crt` from this directory, where a projected volume is mounted.
    pub fn files_in(mut self, directory: impl Into<PathBuf>) -> Self {
        self.files = directory.into();
        self
    }

    /// Asks this API server, such as `https://kubernetes.default.svc`.
    pub fn api_server(mut self, url: impl Into<String>) -> Self {
        self.api_server = Some(url.into());
        self
    }

    /// The keys of the cluster, of which the API server is asked, and the issuer, which the pod's own token names.
    fn keys(&self) -> Result<RemoteKeys, ConfigError> {
        let refused = |problem: String| {
            let remedy = "run it in a pod that has a service account, or say where the files are with Pod::files_in(..)";
            ConfigError::new("pod", problem, remedy)
        };
        let read = |name: &str| {
            let path = self.files.join(name);
            std::fs::read(&path).map_err(|error| refused(format!("{}: {error}", path.display())))
        };
        let (token, authorities) = (read("token")?, read("ca.crt")?);
        let issuer =
            issuer_of(&token).ok_or_else(|| refused("the pod's own token names no issuer".to_owned()))?;
        let server = match &self.api_server {
            Some(url) => arg::base_url("api_server", url, "https://kubernetes.default.svc")?.to_owned(),
            None => {
                let variable = |name| {
                    std::env::var(name).map_err(|_| {
                        let remedy = "run it in a pod, or name the server with Pod::api_server(..)";
                        ConfigError::new("pod", format!("{name} is not set"), remedy)
                    })
                };
                let (host, port) =
                    (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
                // IPv6.
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                format!("https://{host}:{port}")
            }
        };
        let fetch = HttpFetch::builder()
            .root_certificates(authorities)
            .only_root_certificates()
            .bearer_token_file(&server, self.files.join("token"))
            .no_proxy()
            .build()?;
        Ok(RemoteKeys::new(issuer).jwks_url(format!("{server}/openid/v1/jwks")).fetch(fetch))
    }
}

impl Default for Pod {
    fn default() -> Self {
        Self::new()
    }
}

/// `iss` of the pod's own token, which the kubelet put there: nobody else's word is taken.
fn issuer_of(token: &[u8]) -> Option<String> {
    let compact = Compact::split(token.trim_ascii(), &Limits::default(), Padding::Refused).ok()?;
    let payload = jose::decode_vec(std::str::from_utf8(compact.payload).ok()?)?;
    match jose::first_member(&payload, "iss", usize::MAX) {
        FirstMember::Text(issuer) => Some(issuer.into_owned()),
        _ => None,
    }
}

/// Kubernetes, from within the cluster: tokens of service accounts of this namespace, with keys from the API server.
///
/// As [`kubernetes`], but all that is needed is in the pod: the issuer stands in the pod's own token, and the API server is asked for
/// the keys (`/openid/v1/jwks`), with the certificate authority and the token of the pod's files. The token is read again for each
/// fetch, since the kubelet rotates it.
///
/// Traps:
/// * Every service account may ask for the keys only where RBAC binds `system:service-account-issuer-discovery` to
///   `system:serviceaccounts`, as clusters do by default. Otherwise the API server answers 403.
/// * Tokens for your service need an audience of its own, as with [`kubernetes`].
///
/// ```no_run
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::provider::{self, Pod};
/// use tower_jwt_auth::{Claims, Verifier};
///
/// let authority = provider::kubernetes_in_cluster(&Pod::new(), "payments").audience("orders-api");
/// let verifier = Verifier::<Claims>::new(authority)?;
/// # Ok(()) }
/// ```
pub fn kubernetes_in_cluster(pod: &Pod, namespace: &str) -> Authority {
    or_failed(pod.keys().and_then(|keys| kubernetes_of(keys, namespace)))
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
