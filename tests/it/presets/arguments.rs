//! Arguments of presets: what is wrong is told with its value and a remedy, before the first request.

use tower_jwt_auth::provider::{self, KeycloakRoles};
use tower_jwt_auth::{Authority, Claims, RemoteKeys, Secret, Verifier};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const TAG: &str = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";

fn problem(authority: Authority) -> Option<(String, String)> {
    let error = Verifier::<Claims>::new(authority).err()?;
    assert!(!error.remedy().is_empty());
    Some((error.setting().to_owned(), error.to_string()))
}

#[test]
fn wrong_arguments_are_told_with_their_value() {
    let realm = KeycloakRoles::Realm;
    let none: [&str; 0] = [];
    let client = KeycloakRoles::Client("");
    for (authority, argument, shown) in [
        (provider::auth0("https://tenant.eu.auth0.com"), "domain", "has a scheme"),
        (provider::auth0("tenant.eu.auth0.com/"), "domain", "has a slash"),
        (provider::auth0("Tenant.eu.auth0.com"), "domain", "capital letters"),
        (provider::auth0("tenant"), "domain", "\"tenant\" is not a host name"),
        (provider::auth0("a@b.example.com"), "domain", "is not a host name"),
        (provider::auth0("tenant..auth0.com"), "domain", "is not a host name"),
        (provider::auth0(" tenant.eu.auth0.com"), "domain", "is not a host name"),
        (provider::auth0(""), "domain", "\"\""),
        (provider::entra("common"), "tenant", "\"common\" is not a GUID"),
        (provider::entra("example.onmicrosoft.com"), "tenant", "is not a GUID"),
        (provider::entra(&TENANT.to_uppercase()), "tenant", "is not a GUID"),
        (provider::entra_v1(&TENANT.replace('-', "0")), "tenant", "is not a GUID"),
        (provider::keycloak("id.example.com", "shop", realm), "url", "does not begin with https://"),
        (provider::keycloak("https://id.example.com/", "shop", realm), "url", "ends with a slash"),
        (provider::keycloak("https://id.example.com/realms/shop", "shop", realm), "url", "has a realm in it"),
        (provider::keycloak("http://id.example.com", "shop", realm), "url", "is not https"),
        (provider::keycloak("https://id.example.com", "shop/../master", realm), "realm", "is not a name"),
        (provider::keycloak("https://id.example.com", "..", realm), "realm", "is not a name"),
        (provider::keycloak("https://id.example.com", "", realm), "realm", "is not a name"),
        (provider::keycloak("https://id.example.com", "shop", client), "roles", "is empty"),
        (provider::okta("example.okta.com", ""), "authorization_server", "is not a name"),
        (provider::okta("example.okta.com", "oauth2/default"), "authorization_server", "is not a name"),
        (provider::cognito("AbCdEfGhI", ["client"]), "region of user_pool_id", "\"\""),
        (provider::cognito("eu-west-1_A/b", ["client"]), "user_pool_id", "is not a name"),
        (provider::cognito("eu.west_Ab", ["client"]), "region of user_pool_id", "\"eu.west\""),
        (provider::cognito("eu-west-1_AbCdEfGhI", none), "client_ids", "the list is empty"),
        (provider::cognito("eu-west-1_AbCdEfGhI", [""]), "client_ids", "is empty"),
        (provider::google(""), "client_id", "is empty"),
        (provider::google_workspace("client", "https://example.com"), "hosted_domain", "has a scheme"),
        (provider::firebase("my/project"), "project_id", "is not a name"),
        (provider::firebase_tenant("my-project", ""), "tenant", "is empty"),
        (provider::firebase_tenant("", "tenant"), "project_id", "\"\""),
        (provider::supabase("abc.supabase.co"), "project_ref", "is not a name"),
        (
            provider::clerk("https://clerk.example.com", ["https://example.com"]),
            "frontend_api",
            "has a scheme",
        ),
        (provider::clerk("clerk.example.com", none), "origins", "the list is empty"),
        (provider::clerk("clerk.example.com", ["https://example.com/"]), "origins", "ends with a slash"),
        (provider::clerk("clerk.example.com", ["example.com"]), "origins", "does not begin with https://"),
        (
            provider::zitadel("https://example.zitadel.cloud", "my-project"),
            "project_id",
            "is not a numeric id",
        ),
        (provider::zitadel("https://example.zitadel.cloud/", "1"), "url", "ends with a slash"),
        (provider::ory("id.example.com"), "issuer", "does not begin with https://"),
        (provider::ory("https://id.example.com/.well-known/openid-configuration"), "issuer", "is a document"),
        (provider::ory("https://id.example.com?x=1"), "issuer", "has a query"),
        (provider::github_actions("octo"), "owner_id", "\"octo\" is not a numeric id"),
        (provider::github_actions(""), "owner_id", "\"\""),
        (provider::gitlab_ci("https://gitlab.com", "my-group"), "namespace_id", "is not a numeric id"),
        (
            provider::kubernetes("kubernetes/serviceaccount", "payments"),
            "issuer",
            "does not begin with https://",
        ),
        (provider::kubernetes("https://cluster.example.com", "payments:web"), "namespace", "is not a name"),
        (provider::spiffe("spiffe://example.org", "https://x.example/b"), "trust_domain", "is not the name"),
        (provider::spiffe("example.org", "http://x.example/b"), "url", "is not https"),
        (provider::cloudflare_access("example.cloudflareaccess.com", TAG), "team", "is not a name"),
        (provider::cloudflare_access("example", "my-app"), "audience_tag", "\"my-app\" is not 64"),
    ] {
        // The audience is there, so that it is not what the error is about.
        let (setting, text) = problem(authority.audience("api")).expect(shown);
        assert_eq!(setting, argument, "{text}");
        assert!(text.contains(shown), "{text} does not say {shown}");
    }
}

