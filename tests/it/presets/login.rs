//! Authorization servers: Auth0, Entra, Keycloak, Okta, Zitadel, Ory.

use serde_json::json;
use tower_jwt_auth::provider::{self, KeycloakRoles};
use tower_jwt_auth::{Claims, Jwt, Reason, Verifier};

use super::{Provider, has_no_place_of_roles, jwk, merged, roles, rsa, scopes};

use Reason::{InvalidClaim, MissingClaim, UnknownIssuer, WrongAudience, WrongType};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const API: &str = "ef1da9d4-ff77-4c3e-a005-840c3f830745";
const CLIENT: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";

fn auth0() -> Provider {
    let claims = json!({
        "sub": "auth0|123456",
        "aud": ["https://api.example.com", "https://tenant.eu.auth0.com/userinfo"],
        "azp": "my_client_id",
        "scope": "openid read:orders",
        "permissions": ["orders:read"],
    });
    Provider::discovered(
        || provider::auth0("tenant.eu.auth0.com").audience("https://api.example.com"),
        "https://tenant.eu.auth0.com/",
        claims,
    )
}

#[tokio::test]
async fn auth0_takes_access_tokens_of_both_profiles() {
    let auth0 = auth0();
    let jwt = auth0.good().await;
    assert_eq!(roles(&jwt), ["orders:read"]);
    assert_eq!(scopes(&jwt), ["openid", "read:orders"]);

    let rfc9068 = json!({ "azp": null, "client_id": "my_client_id", "jti": "x", "permissions": null });
    let machine = json!({ "sub": "my_client_id@clients", "gty": "client-credentials", "aud": "https://api.example.com" });
    assert!(roles(&auth0.accepts(rfc9068).await).is_empty());
    auth0.accepts(machine).await;
}

#[tokio::test]
async fn auth0_refuses_what_is_not_for_the_api() {
    let id_token = json!({ "aud": "my_client_id", "azp": null, "nonce": "n", "sid": "s", "scope": null });
    auth0()
        .refuses(&[
            ("no slash", json!({ "iss": "https://tenant.eu.auth0.com" }), UnknownIssuer, "iss"),
            ("other tenant", json!({ "iss": "https://other.eu.auth0.com/" }), UnknownIssuer, "iss"),
            ("ID token", id_token, WrongAudience, "aud"),
            // Of a client that has the identifier of the API for its id.
            ("ID token for the API", json!({ "azp": null, "nonce": "n" }), MissingClaim, "azp"),
            ("client null", json!({ "azp": null, "client_id": null }), MissingClaim, "azp"),
            ("no audience", json!({ "aud": null }), MissingClaim, "aud"),
            ("userinfo", json!({ "aud": "https://tenant.eu.auth0.com/userinfo" }), WrongAudience, "aud"),
        ])
        .await;

    let encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiaXNzIjoiaHR0cHM6Ly90In0..aaaa.bbbb.cccc";
    assert_eq!(auth0().verify(encrypted).await.err().unwrap().0, Reason::MalformedToken);
}

#[tokio::test]
async fn roles_of_auth0_may_be_in_a_claim_whose_name_is_a_url() {
    let auth0 = auth0();
    let authority = (auth0.authority)().roles_at("/https:~1~1example.com~1roles");
    let token = auth0.token(&json!({ "https://example.com/roles": ["admin"] }));
    let jwt = super::verify(&auth0.verifier_of(authority), &token).await.unwrap();
    assert_eq!(roles(&jwt), ["admin"]);
}

/// As Entra publishes keys: no `alg`, certificates, an `issuer` with a template, and an `x5t`.
fn with_keys_of_entra(provider: Provider) -> Provider {
    let extra = json!({
        "kid": "s3cr", "alg": null, "use": "sig", "x5t": "s3cr", "x5c": ["MIIC/jCCAeagAwIBAgIJAL"],
        "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
    });
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": "s3cr", "kid": "s3cr" });
    provider.publishing(header, &[jwk(rsa(), &extra)])
}

