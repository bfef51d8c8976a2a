//! What can be configured. The comments here are the reference and the schema as well.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Address, AlgorithmName, Bounds, Jwks, MethodName, OneOrMany, Role, Scope, SecretText};

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(title = "Configuration of tower-jwt-auth")]
pub(super) struct Settings {
    /// The trusted issuers, one table for each.
    pub(super) authorities: Vec<AuthoritySettings>,
    /// Upper bounds on what a token may cost.
    pub(super) limits: LimitSettings,
    /// Turns the cache of verified tokens on, if the table is there.
    pub(super) cache: Option<CacheSettings>,
    /// Where the token is, and how the layer answers.
    pub(super) layer: LayerSettings,
    /// What every token must grant.
    pub(super) require: RequireSettings,
    /// What a token must grant on some routes besides, one table for each. The most specific path decides.
    pub(super) routes: Vec<RouteSettings>,
    /// Refuses every path that `routes` does not list.
    pub(super) deny_unlisted: bool,
}

/// A trusted issuer: exactly one origin of keys, and the rules for its tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct AuthoritySettings {
    /// What `iss` must be, compared exactly.
    pub(super) issuer: Option<Address>,
    /// Takes any `iss`, or none. Only with one authority.
    pub(super) any_issuer: bool,
    /// What `aud` must name: one audience, or a list of which one is enough.
    pub(super) audience: Option<OneOrMany>,
    /// Takes any `aud`, or none: a token that was meant for another service will do.
    pub(super) any_audience: bool,
    /// The algorithms that are allowed. Unless set, each key's own, and HS256 for a secret.
    pub(super) algorithms: Option<Vec<AlgorithmName>>,
    /// Origin of keys: a secret for HMAC as base64; or `hex:` and hexadecimal digits; or `raw:` and the bytes themselves.
    pub(super) secret: Option<SecretText>,
    /// Origin of keys: a file with such a secret. A final newline is cut.
    pub(super) secret_file: Option<PathBuf>,
    /// A secret that is taken as well, while the issuer changes over to the other.
    pub(super) previous_secret: Option<SecretText>,
    /// A file with the secret that is taken as well.
    pub(super) previous_secret_file: Option<PathBuf>,
    /// Origin of keys: a JWK set, as JSON text or as a table. Secrets (`oct`) are allowed.
    pub(super) jwks: Option<Jwks>,
    /// Origin of keys: a file with a JWK set. Secrets (`oct`) are allowed.
    pub(super) jwks_file: Option<PathBuf>,
    /// Origin of keys: the URL of a JWK set. With `oidc`, where that set is reached instead of its `jwks_uri`.
    pub(super) jwks_url: Option<Address>,
    /// Origin of keys: the discovery document of `issuer`.
    pub(super) oidc: bool,
    /// The discovery document, if the issuer has another address from here. Only with `oidc`.
    pub(super) discovery_url: Option<Address>,
    /// Origin of keys: a file with a public key or certificate as PEM. `algorithms` names its one algorithm.
    pub(super) pem_file: Option<PathBuf>,
    /// Seconds by which the clocks of issuer and verifier may differ: 30 unless set, at most 300.
    #[schemars(range(min = 0, max = 300))]
    pub(super) leeway: Option<u64>,
    /// Seconds after `iat` for which a token is good, whatever its `exp`.
    #[schemars(range(min = 1))]
    pub(super) max_age: Option<u64>,
    /// The media type that the header's `typ` must name.
    pub(super) typ: Option<String>,
    /// Tokens of one kind alone: access tokens of RFC 9068, or ID tokens.
    pub(super) profile: Option<Profile>,
    /// What `sub` must be.
    pub(super) subject: Option<String>,
    /// Claims that must be present and not null.
    pub(super) required_claims: Vec<String>,
    /// Where roles are: a JSON pointer, such as `/realm_access/roles`.
    pub(super) roles_at: Option<String>,
    /// The only scopes that this authority may grant.
    pub(super) only_scopes: Option<Vec<Scope>>,
    /// The only roles that this authority may grant. An empty list says that its tokens have none, and needs no `roles_at`.
    pub(super) only_roles: Option<Vec<Role>>,
    /// Reads a `sub` or `jti` that is a whole number as the text of its digits.
    pub(super) numeric_ids_as_text: bool,
    /// How keys are fetched. Only with `jwks_url` or `oidc`.
    pub(super) fetch: FetchSettings,
}

/// Tokens of one kind.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) enum Profile {
    #[serde(rename = "rfc9068")]
    Rfc9068,
    #[serde(rename = "id_token")]
    IdToken,
}

