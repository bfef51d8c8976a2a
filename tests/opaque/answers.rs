//! An answer is judged like the payload of a JWT.

use serde::Deserialize;
use serde_json::{Value, json};
use tower_jwt_auth::{
    AuthError, Authority, Claims, Jwt, OpaqueTokens, Principal, Reason, UnixTime, Verifier,
};

use crate::table::{ISSUER, NOW, Table, bob, clock, reason, verdict, verifier};

fn tokens() -> OpaqueTokens {
    OpaqueTokens::not_jwts()
}

/// What becomes of a token that these claims are answered about.
async fn judged(claims: Value, change: fn(Authority) -> Authority) -> Result<Jwt<Claims>, (Reason, String)> {
    let verifier = verifier(change(Table::of(claims).authority(tokens())), &clock());
    verdict(&verifier, "one").await.map_err(|(reason, claim)| (reason, claim.unwrap_or_default()))
}

async fn refused(claims: Value, change: fn(Authority) -> Authority) -> (Reason, String) {
    judged(claims, change).await.unwrap_err()
}

fn any(authority: Authority) -> Authority {
    authority.any_audience()
}

#[tokio::test]
async fn the_caller_is_the_same_as_with_a_jwt() {
    let claims = json!({
        "active": true, "sub": "bob", "scope": "orders:read orders:write", "client_id": "web", "jti": "7",
        "aud": ["x", "api"], "exp": NOW + 60, "nbf": NOW, "iat": NOW, "roles": ["admin"], "token_type": "Bearer",
    });
    let jwt = judged(claims, |authority| authority.audience("api").roles_at("/roles")).await.unwrap();
    let user = Jwt::principal(&jwt);
    assert_eq!((user.issuer(), user.subject()), (Some(ISSUER), Some("bob")));
    assert_eq!((user.client_id(), user.token_id()), (Some("web"), Some("7")));
    assert_eq!(user.scopes().collect::<Vec<_>>(), ["orders:read", "orders:write"]);
    assert_eq!(user.audience().collect::<Vec<_>>(), ["x", "api"]);
    assert_eq!(user.roles().unwrap().collect::<Vec<_>>(), ["admin"]);
    assert_eq!(user.expires_at(), UnixTime::from_secs(NOW + 60));
    assert_eq!(jwt.iss.as_deref(), Some(ISSUER));
}

#[tokio::test]
async fn what_an_answer_may_leave_out() {
    let jwt = judged(json!({}), any).await.unwrap();
    let user = Jwt::principal(&jwt);
    assert_eq!((user.issuer(), user.subject(), user.issued_at()), (Some(ISSUER), None, None));
    assert_eq!(user.expires_at(), UnixTime::from_secs(253_402_300_799));
    let missing = |claim: &str| (Reason::MissingClaim, claim.to_owned());
    assert_eq!(refused(bob(), |authority| any(authority).required_claim("exp")).await, missing("exp"));
    assert_eq!(refused(bob(), |authority| any(authority).required_claim("iat")).await, missing("iat"));
    let hour = |authority| any(authority).max_age(std::time::Duration::from_secs(3600));
    assert_eq!(refused(bob(), hour).await, missing("iat"));
    assert_eq!(refused(json!({ "iat": NOW - 3631 }), hour).await, (Reason::Expired, "iat".to_owned()));
    assert!(judged(json!({ "iat": NOW - 3500 }), hour).await.is_ok());
}