fn entra() -> Provider {
    let claims = json!({
        "aud": API, "azp": CLIENT, "azpacr": "1", "name": "Bob", "oid": "o", "tid": TENANT, "sub": "s",
        "scp": "orders.read orders.write", "roles": ["Clerk"], "uti": "u", "ver": "2.0", "rh": "0.A",
    });
    with_keys_of_entra(Provider::discovered(
        || provider::entra(TENANT).audience(API),
        &format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        claims,
    ))
}

fn entra_v1() -> Provider {
    let claims = json!({
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "aud": format!("api://{API}"), "appid": CLIENT, "appidacr": "1", "unique_name": "bob@example.com",
        "tid": TENANT, "sub": "s", "scp": "orders.read", "ver": "1.0",
    });
    with_keys_of_entra(Provider::with_set_at(
        || provider::entra_v1(TENANT).audience(format!("api://{API}")).audience(API),
        &format!("https://login.microsoftonline.com/{TENANT}/discovery/keys"),
        claims,
    ))
}

#[tokio::test]
async fn entra_takes_tokens_of_users_and_of_applications() {
    let jwt = entra().good().await;
    assert_eq!(roles(&jwt), ["Clerk"]);
    assert_eq!(scopes(&jwt), ["orders.read", "orders.write"]);
    let application = entra().accepts(json!({ "scp": null, "roles": ["Orders.Read.All"] })).await;
    assert_eq!(roles(&application), ["Orders.Read.All"]);
    assert!(scopes(&application).is_empty());
    let user = entra().accepts(json!({ "roles": null })).await;
    assert!(roles(&user).is_empty());

    assert_eq!(scopes(&entra_v1().good().await), ["orders.read"]);
    entra_v1().accepts(json!({ "aud": API })).await;
}

#[tokio::test]
async fn entra_refuses_other_versions_tenants_and_kinds() {
    let id_token = json!({ "azp": null, "azpacr": null, "scp": null, "nonce": "n" });
    let v1 = format!("https://sts.windows.net/{TENANT}/");
    let other = format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0");
    entra()
        .refuses(&[
            ("v1", json!({ "iss": v1, "ver": "1.0" }), UnknownIssuer, "iss"),
            (
                "slash",
                json!({ "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0/") }),
                UnknownIssuer,
                "iss",
            ),
            (
                "template",
                json!({ "iss": "https://login.microsoftonline.com/{tenantid}/v2.0" }),
                UnknownIssuer,
                "iss",
            ),
            ("other tenant", json!({ "iss": other, "tid": OTHER_TENANT }), UnknownIssuer, "iss"),
            ("two tenants", json!({ "tid": OTHER_TENANT }), InvalidClaim, "tid"),
            ("no tenant", json!({ "tid": null }), MissingClaim, "tid"),
            ("version", json!({ "ver": "1.0" }), InvalidClaim, "ver"),
            ("ID token of the same registration", id_token, MissingClaim, "azp"),
            ("any application", json!({ "scp": null, "roles": null }), MissingClaim, "scp"),
            ("Graph", json!({ "aud": "00000003-0000-0000-c000-000000000000" }), WrongAudience, "aud"),
        ])
        .await;
    entra_v1()
        .refuses(&[
            ("no slash", json!({ "iss": format!("https://sts.windows.net/{TENANT}") }), UnknownIssuer, "iss"),
            (
                "v2",
                json!({ "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0") }),
                UnknownIssuer,
                "iss",
            ),
            ("ID token", json!({ "appid": null, "scp": null }), MissingClaim, "appid"),
            ("version", json!({ "ver": "2.0" }), InvalidClaim, "ver"),
            ("any application", json!({ "scp": null }), MissingClaim, "scp"),
        ])
        .await;
}

