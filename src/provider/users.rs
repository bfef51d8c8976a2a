//! Logins for users of an application: providers that sign for many applications, and what narrows them to yours.

use super::arguments::{self as arg, or_failed};
use super::table;
use crate::verify::{Authority, ClaimRule};

/// Amazon Cognito: access tokens of this user pool (`eu-west-1_AbCdEfGhI`) for these app clients.
///
/// Requires `iss`, `token_use` of `access`, and a `client_id` of the list. Scopes: `scope`. Roles: `cognito:groups`.
///
/// Traps:
/// * There is no `aud`, so the clients are all that keeps other applications of the pool out. If clients bind tokens to a
///   resource, name it with [`Authority::audience`].
/// * A user who logs in through the API instead of the hosted pages has the scope `aws.cognito.signin.user.admin` alone.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::cognito("eu-west-1_AbCdEfGhI", ["7lhlkkfbfb4q5kpp90urffao"]);
/// ```
pub fn cognito<S: AsRef<str>>(user_pool_id: &str, client_ids: impl IntoIterator<Item = S>) -> Authority {
    let made = || {
        let example = "eu-west-1_AbCdEfGhI";
        let pool = arg::segment("user_pool_id", user_pool_id, example)?;
        let region = pool.split_once('_').map_or("", |(region, _)| region);
        arg::label("region of user_pool_id", region, example)?;
        let clients = arg::several("client_ids", client_ids, "name the app clients of your application")?;
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let issuer = format!("https://cognito-idp.{region}.amazonaws.com{suffix}/{pool}");
        Ok(table::COGNITO.of_issuer(issuer).demand("/client_id", ClaimRule::OneOf(clients)))
    };
    or_failed(made())
}

/// Google: ID tokens for your OAuth client.
///
/// Requires `iss`, and your client id in `aud`. No scopes, no roles.
///
/// Traps:
/// * Google's access tokens are opaque. An ID token says who logged in at your client, not what that client may do.
/// * Everybody with a Google account can log in: [`google_workspace`], or a look at `sub`.
/// * `email` is proof only with `email_verified`; a user is `sub`.
/// * An `iss` without `https://`, which very old clients get, is refused.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::google("407408718192.apps.googleusercontent.com");
/// ```
pub fn google(client_id: &str) -> Authority {
    let remedy = "give your client id, such as 407408718192.apps.googleusercontent.com";
    or_failed(
        arg::named("client_id", client_id, remedy)
            .map(|client| table::GOOGLE.of_issuer("https://accounts.google.com").audience(client)),
    )
}

/// Google: ID tokens for your OAuth client, of users of this Workspace domain.
///
/// As [`google`], and demands the domain in `hd`. The domain of an `email` says nothing: anybody can have an account
/// with it.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::google_workspace("407408718192.apps.googleusercontent.com", "example.com");
/// ```
pub fn google_workspace(client_id: &str, hosted_domain: &str) -> Authority {
    or_failed(
        arg::host("hosted_domain", hosted_domain, "example.com")
            .map(|domain| google(client_id).demand("/hd", ClaimRule::is(domain))),
    )
}

/// Firebase Authentication: ID tokens of this project, of users who belong to no tenant.
///
/// Requires `iss` and `aud` of the project, `sub` of 1 to 128 bytes, `auth_time` in the past, and no `firebase.tenant`. Roles:
/// custom claims have no usual name, so say `roles_at`.
///
/// Traps:
/// * Tenants of a project share its issuer and audience: [`firebase_tenant`].
/// * Tokens of the emulator are not signed, and are refused.
/// * Session cookies have another issuer, and are refused.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::firebase("my-project").roles_at("/roles");
/// ```
pub fn firebase(project_id: &str) -> Authority {
    firebase_of(&table::FIREBASE_PROJECT, project_id)
}

/// Firebase Authentication: ID tokens of this project, of users of this tenant.
///
/// As [`firebase`], and demands the tenant in `firebase.tenant`.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::firebase_tenant("my-project", "customer-a-1x2y3");
/// ```
pub fn firebase_tenant(project_id: &str, tenant: &str) -> Authority {
    or_failed(arg::named("tenant", tenant, "give the tenant's id").map(|tenant| {
        firebase_of(&table::FIREBASE, project_id).demand("/firebase/tenant", ClaimRule::is(tenant))
    }))
}

