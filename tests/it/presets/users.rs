//! Logins for users of an application: Cognito, Google, Firebase, Supabase, Clerk.

use std::collections::HashMap;

use serde_json::json;
use tower_jwt_auth::{Algorithm, Reason, TestIssuer, provider};

use super::{Provider, has_no_place_of_roles, jwk, merged, roles, rsa, scopes, stranger, verify};

use Reason::{InvalidClaim, MissingClaim, NotYetValid, UnknownIssuer, WrongAudience, WrongType};

const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI";

/// No `typ`, identifiers of keys in padded base64, and another key for ID tokens.
fn cognito() -> Provider {
    let claims = json!({
        "sub": "aaaa", "cognito:groups": ["clerks"], "client_id": "7lhlkkfbfb4q5kpp90urffao", "origin_jti": "o",
        "token_use": "access", "scope": "openid orders/read", "username": "bob", "version": 2, "jti": "j",
        "auth_time": 1_700_000_000,
    });
    let kid = "abcdefghijklmnopqrsexample=";
    let keys = [jwk(stranger(), &json!({ "kid": "1234example=" })), jwk(rsa(), &json!({ "kid": kid }))];
    Provider::discovered(
        || provider::cognito("eu-west-1_AbCdEfGhI", ["7lhlkkfbfb4q5kpp90urffao", "second"]),
        POOL,
        claims,
    )
    .publishing(json!({ "alg": "RS256", "kid": kid }), &keys)
}

#[tokio::test]
async fn cognito_takes_access_tokens_of_the_clients_that_are_named() {
    let jwt = cognito().good().await;
    assert_eq!(roles(&jwt), ["clerks"]);
    assert_eq!(scopes(&jwt), ["openid", "orders/read"]);
    let second =
        json!({ "client_id": "second", "cognito:groups": null, "scope": "aws.cognito.signin.user.admin" });
    assert!(roles(&cognito().accepts(second).await).is_empty());
    let id_token = json!({ "token_use": "id", "aud": "second", "client_id": null, "scope": null });
    cognito()
        .refuses(&[
            ("other client", json!({ "client_id": "third" }), InvalidClaim, "client_id"),
            ("client with this prefix", json!({ "client_id": "second2" }), InvalidClaim, "client_id"),
            ("no client", json!({ "client_id": null }), MissingClaim, "client_id"),
            ("list of clients", json!({ "client_id": ["second"] }), InvalidClaim, "client_id"),
            ("ID token", id_token, WrongType, "token_use"),
            ("refresh token", json!({ "token_use": "refresh" }), WrongType, "token_use"),
            ("no use", json!({ "token_use": null }), MissingClaim, "token_use"),
            ("other pool", json!({ "iss": format!("{POOL}2") }), UnknownIssuer, "iss"),
        ])
        .await;
    // Neither padding nor anything else of the identifier is lenient.
    let cognito = cognito();
    let header = json!({ "alg": "RS256", "kid": "abcdefghijklmnopqrsexample" });
    let unpadded = rsa().sign_with(header, &cognito.claims);
    assert_eq!(cognito.verify(&unpadded).await.err().unwrap().0, Reason::UnknownKey);
}

#[tokio::test]
async fn an_audience_of_cognito_is_demanded_once_it_is_named() {
    let cognito = cognito();
    let bound = || (cognito.authority)().audience("https://api.example.com");
    let refused = verify(&cognito.verifier_of(bound()), &cognito.token(&json!({}))).await.err();
    assert_eq!(refused, Some((MissingClaim, "aud".to_owned())));
    let token = cognito.token(&json!({ "aud": "https://api.example.com" }));
    verify(&cognito.verifier_of(bound()), &token).await.unwrap();
    let token = cognito.token(&json!({ "aud": "https://api.example.com", "client_id": "third" }));
    let refused = verify(&cognito.verifier_of(bound()), &token).await.err();
    assert_eq!(refused, Some((InvalidClaim, "client_id".to_owned())));
}

const CLIENT: &str = "407408718192.apps.googleusercontent.com";