/// Microsoft signs a header in which the nonce is hashed, and sends one in which it is not.
#[tokio::test]
async fn a_token_for_graph_fails_cleanly() {
    let entra = entra();
    let signed = rsa().sign_with(merged(&entra.header, &json!({ "nonce": "hashed" })), &entra.claims);
    let sent = rsa().sign_with(merged(&entra.header, &json!({ "nonce": "plain" })), &entra.claims);
    let (header, _) = sent.split_once('.').unwrap();
    let (_, rest) = signed.split_once('.').unwrap();
    assert_eq!(entra.verify(&format!("{header}.{rest}")).await.err().unwrap().0, Reason::BadSignature);
}

/// Several tenants are several authorities; neither takes the other's tokens for its own.
#[tokio::test]
async fn two_tenants_of_entra_stand_side_by_side() {
    let documents: std::collections::HashMap<_, _> = [TENANT, OTHER_TENANT]
        .into_iter()
        .flat_map(|tenant| {
            let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
            let keys = format!("https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys");
            let discovery = json!({ "issuer": issuer, "jwks_uri": keys }).to_string();
            let set = json!({ "keys": [jwk(rsa(), &json!({ "kid": "s3cr", "alg": null }))] }).to_string();
            [(format!("{issuer}/.well-known/openid-configuration"), discovery), (keys, set)]
        })
        .collect();
    let authorities = [TENANT, OTHER_TENANT].map(|tenant| {
        let memory = super::Memory(documents.clone());
        provider::entra(tenant).audience(API).remote_keys(|keys| keys.fetch(memory))
    });
    let verifier = Verifier::new(authorities).unwrap();
    let entra = entra();
    super::verify(&verifier, &entra.token(&json!({}))).await.unwrap();
    let other = json!({ "iss": format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0") });
    let mixed = super::verify(&verifier, &entra.token(&other)).await;
    assert_eq!(mixed.err().unwrap(), (InvalidClaim, "tid".to_owned()));
    let whole = merged(&other, &json!({ "tid": OTHER_TENANT }));
    super::verify(&verifier, &entra.token(&whole)).await.unwrap();
}

const KEYCLOAK_ISSUER: &str = "https://id.example.com/realms/shop";

fn keycloak() -> Provider {
    let claims = json!({
        "jti": "j", "aud": ["orders-api", "account"], "sub": "f:1:bob", "typ": "Bearer", "azp": "web-app",
        "sid": "s", "acr": "1", "scope": "profile orders:read",
        "realm_access": { "roles": ["offline_access", "clerk"] },
        "resource_access": {
            "orders-api": { "roles": ["reader"] },
            "billing-api": { "roles": ["admin"] },
            "account": { "roles": ["manage-account"] },
        },
    });
    // Beside the key for signatures, one for encryption, as every realm has it; and no `typ` of use.
    let encryption = json!({ "kid": "enc-1", "alg": "RSA-OAEP", "use": "enc", "x5c": ["MIIC"], "x5t": "t" });
    let signature = json!({ "kid": "sig-1", "x5c": ["MIIC"], "x5t": "t" });
    Provider::discovered(
        || {
            let roles = KeycloakRoles::Client("orders-api");
            provider::keycloak("https://id.example.com", "shop", roles).audience("orders-api")
        },
        KEYCLOAK_ISSUER,
        claims,
    )
    .publishing(
        json!({ "alg": "RS256", "typ": "JWT", "kid": "sig-1" }),
        &[jwk(rsa(), &encryption), jwk(rsa(), &signature)],
    )
}

#[tokio::test]
async fn roles_of_one_client_of_keycloak_are_never_anothers() {
    let keycloak = keycloak();
    assert_eq!(roles(&keycloak.good().await), ["reader"]);
    assert_eq!(scopes(&keycloak.good().await), ["profile", "orders:read"]);
    let of_another = json!({ "resource_access": { "billing-api": { "roles": ["admin"] } } });
    assert!(roles(&keycloak.accepts(of_another).await).is_empty());
    assert!(roles(&keycloak.accepts(json!({ "resource_access": null })).await).is_empty());

    let realm =
        provider::keycloak("https://id.example.com", "shop", KeycloakRoles::Realm).audience("orders-api");
    let jwt = super::verify(&keycloak.verifier_of(realm), &keycloak.token(&json!({}))).await.unwrap();
    assert_eq!(roles(&jwt), ["clerk", "offline_access"]);

    // A client whose id looks like a path into another's roles.
    let odd = KeycloakRoles::Client("x/../billing-api");
    let odd = provider::keycloak("https://id.example.com", "shop", odd).audience("orders-api");
    let jwt = super::verify(&keycloak.verifier_of(odd), &keycloak.token(&json!({}))).await.unwrap();
    assert!(roles(&jwt).is_empty());
    let url = json!({ "resource_access": { "https://api/~v1": { "roles": ["reader"] } } });
    let named = KeycloakRoles::Client("https://api/~v1");
    let named = provider::keycloak("https://id.example.com", "shop", named).audience("orders-api");
    let jwt = super::verify(&keycloak.verifier_of(named), &keycloak.token(&url)).await.unwrap();
    assert_eq!(roles(&jwt), ["reader"]);
}

#[tokio::test]
async fn keycloak_refuses_its_other_tokens() {
    let keycloak = keycloak();
    keycloak.accepts(json!({ "aud": "orders-api" })).await;
    keycloak.accepts(json!({ "typ": "bearer" })).await;
    keycloak
        .refuses(&[
            ("ID token", json!({ "typ": "ID" }), WrongType, "typ"),
            ("refresh token", json!({ "typ": "Refresh" }), WrongType, "typ"),
            ("offline token", json!({ "typ": "Offline" }), WrongType, "typ"),
            ("logout token", json!({ "typ": "Logout" }), WrongType, "typ"),
            ("bound to a key", json!({ "typ": "DPoP" }), InvalidClaim, "typ"),
            ("no typ", json!({ "typ": null }), MissingClaim, "typ"),
            ("no client", json!({ "azp": null }), MissingClaim, "azp"),
            ("fresh realm", json!({ "aud": "account" }), WrongAudience, "aud"),
            ("no mapper", json!({ "aud": null }), MissingClaim, "aud"),
            ("client is the API", json!({ "aud": null, "azp": "orders-api" }), MissingClaim, "aud"),
            ("other realm", json!({ "iss": "https://id.example.com/realms/master" }), UnknownIssuer, "iss"),
            (
                "realm with this prefix",
                json!({ "iss": "https://id.example.com/realms/shop2" }),
                UnknownIssuer,
                "iss",
            ),
            ("slash", json!({ "iss": "https://id.example.com/realms/shop/" }), UnknownIssuer, "iss"),
            ("old path", json!({ "iss": "https://id.example.com/auth/realms/shop" }), UnknownIssuer, "iss"),
        ])
        .await;

    // The key for encryption is not there to verify.
    let token =
        rsa().sign_with(merged(&keycloak.header, &json!({ "kid": "enc-1" })), keycloak.claims.clone());
    assert_eq!(keycloak.verify(&token).await.err().unwrap().0, Reason::UnknownKey);
}

#[tokio::test]
async fn okta_takes_access_tokens_of_its_server() {
    let claims = json!({
        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://default",
        "cid": "nmdP1fcyvdVO11AL7ECm", "uid": "00ujmkLgagxeRrAg20g3", "scp": ["openid", "orders read"],
        "sub": "bob@example.com", "groups": ["Everyone", "clerks"],
    });
    let okta = Provider::discovered(
        || provider::okta("example.okta.com", "default").audience("api://default"),
        "https://example.okta.com/oauth2/default",
        claims,
    )
    .publishing(json!({ "alg": "RS256", "kid": "k" }), &[jwk(rsa(), &json!({ "kid": "k" }))]);
    let jwt = okta.good().await;
    assert_eq!(scopes(&jwt), ["openid", "orders read"]); // an array is not split
    assert_eq!(roles(&jwt), ["Everyone", "clerks"]);
    assert!(roles(&okta.accepts(json!({ "groups": null })).await).is_empty());
    okta.refuses(&[
        ("organization's server", json!({ "iss": "https://example.okta.com" }), UnknownIssuer, "iss"),
        ("other server", json!({ "iss": "https://example.okta.com/oauth2/aus1" }), UnknownIssuer, "iss"),
        ("ID token", json!({ "cid": null, "scp": null, "amr": ["pwd"], "jti": "ID.x" }), MissingClaim, "cid"),
        ("ID token's hash", json!({ "at_hash": "x" }), WrongType, "at_hash"),
        ("other audience", json!({ "aud": "api://other" }), WrongAudience, "aud"),
    ])
    .await;
}

#[tokio::test]
async fn zitadel_takes_roles_of_its_project_alone() {
    let of = |project: &str, role: &str| json!({ project: { role: { "1": "example.zitadel.cloud" } } });
    let mut claims = json!({
        "aud": ["268026@web", "268026843853045763"], "client_id": "268026@web", "jti": "V2_1-at_2", "sub": "u",
    });
    for (claim, role) in [
        ("urn:zitadel:iam:org:project:268026843853045763:roles", "clerk"),
        ("urn:zitadel:iam:org:project:999:roles", "admin"),
        ("urn:zitadel:iam:org:project:roles", "root"),
    ] {
        claims = merged(&claims, &of(claim, role));
    }
    let zitadel = Provider::discovered(
        || provider::zitadel("https://example.zitadel.cloud", "268026843853045763"),
        "https://example.zitadel.cloud",
        claims,
    );
    let jwt = zitadel.good().await;
    assert_eq!(roles(&jwt), ["clerk"]);
    assert!(scopes(&jwt).is_empty());
    let none = json!({ "urn:zitadel:iam:org:project:268026843853045763:roles": null });
    assert!(roles(&zitadel.accepts(none).await).is_empty());
    let id_token = json!({ "jti": null, "azp": "268026@web", "amr": ["pwd"], "at_hash": "h" });
    zitadel
        .refuses(&[
            ("other project", json!({ "aud": ["268026@web", "999"] }), WrongAudience, "aud"),
            ("ID token", id_token, WrongType, "at_hash"),
            ("ID token without a hash", json!({ "jti": null }), MissingClaim, "jti"),
            ("slash", json!({ "iss": "https://example.zitadel.cloud/" }), UnknownIssuer, "iss"),
        ])
        .await;
}

#[tokio::test]
async fn ory_takes_access_tokens_of_an_issuer_with_a_slash() {
    let claims = json!({
        "aud": ["orders-api"], "client_id": "c", "ext": { "roles": ["clerk"] }, "jti": "j", "nbf": 1_700_000_000,
        "scp": ["orders", "offline"], "sub": "u",
    });
    let ory = Provider::discovered(
        || provider::ory("https://id.example.com/").audience("orders-api"),
        "https://id.example.com/",
        claims,
    );
    let jwt = ory.good().await;
    assert_eq!(
        (roles(&jwt), scopes(&jwt)),
        (vec!["clerk".to_owned()], vec!["orders".to_owned(), "offline".to_owned()])
    );
    let as_text = ory.accepts(json!({ "scp": null, "scope": "orders offline", "ext": {} })).await;
    assert_eq!(scopes(&as_text), ["orders", "offline"]);
    assert!(!has_no_place_of_roles(&as_text));
    let id_token = json!({ "client_id": null, "at_hash": "h", "rat": 1, "sid": "s", "scp": null });
    ory.refuses(&[
        ("no slash", json!({ "iss": "https://id.example.com" }), UnknownIssuer, "iss"),
        ("empty audience", json!({ "aud": [] }), WrongAudience, "aud"),
        ("ID token", id_token, WrongType, "at_hash"),
        ("ID token without a hash", json!({ "client_id": null }), MissingClaim, "client_id"),
    ])
    .await;
}

/// The issuer that Microsoft's keys are for: any tenant, or one.
const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

fn entra_multi_tenant() -> Provider {
    let claims = json!({
        "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        "aud": API, "azp": CLIENT, "oid": "o", "tid": TENANT, "sub": "s", "scp": "orders.read", "ver": "2.0",
    });
    with_keys_of_entra(Provider::with_set_at(
        || provider::entra_multi_tenant(|tenant| [TENANT, PERSONAL].contains(&tenant)).audience(API),
        "https://login.microsoftonline.com/common/discovery/v2.0/keys",
        claims,
    ))
}

/// The tenant of personal accounts, which has keys of its own.
const PERSONAL: &str = OTHER_TENANT;
const THIRD: &str = "00000000-1111-4222-8333-444455556666";

fn of_tenant(tenant: &str) -> serde_json::Value {
    json!({ "iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"), "tid": tenant })
}

#[tokio::test]
async fn entra_multi_tenant_takes_the_tenants_that_are_trusted() {
    let entra = entra_multi_tenant();
    let jwt = entra.good().await;
    assert_eq!(
        Jwt::principal(&jwt).issuer(),
        Some(format!("https://login.microsoftonline.com/{TENANT}/v2.0").as_str())
    );
    entra.accepts(of_tenant(PERSONAL)).await;
    entra
        .refuses(&[
            ("not trusted", of_tenant(THIRD), UnknownIssuer, "iss"),
            ("two tenants", json!({ "tid": PERSONAL }), InvalidClaim, "tid"),
            ("no tenant", json!({ "tid": null }), MissingClaim, "tid"),
            ("not trusted in iss", json!({ "iss": of_tenant(THIRD)["iss"] }), UnknownIssuer, "iss"),
            ("template", json!({ "iss": TEMPLATE, "tid": "{tenantid}" }), UnknownIssuer, "iss"),
            ("capitals", of_tenant(&TENANT.to_uppercase()), UnknownIssuer, "iss"),
            ("v1", json!({ "iss": format!("https://sts.windows.net/{TENANT}/") }), UnknownIssuer, "iss"),
            (
                "slash",
                json!({ "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0/") }),
                UnknownIssuer,
                "iss",
            ),
            ("no issuer", json!({ "iss": null }), MissingClaim, "iss"),
            ("a number", json!({ "iss": 7 }), InvalidClaim, "iss"),
            ("version", json!({ "ver": "1.0" }), InvalidClaim, "ver"),
            ("audience", json!({ "aud": CLIENT }), WrongAudience, "aud"),
            ("ID token", json!({ "azp": null, "scp": null }), MissingClaim, "azp"),
        ])
        .await;
}

