//! Proxies that log users in, and tell the service behind them who they are in a header of their own.

use super::arguments::{self as arg, or_failed};
use super::table;
use crate::error::{ConfigError, Reason};
use crate::keys::RemoteKeys;
use crate::verify::{Authority, ClaimRule, HeaderRule, HeaderRules};

/// AWS Application Load Balancer: the users that one of these balancers has logged in, by its header `x-amzn-oidc-data`, at the
/// provider with this issuer, for the client with this id.
///
/// Requires in the token's header `signer` (one of the ARNs, which are those of one region), `iss`, `client` and `exp`; the claims
/// are those of the provider's user info. The key of each `kid` is fetched when a token first names it. It has to be the only
/// authority of its verifier.
///
/// Traps:
/// * Every customer's balancers sign with keys at the same URL: `signer` alone tells yours apart.
/// * Whoever reaches the service past the balancer can send what a balancer once signed: let its security group in alone.
/// * The segments are padded with `=`, against RFC 7515 section 2, and other libraries refuse or repair them. Here padding is taken from
///   this balancer, which must pad, and from nobody else.
/// * `x-amzn-oidc-identity` beside it is not signed. `x-amzn-oidc-accesstoken` is the provider's own token, for its own preset.
/// * After a `kid` that is unknown, no other is looked up for [`RemoteKeys::cooldown`].
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Claims, JwtAuthLayer, TokenSource, Verifier, provider};
///
/// let balancer = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188";
/// let authority = provider::aws_alb([balancer], "https://id.example.com", "orders-web");
/// let verifier = Verifier::<Claims>::new(authority)?;
/// let layer = JwtAuthLayer::new(verifier).token_from([TokenSource::header("x-amzn-oidc-data")?]);
/// # Ok(()) }
/// ```
pub fn aws_alb<S: AsRef<str>>(
    load_balancers: impl IntoIterator<Item = S>,
    issuer: &str,
    client_id: &str,
) -> Authority {
    let made = || {
        let arns = arg::several("load_balancers", load_balancers, "name the ARNs of your load balancers")?;
        let issuer = arg::issuer_url("issuer", issuer, "https://id.example.com")?;
        let client = arg::named("client_id", client_id, "give the client id that the load balancer has")?;
        let mut keys = arns.iter().map(|arn| alb_keys(arn));
        let url = keys.next().unwrap_or_else(|| alb_keys(""))?;
        for (arn, other) in arns.iter().skip(1).zip(keys) {
            if other? != url {
                let problem = format!("{arn:?} is of another region");
                let remedy = "make a verifier for each region";
                return Err(ConfigError::new("load_balancers", problem, remedy));
            }
        }
        let rule = |name, one_of, reason| HeaderRule { name, one_of, reason };
        let members = vec![
            rule("signer", arns, Reason::InvalidClaim),
            rule("iss", vec![issuer.to_owned()], Reason::UnknownIssuer),
            rule("client", vec![client.to_owned()], Reason::WrongAudience),
        ];
        Ok(Authority::of_load_balancer(RemoteKeys::new(url), HeaderRules { members }))
    };
    or_failed(made())
}

/// What stands before the `kid` in the URL of a key of this balancer.
fn alb_keys(arn: &str) -> Result<String, ConfigError> {
    let refused = || {
        let remedy = "copy the ARN of the Application Load Balancer, such as \
                      arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188";
        ConfigError::new("load_balancers", format!("{arn:?} is not the ARN of one"), remedy)
    };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "elasticloadbalancing", region, account, resource] = parts.as_slice() else {
        return Err(refused());
    };
    let name = resource.strip_prefix("loadbalancer/app/").and_then(|name| name.split_once('/'));
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_good = name.is_some_and(|(name, id)| is_word(name) && is_word(id))
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit());
    if !is_good || arg::label("region", region, "eu-west-1").is_err() {
        return Err(refused());
    }
    match *partition {
        "aws" => Ok(format!("https://public-keys.auth.elb.{region}.amazonaws.com/")),
        "aws-us-gov" => Ok(format!("https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}/")),
        _ => Err(refused()),
    }
}