#[tokio::test]
async fn google_takes_id_tokens_of_the_client_and_of_the_domain() {
    let claims = json!({
        "azp": CLIENT, "aud": CLIENT, "sub": "110169484474386276334", "email": "bob@example.com",
        "email_verified": true, "hd": "example.com", "at_hash": "h", "iat": 1_700_000_000,
    });
    let google =
        Provider::discovered(|| provider::google(CLIENT), "https://accounts.google.com", claims.clone());
    assert!(has_no_place_of_roles(&google.good().await));
    let other = "x.apps.googleusercontent.com";
    google
        .refuses(&[
            ("other client", json!({ "aud": other }), WrongAudience, "aud"),
            ("client is azp alone", json!({ "aud": other, "azp": CLIENT }), WrongAudience, "aud"),
            ("short issuer", json!({ "iss": "accounts.google.com" }), UnknownIssuer, "iss"),
            ("no subject", json!({ "sub": null }), MissingClaim, "sub"),
        ])
        .await;
    google.accepts(json!({ "hd": null })).await;

    let workspace = || provider::google_workspace(CLIENT, "example.com");
    Provider::discovered(workspace, "https://accounts.google.com", claims)
        .refuses(&[
            ("private account", json!({ "hd": null }), MissingClaim, "hd"),
            ("other domain", json!({ "hd": "example.org" }), InvalidClaim, "hd"),
            ("subdomain", json!({ "hd": "x.example.com" }), InvalidClaim, "hd"),
        ])
        .await;
}

#[tokio::test]
async fn firebase_takes_users_of_the_project_and_keeps_tenants_apart() {
    let claims = json!({
        "aud": "my-project", "auth_time": 1_700_000_000, "user_id": "u", "sub": "u", "iat": 1_700_000_000,
        "roles": ["clerk"], "firebase": { "identities": {}, "sign_in_provider": "password" },
    });
    let issuer = "https://securetoken.google.com/my-project";
    let firebase =
        Provider::discovered(|| provider::firebase("my-project").roles_at("/roles"), issuer, claims.clone());
    assert_eq!(roles(&firebase.good().await), ["clerk"]);
    let session = "https://session.firebase.google.com/my-project";
    let tenant = |name: &str| json!({ "firebase": { "sign_in_provider": "password", "tenant": name } });
    firebase
        .refuses(&[
            ("other project", json!({ "aud": "other" }), WrongAudience, "aud"),
            (
                "other project's issuer",
                json!({ "iss": "https://securetoken.google.com/other" }),
                UnknownIssuer,
                "iss",
            ),
            ("session cookie", json!({ "iss": session }), UnknownIssuer, "iss"),
            ("user of a tenant", tenant("a"), InvalidClaim, "firebase"),
            ("empty subject", json!({ "sub": "" }), InvalidClaim, "sub"),
            ("long subject", json!({ "sub": "s".repeat(129) }), InvalidClaim, "sub"),
            ("no login", json!({ "auth_time": null }), MissingClaim, "auth_time"),
            ("login in the future", json!({ "auth_time": 4_000_000_000_u64 }), InvalidClaim, "auth_time"),
            ("login that is no time", json!({ "auth_time": "1700000000" }), InvalidClaim, "auth_time"),
            ("not Firebase", json!({ "firebase": null }), MissingClaim, "firebase"),
            ("not yet", json!({ "iat": 4_000_000_000_u64 }), NotYetValid, "iat"),
        ])
        .await;
    firebase.accepts(json!({ "sub": "s".repeat(128) })).await;

    let of_tenant = Provider::discovered(
        || provider::firebase_tenant("my-project", "a"),
        issuer,
        merged(&claims, &tenant("a")),
    );
    of_tenant
        .refuses(&[
            (
                "no tenant",
                json!({ "firebase": { "sign_in_provider": "password" } }),
                MissingClaim,
                "firebase",
            ),
            ("other tenant", tenant("b"), InvalidClaim, "firebase"),
            ("tenant with this prefix", tenant("ab"), InvalidClaim, "firebase"),
        ])
        .await;
}

#[tokio::test]
async fn supabase_takes_roles_from_what_users_cannot_write() {
    let claims = json!({
        "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1", "aud": "authenticated", "sub": "u",
        "role": "authenticated", "aal": "aal1", "session_id": "s", "is_anonymous": false,
        "amr": [{ "method": "password", "timestamp": 1_700_000_000 }],
        "app_metadata": { "provider": "email", "roles": ["clerk"] },
        "user_metadata": { "roles": ["admin"] }, "roles": ["root"],
    });
    let supabase = Provider::with_set_at(
        || provider::supabase("abcdefghijklmnopqrst"),
        "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json",
        claims,
    );
    assert_eq!(roles(&supabase.good().await), ["clerk"]);
    assert!(roles(&supabase.accepts(json!({ "app_metadata": {}, "is_anonymous": null })).await).is_empty());
    supabase
        .refuses(&[
            ("anonymous user", json!({ "is_anonymous": true }), InvalidClaim, "is_anonymous"),
            ("odd flag", json!({ "is_anonymous": "true" }), InvalidClaim, "is_anonymous"),
            ("service key", json!({ "role": "service_role" }), InvalidClaim, "role"),
            ("public key", json!({ "role": "anon", "aud": null }), MissingClaim, "aud"),
            ("no role", json!({ "role": null }), MissingClaim, "role"),
            ("no session", json!({ "session_id": null }), MissingClaim, "session_id"),
            ("other project", json!({ "iss": "https://other.supabase.co/auth/v1" }), UnknownIssuer, "iss"),
            (
                "slash",
                json!({ "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1/" }),
                UnknownIssuer,
                "iss",
            ),
        ])
        .await;
}