/// One set has the keys of all tenants: a key that is for one signs for no other.
#[tokio::test]
async fn a_key_of_one_tenant_signs_for_no_other() {
    let personal = format!("https://login.microsoftonline.com/{PERSONAL}/v2.0");
    let publishing = |issuers: &[serde_json::Value]| {
        let entra = entra_multi_tenant();
        let header = entra.header.clone();
        let key = |issuer| jwk(rsa(), &json!({ "kid": "s3cr", "alg": null, "issuer": issuer }));
        entra.publishing(header, &issuers.iter().map(key).collect::<Vec<_>>())
    };
    for (issuers, tenant, personal_one) in [
        (vec![json!(TEMPLATE)], true, true),
        (vec![json!(personal)], false, true),
        (vec![json!(personal), json!(TEMPLATE)], true, true),
        (
            vec![json!(personal), json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"))],
            true,
            true,
        ),
        (vec![json!("https://login.microsoftonline.com/common/v2.0")], false, false),
        (vec![json!("https://login.microsoftonline.us/{tenantid}/v2.0")], false, false),
        (vec![json!("")], false, false),
        (vec![json!(["https://login.microsoftonline.com/{tenantid}/v2.0"])], false, false),
        (vec![json!(null)], false, false),
    ] {
        let entra = publishing(&issuers);
        for (claims, good) in [(json!({}), tenant), (of_tenant(PERSONAL), personal_one)] {
            let refused = entra.verify(&entra.token(&claims)).await.err();
            let expected = (!good).then(|| (Reason::UnknownKey, String::new()));
            assert_eq!(refused, expected, "{issuers:?} {claims}");
        }
    }
}

/// Beside other authorities: the one with the very issuer comes first.
#[tokio::test]
async fn entra_multi_tenant_stands_beside_others() {
    let entra = entra_multi_tenant();
    let other = tower_jwt_auth::TestIssuer::new("https://id.example.com").audience("api");
    let documents = entra.documents.clone();
    let multi = (entra.authority)().remote_keys(move |keys| keys.fetch(super::Memory(documents)));
    let verifier = Verifier::<Claims>::new([other.authority(), multi]).unwrap();
    assert!(super::verify(&verifier, &other.sign(json!({}))).await.is_ok());
    assert!(super::verify(&verifier, &entra.token(&json!({}))).await.is_ok());
    let refused = super::verify(&verifier, &entra.token(&of_tenant(THIRD))).await.err();
    assert_eq!(refused, Some((UnknownIssuer, "iss".to_owned())));

    let twice = [(); 2].map(|()| provider::entra_multi_tenant(|_| true).audience(API));
    let error = Verifier::<Claims>::new(twice).unwrap_err().to_string();
    assert!(error.contains("two authorities have the issuer"), "{error}");
    let named = provider::entra_multi_tenant(|_| true).audience(API).issuer("https://id.example.com");
    let error = Verifier::<Claims>::new(named).unwrap_err().to_string();
    assert!(error.contains("issuer: another one is set"), "{error}");
}

#[tokio::test]
async fn adfs_takes_access_tokens_by_their_own_issuer() {
    let claims = json!({
        "iss": "http://fs.example.com/adfs/services/trust", "aud": "microsoft:identityserver:https://api.example.com",
        "sub": "x", "appid": CLIENT, "apptype": "Public", "scp": "openid orders:read", "ver": "1.0", "auth_time": 1,
    });
    let adfs = Provider::with_set_at(
        || provider::adfs("fs.example.com").audience("microsoft:identityserver:https://api.example.com"),
        "https://fs.example.com/adfs/discovery/keys",
        claims,
    );
    assert_eq!(scopes(&adfs.good().await), ["openid", "orders:read"]);
    let id_token =
        json!({ "iss": "https://fs.example.com/adfs", "aud": CLIENT, "appid": null, "apptype": null });
    adfs.refuses(&[
        ("ID token", id_token, UnknownIssuer, "iss"),
        ("https", json!({ "iss": "https://fs.example.com/adfs/services/trust" }), UnknownIssuer, "iss"),
        (
            "another API",
            json!({ "aud": "microsoft:identityserver:https://other.example.com" }),
            WrongAudience,
            "aud",
        ),
        ("userinfo", json!({ "aud": "urn:microsoft:userinfo" }), WrongAudience, "aud"),
        ("no client", json!({ "appid": null }), MissingClaim, "appid"),
    ])
    .await;
}

#[tokio::test]
async fn b2c_takes_access_tokens_of_one_policy() {
    let claims = json!({
        "iss": format!("https://contoso.b2clogin.com/{TENANT}/v2.0/"), "aud": API, "sub": "x", "azp": CLIENT,
        "scp": "orders.read", "tfp": "B2C_1_signin", "ver": "1.0",
    });
    let b2c = Provider::with_set_at(
        || provider::azure_ad_b2c("contoso", TENANT, "B2C_1_signin").audience(API),
        "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signin/discovery/v2.0/keys",
        claims,
    );
    assert_eq!(scopes(&b2c.good().await), ["orders.read"]);
    b2c.accepts(json!({ "tfp": null, "acr": "b2c_1_signin" })).await;
    b2c.accepts(json!({ "scp": null, "roles": ["orders"] })).await;
    b2c.refuses(&[
        ("another policy", json!({ "tfp": "B2C_1_signup" }), InvalidClaim, "tfp"),
        ("another policy in acr", json!({ "acr": "b2c_1_signup" }), InvalidClaim, "acr"),
        ("no policy", json!({ "tfp": null }), MissingClaim, "tfp"),
        ("ID token", json!({ "azp": null, "scp": null }), MissingClaim, "azp"),
        (
            "another tenant",
            json!({ "iss": format!("https://contoso.b2clogin.com/{OTHER_TENANT}/v2.0/") }),
            UnknownIssuer,
            "iss",
        ),
        (
            "no slash",
            json!({ "iss": format!("https://contoso.b2clogin.com/{TENANT}/v2.0") }),
            UnknownIssuer,
            "iss",
        ),
    ])
    .await;
}

#[tokio::test]
async fn external_id_is_entra_at_another_host() {
    const ISSUER: &str = "https://8eaef023-2b34-4da1-9baa-8bc8c9d6a490.ciamlogin.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0";
    let claims =
        json!({ "aud": API, "sub": "x", "azp": CLIENT, "scp": "orders.read", "tid": TENANT, "ver": "2.0" });
    let external = Provider::discovered(|| provider::entra_external_id(TENANT).audience(API), ISSUER, claims);
    assert_eq!(scopes(&external.good().await), ["orders.read"]);
    external
        .refuses(&[
            (
                "workforce",
                json!({ "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0") }),
                UnknownIssuer,
                "iss",
            ),
            ("another tenant", json!({ "tid": OTHER_TENANT }), InvalidClaim, "tid"),
            ("ID token", json!({ "azp": null, "scp": null }), MissingClaim, "azp"),
        ])
        .await;
}

