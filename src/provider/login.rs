//! Authorization servers: access tokens for an API, with an audience of its own.

use super::arguments::{self as arg, or_failed};
use super::table;
use crate::error::ConfigError;
use crate::verify::{Authority, ClaimRule, TenantIssuer};

/// Auth0: access tokens of the tenant or custom domain with this host, such as `tenant.eu.auth0.com`.
///
/// Requires `iss` with its slash at the end, your audience, and a client in `azp` or `client_id`. Scopes: `scope`. Roles:
/// `permissions`, which an API with RBAC puts there.
///
/// Traps:
/// * Roles themselves are in no token unless an Action adds a claim, whose name is a URL: `roles_at` below.
/// * A client that names no audience gets an opaque or encrypted token, which is refused as malformed.
/// * A custom domain changes `iss`: give the domain that clients log in at.
/// * With organizations, check `org_id`: one API serves them all.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::auth0("tenant.eu.auth0.com")
///     .audience("https://api.example.com")
///     .roles_at("/https:~1~1example.com~1roles");
/// ```
pub fn auth0(domain: &str) -> Authority {
    or_failed(
        arg::host("domain", domain, "tenant.eu.auth0.com")
            .map(|domain| table::AUTH0.of_issuer(format!("https://{domain}/"))),
    )
}

/// Microsoft Entra ID: access tokens of version 2.0, of the tenant with this GUID.
///
/// Requires `iss` and `tid` of the tenant, `ver`, your audience (the client id of your API, a GUID), the client in `azp`,
/// and `scp` or `roles`. Scopes: `scp`, in tokens of users alone. Roles: `roles`.
///
/// Traps:
/// * The registration of the API chooses the version (`requestedAccessTokenVersion`), not the endpoint: [`entra_v1`].
/// * An application without roles can get a token for your API; it has neither `scp` nor `roles`, and is refused.
/// * Tokens for Microsoft Graph have a `nonce` in the header, and nobody else can check their signature.
/// * `groups` is left out where a user has more than 200.
/// * Several tenants are several authorities of one verifier, or one of [`entra_multi_tenant`].
/// * Applications with signing keys of their own, and the clouds of governments and China, have other documents.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::entra("8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
///     .audience("ef1da9d4-ff77-4c3e-a005-840c3f830745");
/// ```
pub fn entra(tenant: &str) -> Authority {
    or_failed(arg::guid("tenant", tenant).map(|tenant| {
        let authority = table::ENTRA.of_issuer(format!("https://login.microsoftonline.com/{tenant}/v2.0"));
        authority.demand("/tid", ClaimRule::is(tenant)).demand("/ver", ClaimRule::is("2.0"))
    }))
}