/// ES256 is what new projects sign with.
#[tokio::test]
async fn supabase_signs_with_es256_too_and_publishes_nothing_for_shared_secrets() {
    let url = "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json";
    let claims = json!({
        "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1", "aud": "authenticated", "sub": "u",
        "role": "authenticated", "session_id": "s",
    });
    let key = TestIssuer::with_algorithm("https://unused.example", Algorithm::ES256);
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "e" });
    let supabase = Provider::with_set_at(|| provider::supabase("abcdefghijklmnopqrst"), url, claims);
    let supabase = supabase.publishing(header, &[jwk(&key, &json!({ "kid": "e" }))]);
    supabase.verify(&key.sign_with(&supabase.header, &supabase.claims)).await.unwrap();

    let empty = HashMap::from([(url.to_owned(), json!({ "keys": [] }).to_string())]);
    let empty = Provider { documents: empty, ..supabase };
    let token = key.sign_with(&empty.header, &empty.claims);
    assert_eq!(empty.verify(&token).await.err().unwrap().0, Reason::KeysUnavailable);
}

#[tokio::test]
async fn clerk_takes_sessions_of_the_origins_that_are_named() {
    let claims = json!({
        "iss": "https://clerk.example.com", "azp": "https://example.com", "sid": "sess_1", "sub": "user_1",
        "fva": [7, -1], "o": { "id": "org_1", "rol": "admin", "slg": "acme" }, "sts": "active", "v": 2, "jti": "j",
    });
    let clerk = Provider::with_set_at(
        || provider::clerk("clerk.example.com", ["https://example.com", "https://admin.example.com"]),
        "https://clerk.example.com/.well-known/jwks.json",
        claims,
    );
    assert_eq!(roles(&clerk.good().await), ["admin"]);
    assert!(roles(&clerk.accepts(json!({ "o": null, "sts": null })).await).is_empty());
    clerk.accepts(json!({ "azp": "https://admin.example.com" })).await;
    clerk
        .refuses(&[
            ("no origin", json!({ "azp": null }), MissingClaim, "azp"),
            ("empty origin", json!({ "azp": "" }), InvalidClaim, "azp"),
            ("other origin", json!({ "azp": "https://evil.example.com" }), InvalidClaim, "azp"),
            (
                "origin with this prefix",
                json!({ "azp": "https://example.com.evil.net" }),
                InvalidClaim,
                "azp",
            ),
            ("origin of another scheme", json!({ "azp": "http://example.com" }), InvalidClaim, "azp"),
            ("template", json!({ "sid": null }), MissingClaim, "sid"),
            ("pending session", json!({ "sts": "pending" }), InvalidClaim, "sts"),
            ("other instance", json!({ "iss": "https://clerk.example.org" }), UnknownIssuer, "iss"),
        ])
        .await;
}

#[tokio::test]
async fn dex_takes_id_tokens_of_one_client() {
    let claims = json!({
        "aud": "orders-web", "sub": "CgNib2ISBWxvY2Fs", "iat": 1_700_000_000, "email": "bob@example.com", "at_hash": "h",
        "groups": ["clerks"], "federated_claims": { "connector_id": "local", "user_id": "bob" },
    });
    let dex = Provider::discovered(
        || provider::dex("https://dex.example.com/dex", "orders-web"),
        "https://dex.example.com/dex",
        claims,
    );
    assert_eq!(roles(&dex.good().await), ["clerks"]);
    dex.accepts(json!({ "aud": ["orders-web", "cli"], "azp": "cli" })).await;
    dex.refuses(&[
        ("another client", json!({ "aud": "shop" }), WrongAudience, "aud"),
        ("another path", json!({ "iss": "https://dex.example.com" }), UnknownIssuer, "iss"),
        ("nobody", json!({ "sub": null }), MissingClaim, "sub"),
    ])
    .await;
}