#[tokio::test]
async fn authentik_takes_access_tokens_of_one_application() {
    let claims = json!({
        "aud": "orders-client", "sub": "hash", "azp": "orders-client", "uid": "u", "scope": "openid profile",
        "groups": ["clerks"], "acr": "goauthentik.io/providers/oauth2/default", "sid": "s", "auth_time": 1,
    });
    let authentik = Provider::discovered(
        || provider::authentik("https://auth.example.com", "orders").audience("orders-client"),
        "https://auth.example.com/application/o/orders/",
        claims,
    );
    let user = authentik.good().await;
    assert_eq!(
        (roles(&user), scopes(&user)),
        (vec!["clerks".to_owned()], vec!["openid".to_owned(), "profile".to_owned()])
    );
    authentik
        .refuses(&[
            ("ID token", json!({ "azp": null, "uid": null, "nonce": "n" }), MissingClaim, "azp"),
            (
                "another application",
                json!({ "iss": "https://auth.example.com/application/o/shop/" }),
                UnknownIssuer,
                "iss",
            ),
            (
                "no slash",
                json!({ "iss": "https://auth.example.com/application/o/orders" }),
                UnknownIssuer,
                "iss",
            ),
            ("another client", json!({ "aud": "shop-client" }), WrongAudience, "aud"),
        ])
        .await;
}

#[tokio::test]
async fn authelia_takes_access_tokens_of_rfc_9068() {
    let claims = json!({
        "aud": ["https://api.example.com"], "sub": "uuid", "client_id": "shop", "jti": "j", "iat": 1_700_000_000,
        "scp": ["orders:read"],
    });
    let mut authelia = Provider::discovered(
        || provider::authelia("https://auth.example.com").audience("https://api.example.com"),
        "https://auth.example.com",
        claims,
    );
    authelia.header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": "key-1" });
    let user = authelia.good().await;
    assert!(has_no_place_of_roles(&user));
    assert_eq!(scopes(&user), ["orders:read"]);
    authelia
        .refuses(&[
            ("no audience asked for", json!({ "aud": [] }), WrongAudience, "aud"),
            ("no client", json!({ "client_id": null }), MissingClaim, "client_id"),
            ("a slash", json!({ "iss": "https://auth.example.com/" }), UnknownIssuer, "iss"),
        ])
        .await;
    authelia.header = json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" });
    assert_eq!(authelia.verify(&authelia.token(&json!({}))).await.err(), Some((WrongType, "typ".to_owned())));
}
