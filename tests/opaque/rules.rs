//! Which authority a token belongs to: stated, never tried.

use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{
    Algorithm, Authority, Claims, ConfigError, ConfigProblemKind, Limits, OpaqueTokens, Reason, Tenants,
    TestIssuer, Verifier,
};

use crate::table::{Table, bob, clock, reason, verifier};

fn build(authorities: impl IntoIterator<Item = Authority>) -> Result<Verifier<Claims>, ConfigError> {
    Verifier::new(authorities)
}

fn table(tokens: OpaqueTokens) -> Authority {
    Table::of(bob()).authority(tokens).any_audience()
}

fn jwts() -> Authority {
    TestIssuer::new("https://id.example.com").authority()
}

fn prefix(prefix: &str) -> OpaqueTokens {
    OpaqueTokens::with_prefix(prefix)
}

#[tokio::test]
async fn overlapping_rules_are_a_mistake_in_the_set_up() {
    for (one, other) in [
        (prefix("sk_"), prefix("sk_live_")),
        (prefix("sk_live_"), prefix("x_").or_prefix("sk_live_")),
        (OpaqueTokens::not_jwts(), OpaqueTokens::not_jwts()),
        (OpaqueTokens::every(), prefix("sk_")),
        (OpaqueTokens::not_jwts(), OpaqueTokens::every()),
    ] {
        let error = build([table(one), table(other)]).unwrap_err();
        assert_eq!(
            (error.setting(), error.problems()[0].kind()),
            ("OpaqueTokens", ConfigProblemKind::Conflict)
        );
    }
    for beside_jwts in [OpaqueTokens::every(), prefix("e"), prefix("eyJ"), prefix("ok_").or_prefix("ey")] {
        let error = build([jwts(), table(beside_jwts.clone())]).unwrap_err();
        assert_eq!(error.setting(), "OpaqueTokens", "{error}");
        let tenants = Verifier::<Claims>::builder()
            .tenants(Tenants::new(|_| None))
            .authority(table(beside_jwts.clone()))
            .build();
        assert!(tenants.is_err());
        assert!(build([table(beside_jwts)]).is_ok(), "alone it takes what it likes");
    }
    assert!(build([table(prefix("sk_")), table(prefix("sk_live_").or_prefix("sk_"))]).is_err());
    assert!(build([table(prefix("a_").or_prefix("a_b"))]).is_err());
}

#[tokio::test]
async fn rules_that_take_different_tokens_stand_side_by_side() {
    let (live, test, rest) = (Table::of(bob()), Table::of(bob()), Table::of(bob()));
    let issuer = TestIssuer::new("https://id.example.com");
    let verifier = build([
        rest.authority(OpaqueTokens::not_jwts()).any_audience(),
        live.authority(prefix("sk_live_")).any_audience(),
        test.authority(prefix("sk_test_").or_prefix("pk.test.")).any_audience(),
        issuer.authority(),
    ])
    .unwrap();
    for token in ["sk_live_1", "sk_live_a.b.c", "sk_test_1", "pk.test.1", "sk_liv", "a.b.c.d", "one"] {
        assert_eq!(reason(&verifier, token).await, None, "{token}");
    }
    assert_eq!(live.asked(), ["sk_live_1", "sk_live_a.b.c"]);
    assert_eq!(test.asked(), ["sk_test_1", "pk.test.1"]);
    assert_eq!(rest.asked(), ["sk_liv", "a.b.c.d", "one"]);
    // A JWT is asked about nowhere, be it good or bad.
    assert!(verifier.verify(&issuer.sign(json!({}))).now().unwrap().is_ok());
    assert_eq!(verifier.verify("a.b.c").now().unwrap().unwrap_err().reason(), Reason::MalformedToken);
    assert_eq!(live.calls() + test.calls() + rest.calls(), 7);
}

#[tokio::test]
async fn a_token_that_no_rule_takes_is_not_asked_about() {
    let keys = Table::of(bob());
    let verifier = verifier(keys.authority(prefix("sk_live_")).any_audience(), &clock());
    for token in ["sk_test_1", "SK_LIVE_1", "sk_live", "", "one"] {
        assert_eq!(reason(&verifier, token).await, Some(Reason::MalformedToken), "{token}");
    }
    let jwt = TestIssuer::new("https://id.example.com").sign(json!({}));
    assert_eq!(reason(&verifier, &jwt).await, Some(Reason::UnknownIssuer));
    assert_eq!(keys.calls(), 0);
}