/// Microsoft Entra ID: access tokens of version 2.0, of every tenant whose GUID this function trusts.
///
/// As [`entra`], with one set of keys for all tenants. `iss` must be made of the GUID in `tid`, and the key must say that it
/// is for that issuer: some are for one tenant alone. The function is asked for each token, and must answer from memory;
/// to ask a database, trust all and add [`Authority::check_async`], or use [`Tenants`](crate::Tenants) with [`entra`].
///
/// Traps:
/// * Everybody can make a tenant, and get tokens for an API that is registered for several: `|_| true` trusts them all.
/// * Users are told apart by `oid` and `tid` together. `email` and `preferred_username` are what a tenant says they are.
/// * `9188040d-6c67-4c5b-b112-36a304b66dad` is the tenant of personal accounts.
///
/// ```
/// use std::collections::HashSet;
/// use tower_jwt_auth::provider;
///
/// let customers = HashSet::from(["8eaef023-2b34-4da1-9baa-8bc8c9d6a490".to_owned()]);
/// let authority = provider::entra_multi_tenant(move |tenant| customers.contains(tenant))
///     .audience("ef1da9d4-ff77-4c3e-a005-840c3f830745");
/// ```
pub fn entra_multi_tenant(trusts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Authority {
    let issuer = TenantIssuer::new("https://login.microsoftonline.com/{tenantid}/v2.0", trusts);
    let authority = table::ENTRA.of_keys_at("https://login.microsoftonline.com/common/discovery/v2.0/keys");
    authority.issuer_of_tenants(issuer).demand("/ver", ClaimRule::is("2.0"))
}

/// Microsoft Entra ID: access tokens of version 1.0, of the tenant with this GUID.
///
/// As [`entra`], with the older issuer (`https://sts.windows.net/`, the tenant, a slash), an audience that may be the App
/// ID URI, and the client in `appid`.
///
/// Traps:
/// * It is still what an API gets whose registration says nothing else.
/// * The audience is `api://` and the client id, or the client id, as the client asked: name both.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::entra_v1("8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
///     .audience("api://ef1da9d4-ff77-4c3e-a005-840c3f830745")
///     .audience("ef1da9d4-ff77-4c3e-a005-840c3f830745");
/// ```
pub fn entra_v1(tenant: &str) -> Authority {
    or_failed(arg::guid("tenant", tenant).map(|tenant| {
        // The issuer is not where its documents are, so discovery cannot start from it.
        let keys = format!("https://login.microsoftonline.com/{tenant}/discovery/keys");
        let authority = table::ENTRA_V1.of_keys_at(keys).issuer(format!("https://sts.windows.net/{tenant}/"));
        authority.demand("/tid", ClaimRule::is(tenant)).demand("/ver", ClaimRule::is("1.0"))
    }))
}

/// Whose roles count in tokens of [`keycloak`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeycloakRoles<'a> {
    /// Those of the realm: `realm_access.roles`.
    Realm,
    /// Those of this one client: `resource_access`, its id, `roles`.
    Client(&'a str),
}

/// Keycloak: access tokens of a realm of the server at this URL.
///
/// Requires `iss`, your audience, the claim `typ` of `Bearer`, and a client in `azp`. Scopes: `scope`. Roles: those of the
/// realm or of one client, never both.
///
/// Traps:
/// * The client that asked is in `azp`, not in `aud`. Your API gets into `aud` by an audience mapper; without one, `aud` is
///   `account` or absent. `account` is in everybody's tokens: do not name it.
/// * `iss` follows the host of the request unless the server's hostname is fixed.
/// * Servers before version 17 have `/auth` at the end of the URL.
///
/// ```
/// use tower_jwt_auth::provider::{self, KeycloakRoles};
///
/// let roles = KeycloakRoles::Client("orders-api");
/// let authority = provider::keycloak("https://id.example.com", "shop", roles).audience("orders-api");
/// ```
pub fn keycloak(url: &str, realm: &str, roles: KeycloakRoles<'_>) -> Authority {
    let made = || {
        let url = arg::base_url("url", url, "https://id.example.com")?;
        if url.contains("/realms/") {
            let problem = format!("{url:?} has a realm in it");
            return Err(ConfigError::new("url", problem, "give the server's URL, and the realm beside it"));
        }
        let realm = arg::segment("realm", realm, "shop")?;
        let place = match roles {
            KeycloakRoles::Realm => "/realm_access/roles".to_owned(),
            KeycloakRoles::Client(client) => {
                let client = arg::named("roles", client, "give the client id of your API")?;
                format!("/resource_access/{}/roles", client.replace('~', "~0").replace('/', "~1"))
            }
        };
        let authority = table::KEYCLOAK.of_issuer(format!("{url}/realms/{realm}")).roles_at(place);
        // In small letters if the client asks for that.
        Ok(authority.demand("/typ", ClaimRule::OneOf(vec!["Bearer".to_owned(), "bearer".to_owned()])))
    };
    or_failed(made())
}

/// Okta: access tokens of one custom authorization server (`default` is one) of the organization with this host.
///
/// Requires `iss`, your audience, and the client in `cid`. Scopes: `scp`, an array. Roles: `groups`, if the server is
/// told to add that claim.
///
/// Traps:
/// * The organization's own server (an issuer without `/oauth2/`) does not publish its keys: its tokens are for Okta alone.
/// * `api://default` is the audience of every default server: give your API a server, or at least a scope, of its own.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::okta("example.okta.com", "default").audience("api://default");
/// ```
pub fn okta(domain: &str, authorization_server: &str) -> Authority {
    let made = || {
        let domain = arg::host("domain", domain, "example.okta.com")?;
        let server = arg::segment("authorization_server", authorization_server, "default")?;
        Ok(table::OKTA.of_issuer(format!("https://{domain}/oauth2/{server}")))
    };
    or_failed(made())
}

/// Zitadel: access tokens for one project of the instance at this URL.
///
/// Requires `iss`, the project in `aud`, and `jti`. Roles: those of the project, the keys of the object at
/// `urn:zitadel:iam:org:project:`, its id, `:roles`. There is no `scope`.
///
/// Traps:
/// * Applications get opaque tokens unless they are set to JWT.
/// * A client gets the project into `aud` by the scope `urn:zitadel:iam:org:project:id:`, the id, `:aud`.
/// * `urn:zitadel:iam:org:project:roles` (without an id) may be another project's roles, and is not looked at.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::zitadel("https://example.zitadel.cloud", "268026843853045763");
/// ```
pub fn zitadel(url: &str, project_id: &str) -> Authority {
    let made = || {
        let url = arg::base_url("url", url, "https://example.zitadel.cloud")?;
        let project = arg::digits("project_id", project_id)?;
        let authority = table::ZITADEL.of_issuer(url).audience(project);
        Ok(authority.roles_at(format!("/urn:zitadel:iam:org:project:{project}:roles")))
    };
    or_failed(made())
}

/// Ory Hydra and Ory Network: access tokens of this issuer, exactly as `iss` has it.
///
/// Requires `iss`, your audience, `client_id` and `jti`. Scopes: `scp` or `scope`. Roles: `ext.roles`, where your consent
/// app puts them.
///
/// Traps:
/// * The issuer may end with a slash, and then that slash counts.
/// * Tokens are opaque (`ory_at_`) unless the strategy for access tokens is `jwt`.
/// * `aud` is empty unless the client asks for an audience that it may have.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::ory("https://example.projects.oryapis.com").audience("orders-api");
/// ```
pub fn ory(issuer: &str) -> Authority {
    or_failed(
        arg::issuer_url("issuer", issuer, "https://example.projects.oryapis.com")
            .map(|issuer| table::ORY.of_issuer(issuer)),
    )
}

/// AD FS of Windows Server 2016 and later: access tokens of the server with this host, such as `fs.example.com`.
///
/// Requires `iss` (`http://`, the host, `/adfs/services/trust`), your audience, and the client in `appid` with its `apptype`. Scopes:
/// `scp`. Roles: none has a usual place; issuance rules add claims.
///
/// Traps:
/// * The `iss` of access tokens is not the issuer of the discovery document, which calls it `access_token_issuer`; it is `http://`,
///   and nothing is fetched from there.
/// * The audience is `microsoft:identityserver:` and the identifier of the Web API, or that identifier alone, as the API is registered.
/// * ID tokens have the other issuer, and are refused.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::adfs("fs.example.com").audience("microsoft:identityserver:https://api.example.com");
/// ```
pub fn adfs(host: &str) -> Authority {
    or_failed(arg::host("host", host, "fs.example.com").map(|host| {
        let keys = format!("https://{host}/adfs/discovery/keys");
        table::AD_FS.of_keys_at(keys).issuer(format!("http://{host}/adfs/services/trust"))
    }))
}

/// Azure AD B2C: access tokens of one user flow or custom policy of a tenant, given by its name (`contoso` of
/// `contoso.b2clogin.com`) and its GUID.
///
/// Requires `iss` of the tenant, your audience (the client id of your API), the policy in `tfp` or `acr`, the client in `azp`, and `scp`
/// or `roles`. Scopes: `scp`. Roles: `roles`.
///
/// Traps:
/// * All policies of a tenant have one `iss`, and a weaker one (a sign-up without a second factor) signs too: the policy tells them
///   apart. Several policies are several verifiers.
/// * The user flow must issue `iss` of the form `https://contoso.b2clogin.com/GUID/v2.0/`; with the other form, which has the policy in
///   it, and with a domain of your own, set [`Authority::issuer`].
/// * It is closed to new customers; its successor is [`entra_external_id`].
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority =
///     provider::azure_ad_b2c("contoso", "8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "B2C_1_signin").audience("ef1da9d4-ff77-4c3e-a005-840c3f830745");
/// ```
pub fn azure_ad_b2c(tenant_name: &str, tenant_id: &str, policy: &str) -> Authority {
    let made = || {
        let name = arg::label("tenant_name", tenant_name, "contoso")?;
        let tenant = arg::guid("tenant_id", tenant_id)?;
        let policy = arg::segment("policy", policy, "B2C_1_signin")?;
        let host = format!("https://{name}.b2clogin.com");
        let keys = format!("{host}/{name}.onmicrosoft.com/{policy}/discovery/v2.0/keys");
        // `acr` has it in small letters.
        let names = || ClaimRule::NoneOrOneOf(vec![policy.to_owned(), policy.to_ascii_lowercase()]);
        let authority = table::AZURE_AD_B2C.of_keys_at(keys).issuer(format!("{host}/{tenant}/v2.0/"));
        Ok(authority.require_any(&["tfp", "acr"]).demand("/tfp", names()).demand("/acr", names()))
    };
    or_failed(made())
}

/// Microsoft Entra External ID: access tokens of the external tenant with this GUID.
///
/// As [`entra`], with the issuer `https://`, the GUID, `.ciamlogin.com/`, the GUID, `/v2.0`.
///
/// Traps:
/// * A domain of your own changes `iss`: use [`Authority::oidc`] with it.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::entra_external_id("8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
///     .audience("ef1da9d4-ff77-4c3e-a005-840c3f830745");
/// ```
pub fn entra_external_id(tenant: &str) -> Authority {
    or_failed(arg::guid("tenant", tenant).map(|tenant| {
        let authority = table::ENTRA.of_issuer(format!("https://{tenant}.ciamlogin.com/{tenant}/v2.0"));
        authority.demand("/tid", ClaimRule::is(tenant)).demand("/ver", ClaimRule::is("2.0"))
    }))
}

/// authentik: access tokens of the provider of one application, given by the server's URL and the application's slug.
///
/// Requires `iss` (with its slash at the end), the audience, which is the client id of the provider, `azp` and `uid`. Scopes: `scope`.
/// Roles: `groups`, which the scope `profile` brings.
///
/// Traps:
/// * Without a signing key in the provider, tokens are signed with HS256 and the client's secret, and are refused.
/// * If the provider's issuer mode is `global`, `iss` is the server's URL with a slash: set [`Authority::issuer`].
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::authentik("https://auth.example.com", "orders").audience("the-client-id");
/// ```
pub fn authentik(url: &str, slug: &str) -> Authority {
    let made = || {
        let url = arg::base_url("url", url, "https://auth.example.com")?;
        let slug = arg::segment("slug", slug, "orders")?;
        Ok(table::AUTHENTIK.of_issuer(format!("{url}/application/o/{slug}/")))
    };
    or_failed(made())
}

/// Authelia: access tokens of the server at this URL, in the profile of RFC 9068.
///
/// Requires `typ` of `at+jwt`, `iss`, your audience, and the claims of RFC 9068 section 2.2. Scopes: `scope` or `scp`. No roles.
///
/// Traps:
/// * Access tokens are opaque unless the client has `access_token_signed_response_alg`.
/// * `aud` is empty unless the client asks for an audience that it may have.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::authelia("https://auth.example.com").audience("https://api.example.com");
/// ```
pub fn authelia(url: &str) -> Authority {
    or_failed(arg::base_url("url", url, "https://auth.example.com").map(|url| table::AUTHELIA.of_issuer(url)))
}