/// How keys are fetched.
#[derive(Clone, Debug, Default, Hash, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct FetchSettings {
    /// Hosts that may be asked over plain `http://`, as `host` or `host:port`. Every machine on the way can then send keys.
    pub(super) insecure_http_hosts: Vec<String>,
    /// Allows `http://` for a host that is this very machine.
    pub(super) insecure_http_on_loopback: bool,
    /// A PEM file of certificate authorities to trust, beside the system's.
    pub(super) ca_file: Option<PathBuf>,
    /// A PEM file with a client certificate and its private key, for servers that ask for one.
    pub(super) client_certificate_file: Option<PathBuf>,
    /// A file whose bearer token is sent to the host that is fetched from. It is read for each fetch.
    pub(super) bearer_token_file: Option<PathBuf>,
    /// The URL of a proxy to fetch by. It may hold a password, so it is never shown.
    pub(super) proxy: Option<SecretText>,
    /// A file that keeps the keys for the next start, in a directory that only this user can write.
    pub(super) keep_in: Option<PathBuf>,
    /// Seconds until keys are fetched again (they serve for `stale` longer if that fails), whatever the provider's `max-age` says; or `[least, most]`, the bounds within which it is
    /// believed: `[300, 3600]` unless set, from 1 to 86400.
    pub(super) max_age: Option<Bounds>,
    /// Seconds after any fetch until an unknown `kid` may cause another: 10 unless set, 5 to 300.
    #[schemars(range(min = 5, max = 300))]
    pub(super) cooldown: Option<u64>,
    /// Seconds for which keys serve after they should have been refreshed: 21600 unless set, at most 86400.
    #[schemars(range(min = 0, max = 86_400))]
    pub(super) stale: Option<u64>,
    /// Seconds for which a request waits for keys: 2 unless set, at most 10.
    #[schemars(range(min = 0, max = 10))]
    pub(super) wait: Option<u64>,
    /// Seconds that one fetch may take: 5 unless set, 1 to 30.
    #[schemars(range(min = 1, max = 30))]
    pub(super) fetch_time: Option<u64>,
}

/// Upper bounds on what a token may cost.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct LimitSettings {
    /// Bytes of the whole encoded token: 16384 unless set, 256 to 1048576.
    #[schemars(range(min = 256, max = 1_048_576))]
    pub(super) token_bytes: Option<usize>,
    /// Bytes of the decoded header: 2048 unless set, 64 to 65536.
    #[schemars(range(min = 64, max = 65_536))]
    pub(super) header_bytes: Option<usize>,
    /// Bytes of the header's `kid`: 256 unless set, 1 to 2048.
    #[schemars(range(min = 1, max = 2048))]
    pub(super) kid_bytes: Option<usize>,
    /// Nesting of the payload's JSON: 32 unless set, 1 to 64.
    #[schemars(range(min = 1, max = 64))]
    pub(super) json_depth: Option<usize>,
    /// Members of the payload's object: 128 unless set, 1 to 4096.
    #[schemars(range(min = 1, max = 4096))]
    pub(super) claims: Option<usize>,
    /// Elements of an `aud` array: 32 unless set, 1 to 1024.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) audience_elements: Option<usize>,
    /// Keys that are tried for a token whose `kid` does not choose one: 1 unless set, 1 to 4.
    #[schemars(range(min = 1, max = 4))]
    pub(super) keys_tried: Option<usize>,
}

/// The cache of verified tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct CacheSettings {
    /// Tokens at most: 10000 unless set, 32 to 100000000.
    #[schemars(range(min = 32, max = 100_000_000))]
    pub(super) entries: Option<usize>,
    /// Bytes at most: 33554432 unless set, 65536 to 1099511627776.
    #[schemars(range(min = 65_536, max = 1_099_511_627_776_u64))]
    pub(super) bytes: Option<usize>,
}

/// Where the token is, and how the layer answers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct LayerSettings {
    /// Where the token is: `bearer` (unless set), `header:NAME`, `cookie:NAME`, `insecure_query:NAME`,
    /// `websocket_protocol:PREFIX`.
    pub(super) token_from: Option<Vec<String>>,
    /// Origins that may send requests with the cookie, beside the service's own, such as `https://app.example.com`.
    pub(super) trusted_origins: Vec<String>,
    /// The realm in challenges: `api` unless set.
    pub(super) realm: Option<String>,
    /// Lets requests without a token through as anonymous, where `require` asks for nothing and no route is listed.
    pub(super) optional: bool,
    /// Claims that the inner service gets as headers, by the name of the header: `x-user = "sub"`.
    pub(super) claim_headers: BTreeMap<String, String>,
}

/// What every token must grant.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RequireSettings {
    /// Scopes that every token must have.
    pub(super) scopes: Vec<Scope>,
    /// Roles that every token must have. `roles_at` of the authority says where they are.
    pub(super) roles: Vec<Role>,
}

/// What a token must grant on one route, besides what `require` says. A method that no table of a listed path names is refused
/// there; `HEAD` is what `GET` is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RouteSettings {
    /// The path: `/orders`, `/orders/{id}` with any one segment, or `/admin/{*rest}` for `/admin` and all below it.
    pub(super) path: String,
    /// The methods, such as `GET`: all unless set.
    pub(super) methods: Vec<MethodName>,
    /// Scopes that a token must have.
    pub(super) scopes: Vec<Scope>,
    /// Roles that a token must have.
    pub(super) roles: Vec<Role>,
    /// Lets everybody in, with a token or without, whatever `require` says. Only with `layer.optional`.
    pub(super) anyone: bool,
}