fn firebase_of(preset: &table::Preset, project_id: &str) -> Authority {
    or_failed(arg::label("project_id", project_id, "my-project").map(|project| {
        preset
            .of_issuer(format!("https://securetoken.google.com/{project}"))
            .audience(project)
            .demand("/sub", ClaimRule::Text { bytes: 128 })
            .demand("/auth_time", ClaimRule::Past)
    }))
}

/// Supabase: access tokens of users of the project with this reference.
///
/// Requires `iss`, `aud` and `role` of `authenticated`, a `session_id`, and a user who is not anonymous. Roles:
/// `app_metadata.roles`.
///
/// Traps:
/// * Users write to `user_metadata` themselves: never take roles from it.
/// * A project on the older shared secret publishes no keys: nothing is verified until it has signing keys.
/// * Anonymous users have `role` of `authenticated` too, and are refused by `is_anonymous`.
/// * A custom domain changes nothing in the tokens unless `iss` is set to it; then use [`Authority::jwks`].
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::supabase("abcdefghijklmnopqrst");
/// ```
pub fn supabase(project_ref: &str) -> Authority {
    or_failed(arg::label("project_ref", project_ref, "abcdefghijklmnopqrst").map(|project| {
        let issuer = format!("https://{project}.supabase.co/auth/v1");
        table::SUPABASE
            .of_keys_at(format!("{issuer}/.well-known/jwks.json"))
            .issuer(issuer)
            .audience("authenticated")
            .demand("/role", ClaimRule::is("authenticated"))
    }))
}

/// Clerk: session tokens of the instance with this Frontend API host, from pages of these origins.
///
/// Requires `iss`, `azp` of one of the origins, and a session in `sid` that is not pending. Roles: `o.rol`, the role in the
/// organization that is active.
///
/// Traps:
/// * There is no `aud`, and a page of another origin can have a user's token: `azp` is all there is, so its absence (a
///   request without an `Origin`) is refused.
/// * Tokens of JWT templates are signed with the same key; they have no `sid`.
/// * The token is in the cookie `__session`, too: [`TokenSource::cookie`](crate::TokenSource) reads it.
/// * Version 1 of the session token has the role in `org_role`: say `.roles_at("/org_role")`.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::clerk("clerk.example.com", ["https://example.com"]);
/// ```
pub fn clerk<S: AsRef<str>>(frontend_api: &str, origins: impl IntoIterator<Item = S>) -> Authority {
    let made = || {
        let host = arg::host("frontend_api", frontend_api, "clerk.example.com")?;
        let origins =
            arg::several("origins", origins, "name the origins of your pages, such as https://example.com")?;
        for origin in &origins {
            arg::base_url("origins", origin, "https://example.com")?;
        }
        let issuer = format!("https://{host}");
        let keys = format!("{issuer}/.well-known/jwks.json");
        Ok(table::CLERK.of_keys_at(keys).issuer(issuer).demand("/azp", ClaimRule::OneOf(origins)))
    };
    or_failed(made())
}

/// Dex: ID tokens of this issuer for your client.
///
/// Requires `iss`, exactly as Dex is configured, and your client id in `aud`. Roles: `groups`, if the client asks for that scope. No scopes.
///
/// Traps:
/// * Dex has no access tokens for APIs of their own: its clients send ID tokens, as Kubernetes takes them.
/// * A client that others trust gets tokens for your `aud` too, with its own id in `azp`.
/// * `sub` is made of the user and the connector, and is not what the connector calls the user.
///
/// ```
/// use tower_jwt_auth::provider;
///
/// let authority = provider::dex("https://dex.example.com", "orders-web");
/// ```
pub fn dex(issuer: &str, client_id: &str) -> Authority {
    let made = || {
        let issuer = arg::issuer_url("issuer", issuer, "https://dex.example.com")?;
        let client = arg::named("client_id", client_id, "give the id of your client")?;
        Ok(table::DEX.of_issuer(issuer).audience(client))
    };
    or_failed(made())
}