#[tokio::test]
async fn length_and_alphabet_are_judged_before_anybody_is_asked() {
    let keys = Table::of(bob());
    let verifier = Verifier::builder()
        .authority(keys.authority(OpaqueTokens::every()).any_audience())
        .limits(Limits::default().token_bytes(256))
        .build()
        .unwrap();
    assert_eq!(reason(&verifier, &"a".repeat(256)).await, None);
    assert_eq!(reason(&verifier, &"a".repeat(257)).await, Some(Reason::TokenTooLong));
    for bad in ["a b", "a\"b", "a,b", "ä", "a\r\nb", "a=b", "=", "a\u{0}", "{\"a\":1}"] {
        assert_eq!(reason(&verifier, bad).await, Some(Reason::MalformedToken), "{bad:?}");
    }
    assert_eq!(keys.calls(), 1);
}

#[tokio::test]
async fn settings_are_checked_and_named() {
    let of = |tokens: OpaqueTokens| build([table(tokens)]).unwrap_err().setting().to_owned();
    let second = Duration::from_secs(1);
    assert_eq!(of(prefix("")), "prefix");
    assert_eq!(of(prefix("sk live")), "prefix");
    assert_eq!(of(OpaqueTokens::not_jwts().or_prefix("sk_")), "prefix");
    assert_eq!(of(prefix("sk_").kept_for(3601 * second)), "kept_for");
    assert_eq!(of(prefix("sk_").refusals_kept_for(61 * second)), "refusals_kept_for");
    assert_eq!(of(prefix("sk_").answer_time(Duration::ZERO)), "answer_time");
    assert_eq!(of(prefix("sk_").answer_time(11 * second)), "answer_time");
    assert_eq!(of(prefix("sk_").in_flight(0)), "in_flight");
    assert_eq!(of(prefix("sk_").in_flight(1025)), "in_flight");
    assert_eq!(of(prefix("sk_").entries(31)), "entries");
    assert_eq!(of(prefix("sk_").bytes(1)), "bytes");
    let within = prefix("sk_").kept_for(3600 * second).in_flight(1024).entries(32).bytes(64 * 1024);
    assert!(build([table(within)]).is_ok());
}

#[tokio::test]
async fn what_is_about_a_header_or_keys_contradicts_an_opaque_token() {
    let of = |change: fn(Authority) -> Authority| {
        build([change(table(prefix("sk_")))]).unwrap_err().setting().to_owned()
    };
    assert_eq!(of(|authority| authority.typ("at+jwt")), "typ");
    assert_eq!(of(Authority::rfc9068), "rfc9068");
    assert_eq!(of(Authority::id_token), "id_token");
    assert_eq!(of(|authority| authority.algorithms([Algorithm::ES256])), "algorithms");
    assert_eq!(
        of(|authority| authority.previous_secret(tower_jwt_auth::Secret::generate().unwrap())),
        "previous_secret"
    );
}

#[tokio::test]
async fn issuer_and_audience_have_to_be_said_as_for_any_authority() {
    let table = Table::of(bob());
    let error = build([table.authority(prefix("sk_"))]).unwrap_err();
    assert_eq!((error.setting(), error.problems()[0].kind()), ("audience", ConfigProblemKind::Missing));
    let nobody = || Authority::opaque(prefix("sk_"), |_| async { Ok::<Option<()>, std::io::Error>(None) });
    assert_eq!(build([nobody().any_audience()]).unwrap_err().setting(), "issuer");
    assert!(build([nobody().any_issuer().any_audience()]).is_ok());
    assert_eq!(build([nobody().any_issuer().any_audience(), jwts()]).unwrap_err().setting(), "any_issuer");
}

#[tokio::test]
async fn a_tenant_is_no_authority_that_asks() {
    let tenants = Tenants::new(|_| Some(table(prefix("sk_"))));
    let verifier = Verifier::<Claims>::builder().tenants(tenants).build().unwrap();
    let jwt = TestIssuer::new(crate::table::ISSUER).sign(json!({}));
    assert_eq!(reason(&verifier, &jwt).await, Some(Reason::KeysUnavailable));
}