#[tokio::test]
async fn a_configured_audience_is_required() {
    let api = |authority: Authority| authority.audience("api");
    assert_eq!(refused(bob(), api).await, (Reason::MissingClaim, "aud".to_owned()));
    assert_eq!(refused(json!({ "aud": "ap" }), api).await, (Reason::WrongAudience, "aud".to_owned()));
    assert_eq!(refused(json!({ "aud": ["web"] }), api).await, (Reason::WrongAudience, "aud".to_owned()));
    assert_eq!(refused(json!({ "aud": 1 }), api).await, (Reason::InvalidClaim, "aud".to_owned()));
    assert!(judged(json!({ "aud": ["web", "api"] }), api).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_is_stated_is_that_of_the_authority() {
    assert!(judged(json!({ "iss": ISSUER }), any).await.is_ok());
    for iss in ["https://evil.example.com", "https://shop.example.com/", ""] {
        assert_eq!(refused(json!({ "iss": iss }), any).await, (Reason::UnknownIssuer, "iss".to_owned()));
    }
    for iss in [json!(null), json!(1), json!([ISSUER])] {
        assert_eq!(refused(json!({ "iss": iss }), any).await, (Reason::InvalidClaim, "iss".to_owned()));
    }
}

#[tokio::test]
async fn times_are_judged() {
    assert_eq!(refused(json!({ "exp": NOW - 30 }), any).await, (Reason::Expired, "exp".to_owned()));
    assert!(judged(json!({ "exp": NOW - 29 }), any).await.is_ok(), "the leeway");
    assert_eq!(refused(json!({ "nbf": NOW + 31 }), any).await, (Reason::NotYetValid, "nbf".to_owned()));
    assert_eq!(refused(json!({ "iat": NOW + 31 }), any).await, (Reason::NotYetValid, "iat".to_owned()));
    for exp in [json!("soon"), json!(null), json!(-1), json!(1e300)] {
        assert_eq!(refused(json!({ "exp": exp }), any).await, (Reason::InvalidClaim, "exp".to_owned()));
    }
}

#[tokio::test]
async fn a_bound_token_is_refused() {
    let bound = json!({ "cnf": { "jkt": "x" } });
    assert_eq!(refused(bound, any).await, (Reason::InvalidClaim, "cnf".to_owned()));
    for token_type in ["DPoP", "dpop"] {
        let refusal = refused(json!({ "token_type": token_type }), any).await;
        assert_eq!(refusal, (Reason::WrongType, "token_type".to_owned()));
    }
}

#[tokio::test]
async fn a_token_that_is_not_for_access_is_refused() {
    for (claims, claim) in [
        (json!({ "token_type": "refresh_token" }), "token_type"),
        (json!({ "typ": "Refresh" }), "typ"),
        (json!({ "typ": "Offline" }), "typ"),
        (json!({ "token_use": "refresh_token" }), "token_use"),
        (json!({ "token_use": "id" }), "token_use"),
        (json!({ "at_hash": "x" }), "at_hash"),
        (json!({ "events": {} }), "events"),
    ] {
        assert_eq!(refused(claims.clone(), any).await, (Reason::WrongType, claim.to_owned()), "{claims}");
    }
    for claims in [
        json!({ "token_use": "access_token" }),
        json!({ "token_use": "access" }),
        json!({ "token_type": "Bearer" }),
        json!({ "token_type": "access_token" }),
        json!({ "typ": "Bearer" }),
    ] {
        assert!(judged(claims.clone(), any).await.is_ok(), "{claims}");
    }
}

#[tokio::test]
async fn subject_scope_caps_and_required_claims_hold() {
    let this = |authority| any(authority).subject("alice");
    assert_eq!(refused(bob(), this).await, (Reason::InvalidClaim, "sub".to_owned()));
    let tenant = |authority| any(authority).required_claim("tenant");
    assert_eq!(refused(bob(), tenant).await, (Reason::MissingClaim, "tenant".to_owned()));
    let capped = |authority| any(authority).only_scopes(["orders:read"]);
    let jwt = judged(json!({ "scope": "orders:read admin" }), capped).await.unwrap();
    assert_eq!(Jwt::principal(&jwt).scopes().collect::<Vec<_>>(), ["orders:read"]);
    let strings = refused(json!({ "sub": 7 }), any).await;
    assert_eq!(strings, (Reason::InvalidClaim, "sub".to_owned()));
    let numbers = |authority| any(authority).numeric_ids_as_text();
    assert_eq!(judged(json!({ "sub": 7 }), numbers).await.unwrap().sub.as_deref(), Some("7"));
}

#[tokio::test]
async fn the_users_checks_run_on_each_hit() {
    let table = Table::of(json!({ "jti": "7" }));
    let denied = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let deny = std::sync::Arc::clone(&denied);
    let authority = table.authority(tokens()).any_audience().check(move |principal: &Principal| {
        assert_eq!(principal.token_id(), Some("7"));
        match denied.load(std::sync::atomic::Ordering::SeqCst) {
            false => Ok(()),
            true => Err(AuthError::new(Reason::Revoked)),
        }
    });
    let verifier = verifier(authority, &clock());
    assert_eq!(reason(&verifier, "one").await, None);
    deny.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(reason(&verifier, "one").await, Some(Reason::Revoked));
    assert_eq!(table.calls(), 1, "the answer is kept, not the verdict");
}

#[tokio::test]
async fn the_answer_fills_the_users_type() {
    #[derive(Deserialize)]
    struct Customer {
        iss: String,
        plan: String,
    }

    let authority = || Table::of(json!({ "plan": "pro" })).authority(tokens()).any_audience();
    let verifier = Verifier::<Customer>::new(authority()).unwrap();
    let customer = verifier.verify("one").await.unwrap();
    assert_eq!((&*customer.iss, &*customer.plan), (ISSUER, "pro"));

    #[derive(Debug, Deserialize)]
    struct Expiring {
        #[allow(dead_code)]
        exp: u64,
    }

    let verifier = Verifier::<Expiring>::new(authority()).unwrap();
    let refused = verifier.verify("one").await.unwrap_err();
    assert_eq!((refused.reason(), refused.claim()), (Reason::MissingClaim, Some("exp")));
}

#[tokio::test]
async fn a_function_that_answers_with_something_else_than_claims_is_503() {
    for claims in [json!([]), json!("bob"), json!(null), json!({ "active": "yes" })] {
        assert_eq!(refused(claims.clone(), any).await.0, Reason::RevocationUnavailable, "{claims}");
    }
    assert_eq!(refused(json!({ "active": false }), any).await.0, Reason::Inactive);
}

#[tokio::test]
async fn explain_says_what_was_answered() {
    let table = Table::of(json!({ "aud": "web" }));
    let verifier = verifier(table.authority(tokens()).audience("api"), &clock());
    let text = verifier.explain("one").to_string();
    assert!(text.starts_with("undecided") && text.contains("nobody was asked about it yet"), "{text}");
    assert!(reason(&verifier, "one").await.is_some());
    let text = verifier.explain("one").to_string();
    assert!(text.starts_with("refused: wrong_audience"), "{text}");
    assert!(text.contains("\"web\"") && text.contains("\"api\"") && text.contains(ISSUER), "{text}");
    assert!(reason(&verifier, "bad").await.is_some());
    let text = verifier.explain("bad").to_string();
    assert!(text.starts_with("refused: inactive") && text.contains("not active"), "{text}");
    let text = verifier.explain("a b").to_string();
    assert!(text.contains("RFC 6750 section 2.1"), "{text}");
}