/// Google Identity-Aware Proxy: the users that it lets through to the backend with this audience, by its header
/// `x-goog-iap-jwt-assertion`.
///
/// Requires `iss` of `https://cloud.google.com/iap`, the audience, and `email`. No scopes, no roles; a user is `sub`.
///
/// Traps:
/// * The issuer and the keys are those of everybody's proxies: the audience alone tells yours apart.
/// * The audience has the number of the project, not its name: `/projects/`, the number, `/global/backendServices/` and an id behind a
///   load balancer, `/apps/` and the project's name on App Engine, `/locations/`, a region, `/services/` and a name on Cloud Run.
/// * `x-goog-authenticated-user-email` beside it is not signed.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Claims, JwtAuthLayer, TokenSource, Verifier, provider};
///
/// let authority = provider::google_iap("/projects/123456789/global/backendServices/987654321");
/// let verifier = Verifier::<Claims>::new(authority)?;
/// let layer = JwtAuthLayer::new(verifier).token_from([TokenSource::header("x-goog-iap-jwt-assertion")?]);
/// # Ok(()) }
/// ```
pub fn google_iap(audience: &str) -> Authority {
    let made = || {
        let parts: Vec<&str> = audience.split('/').collect();
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_good = match parts.as_slice() {
            ["", "projects", project, "global", "backendServices", id] => number(project) && number(id),
            ["", "projects", project, "apps", name] => number(project) && !name.is_empty(),
            ["", "projects", project, "locations", region, "services", name] => {
                number(project) && !region.is_empty() && !name.is_empty()
            }
            _ => false,
        };
        if !is_good {
            let remedy = "copy the signed header's audience, such as /projects/123456789/global/backendServices/987654321";
            let problem = format!("{audience:?} is not the audience of a backend");
            return Err(ConfigError::new("audience", problem, remedy));
        }
        let keys = "https://www.gstatic.com/iap/verify/public_key-jwk";
        let authority = table::GOOGLE_IAP.of_keys_at(keys).issuer("https://cloud.google.com/iap");
        Ok(authority.audience(audience))
    };
    or_failed(made())
}

/// Azure App Service and Container Apps: ID tokens of users whom their built-in authentication has logged in at the Entra tenant with this
/// GUID, for the app registration with this client id, by the header `x-ms-token-aad-id-token`.
///
/// Requires `iss` and `tid` of the tenant, `ver` of `2.0`, and the client id in `aud`. No scopes, no roles.
///
/// Traps:
/// * `x-ms-client-principal` and its relatives beside it are not signed: whoever reaches the container past the front end can write them.
/// * The token store must be on, or there is no such header. The token is not renewed by itself, and then it expires.
/// * An API that clients call with a token in `Authorization` wants [`entra`](super::entra).
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Claims, JwtAuthLayer, TokenSource, Verifier, provider};
///
/// let authority = provider::azure_app_service(
///     "8eaef023-2b34-4da1-9baa-8bc8c9d6a490",
///     "ef1da9d4-ff77-4c3e-a005-840c3f830745",
/// );
/// let verifier = Verifier::<Claims>::new(authority)?;
/// let layer = JwtAuthLayer::new(verifier).token_from([TokenSource::header("x-ms-token-aad-id-token")?]);
/// # Ok(()) }
/// ```
pub fn azure_app_service(tenant: &str, client_id: &str) -> Authority {
    let made = || {
        let tenant = arg::guid("tenant", tenant)?;
        let client = arg::named("client_id", client_id, "give the client id of the app registration")?;
        let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let authority = table::AZURE_APP_SERVICE.of_issuer(issuer).audience(client);
        Ok(authority.demand("/tid", ClaimRule::is(tenant)).demand("/ver", ClaimRule::is("2.0")))
    };
    or_failed(made())
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
