//! Which kind of token: the header's `typ`, the profiles, and the marks of other kinds.

use serde_json::{Value, json};
use tower_jwt_auth::Authority;

use super::Bench;

fn judge_typ(authority: impl Fn(Authority) -> Authority, typ: Option<&str>) -> String {
    let bench = Bench::new();
    let token = bench.issuer.sign_with(json!({ "typ": typ }), json!({ "sub": "bob", "client_id": "app" }));
    bench.judge(|| authority(bench.issuer.authority()), &token)
}

#[test]
fn typ_may_be_absent_or_say_what_access_tokens_say() {
    for typ in [
        None,
        Some("JWT"),
        Some("jwt"),
        Some("application/jwt"),
        Some("at+jwt"),
        Some("AT+JWT"),
        Some("at+JWT"),
        Some("application/at+jwt"),
        Some("APPLICATION/AT+jwt"),
    ] {
        assert_eq!(judge_typ(|authority| authority, typ), "accepted", "{typ:?}");
    }
    for typ in [
        "",
        "JOSE",
        "id+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "rt+jwt",
        "at+jwt ",
        "at +jwt",
        "at+jwts",
        "text/at+jwt",
        "application/",
        "application/application/at+jwt",
    ] {
        assert_eq!(judge_typ(|authority| authority, Some(typ)), "wrong_type (typ)", "{typ}");
    }
}

#[test]
fn a_typ_of_ones_own_is_the_only_one() {
    let own = |authority: Authority| authority.typ("vnd.shop+jwt");
    for typ in ["vnd.shop+jwt", "VND.shop+JWT", "application/vnd.shop+jwt"] {
        assert_eq!(judge_typ(own, Some(typ)), "accepted", "{typ}");
    }
    for typ in [None, Some("JWT"), Some("at+jwt"), Some("shop+jwt")] {
        assert_eq!(judge_typ(own, typ), "wrong_type (typ)", "{typ:?}");
    }
}

#[test]
fn rfc_9068_takes_at_jwt_only() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(judge_typ(Authority::rfc9068, Some(typ)), "accepted", "{typ}");
    }
    for typ in [None, Some("JWT"), Some("id+jwt")] {
        assert_eq!(judge_typ(Authority::rfc9068, typ), "wrong_type (typ)", "{typ:?}");
    }
}

#[test]
fn rfc_9068_demands_each_claim_of_its_section_2_2() {
    let bench = Bench::new();
    let whole = json!({ "sub": "bob", "client_id": "app" });
    let judge =
        |claims: &Value| bench.judge(|| bench.issuer.authority().rfc9068(), &bench.sign(claims.clone()));
    assert_eq!(judge(&whole), "accepted");
    for claim in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        let mut claims = whole.clone();
        claims[claim] = Value::Null;
        assert_eq!(judge(&claims), format!("missing_claim ({claim})"));
    }
    for odd in [json!(7), json!(["app"]), json!({}), json!(true)] {
        let claims = json!({ "sub": "bob", "client_id": odd });
        assert_eq!(judge(&claims), "invalid_claim (client_id)", "{claims}");
    }
    // Even where the authority leaves issuer and audience open.
    let open = || bench.bare().any_issuer().any_audience().rfc9068();
    for claim in ["iss", "aud"] {
        let mut claims = whole.clone();
        claims[claim] = Value::Null;
        assert_eq!(bench.judge(open, &bench.sign(claims)), format!("missing_claim ({claim})"));
    }
}

#[test]
fn marks_of_other_kinds_are_refused_whatever_their_type() {
    let bench = Bench::new();
    for profile in [|authority: Authority| authority, Authority::rfc9068] {
        for claim in ["at_hash", "c_hash", "events", "token_use"] {
            for text in ["null", "\"x\"", "\"\"", "0", "1e400", "false", "[]", "{}", "[\"access\"]"] {
                let payload = format!(
                    r#"{{"iss":"https://id.example.com","sub":"bob","aud":"api","exp":1800000600,
                    "iat":1800000000,"jti":"1","client_id":"app","{claim}":{text}}}"#
                );
                let header = json!({ "alg": "HS256", "kid": bench.issuer.kid(), "typ": "at+jwt" });
                let token = bench.issuer.sign_raw(header.to_string(), payload);
                let verdict = bench.judge(|| profile(bench.issuer.authority()), &token);
                assert_eq!(verdict, format!("wrong_type ({claim})"), "{text}");
            }
        }
    }
}