#[test]
fn who_needs_an_audience_is_asked_for_it() {
    for authority in [
        provider::auth0("tenant.eu.auth0.com"),
        provider::entra(TENANT),
        provider::entra_v1(TENANT),
        provider::keycloak("https://id.example.com", "shop", KeycloakRoles::Realm),
        provider::okta("example.okta.com", "default"),
        provider::ory("https://id.example.com"),
        provider::github_actions("9919"),
        provider::gitlab_ci("https://gitlab.com", "72"),
        provider::kubernetes("https://cluster.example.com", "payments"),
        provider::spiffe("example.org", "https://x.example/b"),
    ] {
        assert_eq!(problem(authority).unwrap().0, "audience");
    }
    for authority in [
        provider::cognito("eu-west-1_AbCdEfGhI", ["client"]),
        provider::google("client"),
        provider::google_workspace("client", "example.com"),
        provider::firebase("my-project"),
        provider::supabase("abcdefghijklmnopqrst"),
        provider::clerk("clerk.example.com", ["https://example.com"]),
        provider::zitadel("https://example.zitadel.cloud", "1"),
        provider::cloudflare_access("example", TAG),
    ] {
        assert_eq!(problem(authority), None);
    }
}

#[test]
fn remote_keys_are_changed_only_where_there_are_some_and_not_their_place() {
    let elsewhere = |_| RemoteKeys::new("https://evil.example.com");
    let (setting, text) =
        problem(provider::auth0("tenant.eu.auth0.com").audience("api").remote_keys(elsewhere)).unwrap();
    assert!(
        setting == "remote_keys" && text.contains("evil.example.com") && text.contains("tenant"),
        "{text}"
    );

    let local = Authority::hs256(Secret::generate().unwrap()).issuer("shop").audience("api");
    assert_eq!(problem(local.remote_keys(|keys| keys)).unwrap().0, "remote_keys");

    // The first mistake is the one that is told.
    let broken = provider::auth0("tenant").audience("api").remote_keys(|keys| keys);
    assert_eq!(problem(broken).unwrap().0, "domain");
}