#[test]
fn the_claims_typ_and_token_use_tell_the_kind() {
    let bench = Bench::new();
    for (claims, access, id) in [
        (json!({ "token_use": "access" }), "accepted", "wrong_type (token_use)"),
        (json!({ "token_use": "id" }), "wrong_type (token_use)", "accepted"),
        (json!({ "token_use": "Access" }), "wrong_type (token_use)", "wrong_type (token_use)"),
        (json!({ "typ": "Bearer" }), "accepted", "accepted"),
        (json!({ "typ": "JWT" }), "accepted", "accepted"),
        (json!({ "typ": "ID" }), "wrong_type (typ)", "accepted"),
        (json!({ "typ": "id" }), "wrong_type (typ)", "accepted"),
        (json!({ "typ": "Refresh" }), "wrong_type (typ)", "wrong_type (typ)"),
        (json!({ "typ": "Offline" }), "wrong_type (typ)", "wrong_type (typ)"),
        (json!({ "typ": "Logout" }), "wrong_type (typ)", "wrong_type (typ)"),
        (json!({ "typ": "logout+jwt" }), "wrong_type (typ)", "wrong_type (typ)"),
        (json!({ "typ": "RegistrationAccessToken" }), "wrong_type (typ)", "wrong_type (typ)"),
        (json!({ "type": "refresh" }), "wrong_type (type)", "wrong_type (type)"),
        (json!({ "token_type": "refresh" }), "wrong_type (token_type)", "wrong_type (token_type)"),
        (json!({ "token_type": "id_token" }), "wrong_type (token_type)", "accepted"),
        (json!({ "type": "access", "token_type": "Bearer" }), "accepted", "accepted"),
        (json!({ "typ": "Serialized-ID" }), "wrong_type (typ)", "wrong_type (typ)"),
        (json!({ "typ": ["Bearer", "ID"] }), "wrong_type (typ)", "accepted"),
        (json!({ "typ": ["Refresh"] }), "wrong_type (typ)", "wrong_type (typ)"),
        (json!({ "at_hash": "x" }), "wrong_type (at_hash)", "accepted"),
        (json!({ "c_hash": "x" }), "wrong_type (c_hash)", "accepted"),
        (json!({ "events": {} }), "wrong_type (events)", "wrong_type (events)"),
        // Some providers put it into access tokens: it proves nothing.
        (json!({ "nonce": "x" }), "accepted", "accepted"),
    ] {
        let mut claims = claims;
        claims["sub"] = "bob".into();
        let token = bench.issuer.sign_with(json!({ "typ": "JWT" }), &claims);
        assert_eq!(bench.judge(|| bench.issuer.authority(), &token), access, "{claims}");
        assert_eq!(bench.judge(|| bench.issuer.authority().id_token(), &token), id, "{claims}, as ID token");
    }
}

#[test]
fn the_id_token_profile_refuses_access_tokens() {
    for (typ, expected) in [
        (None, "accepted"),
        (Some("JWT"), "accepted"),
        (Some("at+jwt"), "wrong_type (typ)"),
        (Some("application/at+jwt"), "wrong_type (typ)"),
    ] {
        assert_eq!(judge_typ(Authority::id_token, typ), expected, "{typ:?}");
    }
}

#[test]
fn the_id_token_profile_demands_what_an_id_token_must_have() {
    let bench = Bench::new();
    let good = json!({ "sub": "bob" });
    for claim in ["sub", "iat", "aud", "exp", "iss"] {
        let mut claims = good.clone();
        claims[claim] = json!(null);
        let token = bench.issuer.sign_with(json!({ "typ": "JWT" }), &claims);
        let verdict = bench.judge(|| bench.issuer.authority().id_token(), &token);
        assert_eq!(verdict, format!("missing_claim ({claim})"));
    }
}

#[test]
fn one_authority_takes_one_kind() {
    let bench = Bench::new();
    for authority in
        [bench.issuer.authority().rfc9068().id_token(), bench.issuer.authority().id_token().rfc9068()]
    {
        let error = tower_jwt_auth::Verifier::<()>::new(authority).unwrap_err();
        assert_eq!(error.setting(), "id_token");
    }
}

#[test]
fn a_confirmation_that_nothing_enforces_is_refused() {
    let bench = Bench::new();
    for text in ["{\"jkt\":\"x\"}", "{\"x5t#S256\":\"x\"}", "{}", "null", "\"x\"", "[]", "0", "false"] {
        let token = bench.token_with("cnf", text);
        for profile in [|authority: Authority| authority, Authority::id_token] {
            let verdict = bench.judge(|| profile(bench.issuer.authority()), &token);
            assert_eq!(verdict, "invalid_claim (cnf)", "{text}");
        }
    }
}
