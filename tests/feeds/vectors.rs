//! The examples of the standards, claim by claim, in tokens that are signed here: the standards print claims without signatures.

use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_auth::{
    BackChannelLogout, Claims, Reason, Revocations, SecurityEvents, TestClock, TestIssuer, UnixTime, Verifier,
};

use super::support::{Answer, post, send};

/// Posts the example as an event when it was issued. Answers whether an access token of these claims, issued ten seconds before
/// the example, is revoked by it.
async fn revokes(example: Value, access: Value) -> bool {
    let issuer = example["iss"].as_str().unwrap();
    let audience = example["aud"].as_str().or(example["aud"][0].as_str()).unwrap();
    let issued = UnixTime::from_secs(example["iat"].as_u64().unwrap());
    let clock = TestClock::at(issued.saturating_sub(Duration::from_secs(200)));
    let provider = TestIssuer::new(issuer).audience(audience).clock(clock.clone());
    let revocations = Revocations::in_memory();
    let api = Verifier::<Claims>::builder().authority(provider.authority()).clock(clock.clone());
    let api = api.revocations(revocations.clone()).build().unwrap();
    let token = provider.sign(access);
    clock.set(issued);
    assert!(api.verify(&token).await.is_ok());

    let header = json!({ "alg": "ES256", "kid": provider.kid(), "typ": "secevent+jwt" }).to_string();
    let event = provider.sign_raw(header, example.to_string());
    let receiver = SecurityEvents::builder(provider.authority(), revocations).clock(clock).build().unwrap();
    assert_eq!(
        send(&receiver, post("application/secevent+jwt", event)).await,
        Answer::empty(202),
        "{example}"
    );
    match api.verify(&token).await {
        Ok(_) => false,
        Err(refused) => {
            assert_eq!(refused.reason(), Reason::Revoked);
            true
        }
    }
}

/// RFC 8417 section 2.1.4: the subject is in the event, and its type is written with a hyphen.
#[tokio::test]
async fn rfc_8417_an_account_that_was_disabled() {
    let example = json!({
        "iss": "https://idp.example.com/",
        "jti": "756E69717565206964656E746966696572",
        "iat": 1508184845,
        "aud": "636C69656E745F6964",
        "events": {
            "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {
                "subject": {
                    "subject_type": "iss-sub",
                    "iss": "https://idp.example.com/",
                    "sub": "7375626A656374",
                },
                "reason": "hijacking",
            },
        },
    });
    assert!(revokes(example.clone(), json!({ "sub": "7375626A656374" })).await);
    assert!(!revokes(example, json!({ "sub": "7375626A656375" })).await);
}

/// RFC 8417 section 2.1.1: events that mean nothing here.
#[tokio::test]
async fn rfc_8417_a_password_reset_of_scim() {
    let example = json!({
        "iss": "https://scim.example.com",
        "iat": 1458496404,
        "jti": "4d3559ec67504aaba65d40b0363faad8",
        "aud": [
            "https://scim.example.com/Feeds/98d52461fa5bbc879593b7754",
            "https://scim.example.com/Feeds/5d7604516b1d08641d7676ee7",
        ],
        "sub": "https://scim.example.com/Users/44f6142df96bd6ab61e7521d9",
        "events": {
            "urn:ietf:params:scim:event:passwordReset": { "id": "44f6142df96bd6ab61e7521d9" },
            "https://example.com/scim/event/passwordResetExt": { "resetAttempts": 5 },
        },
    });
    let sub = json!({ "sub": "https://scim.example.com/Users/44f6142df96bd6ab61e7521d9" });
    assert!(!revokes(example, sub).await);
}

/// CAEP 1.0 section 3.1: a session that both sides know by a name, and the same as a complex subject.
#[tokio::test]
async fn caep_a_session_that_was_revoked() {
    let event = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    let session = json!({ "format": "opaque", "id": "dMTlD|1600802906337.16|16008.16" });
    let user = json!({
        "format": "iss_sub",
        "iss": "https://idp.example.com/123456789/",
        "sub": "99beb27c-c1c2-4955-882a-e0dc4996fcbc",
    });
    let tenant = json!({ "format": "opaque", "id": "123456789" });
    let complex = json!({ "format": "complex", "session": session, "user": user, "tenant": tenant });
    let sub = "99beb27c-c1c2-4955-882a-e0dc4996fcbc";
    for subject in [session, complex] {
        let example = json!({
            "iss": "https://idp.example.com/123456789/",
            "jti": "24c63fb56e5a2d77a6b512616ca9fa24",
            "iat": 1615305159,
            "aud": "https://sp.example.com/caep",
            "txn": "8675309",
            "sub_id": subject,
            "events": { event: {
                "initiating_entity": "policy",
                "reason_admin": { "en": "Landspeed Policy Violation: C076E82F" },
                "reason_user": { "es-410": "Intento de acceso desde varias regiones." },
                "event_timestamp": 1615304991,
            }},
        });
        let of_session = json!({ "sub": sub, "sid": "dMTlD|1600802906337.16|16008.16" });
        assert!(revokes(example.clone(), of_session).await);
        assert!(!revokes(example, json!({ "sub": sub, "sid": "another" })).await);
    }
}

/// CAEP 1.0 section 3.1: the sessions of a user on one device are taken for those on all.
#[tokio::test]
async fn caep_the_sessions_on_a_device() {
    let named =
        |sub: &str| json!({ "format": "iss_sub", "iss": "https://idp.example.com/123456789/", "sub": sub });
    let example = json!({
        "iss": "https://idp.example.com/123456789/",
        "jti": "24c63fb56e5a2d77a6b512616ca9fa24",
        "iat": 1615305159,
        "aud": "https://sp.example.com/caep",
        "txn": "8675309",
        "sub_id": {
            "format": "complex",
            "user": named("jane.smith@example.com"),
            "device": named("e9297990-14d2-42ec-a4a9-4036db86509a"),
            "tenant": { "format": "opaque", "id": "123456789" },
        },
        "events": {
            "https://schemas.openid.net/secevent/caep/event-type/session-revoked": { "event_timestamp": 1615304991 },
        },
    });
    assert!(revokes(example.clone(), json!({ "sub": "jane.smith@example.com" })).await);
    assert!(!revokes(example, json!({ "sub": "e9297990-14d2-42ec-a4a9-4036db86509a" })).await);
}

/// CAEP 1.0 section 3.2: one token, by its `jti`; and an assertion that is no token.
#[tokio::test]
async fn caep_claims_that_have_changed() {
    let event = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
    let of = |subject: Value| {
        json!({
            "iss": "https://idp.example.com/987654321/",
            "jti": "9afce1e4e642b165fcaacdd0e7aa4903",
            "iat": 1615305159,
            "aud": "https://sp.example2.net/caep",
            "txn": "8675309",
            "sub_id": subject,
            "events": { event: { "event_timestamp": 1615304991, "claims": { "role": "ro-admin" } } },
        })
    };
    let jti = "f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7";
    let token = json!({ "format": "jwt_id", "iss": "https://idp.example.com/987654321/", "jti": jti });
    assert!(revokes(of(token.clone()), json!({ "sub": "bob", "jti": jti })).await);
    assert!(!revokes(of(token), json!({ "sub": "bob", "jti": "another" })).await);
    let assertion = json!({
        "format": "saml_assertion_id",
        "issuer": "https://idp.example.com/987654321/",
        "assertion_id": "_a75adf55-01d7-dbd8372ebdfc",
    });
    assert!(!revokes(of(assertion), json!({ "sub": "bob", "jti": "_a75adf55-01d7-dbd8372ebdfc" })).await);
}

/// CAEP 1.0 section 3.3 (a security key was enrolled), RISC 1.0 sections 2.1 and 2.7.
#[tokio::test]
async fn credentials_of_caep_and_risc() {
    let of = |event: &str, details: Value| {
        let iss = "https://idp.example.com/3456789/";
        json!({
            "iss": iss,
            "jti": "07efd930f0977e4fcc1149a733ce7f78",
            "iat": 1615305159,
            "aud": "https://sp.example2.net/caep",
            "sub_id": { "format": "iss_sub", "iss": iss, "sub": "jane.smith@example.com" },
            "events": { format!("https://schemas.openid.net/secevent/{event}"): details },
        })
    };
    let jane = || json!({ "sub": "jane.smith@example.com" });
    let enrolled = json!({
        "credential_type": "fido2-roaming",
        "change_type": "create",
        "fido2_aaguid": "accced6a-63f5-490a-9eea-e59bc1896cfc",
        "friendly_name": "Jane's USB authenticator",
        "initiating_entity": "user",
        "reason_admin": { "en": "User self-enrollment" },
        "event_timestamp": 1615304991,
    });
    assert!(!revokes(of("caep/event-type/credential-change", enrolled), jane()).await);
    let changed = json!({ "credential_type": "password", "change_type": "update" });
    assert!(revokes(of("caep/event-type/credential-change", changed), jane()).await);
    let compromised = json!({ "credential_type": "password" });
    assert!(revokes(of("risc/event-type/credential-compromise", compromised), jane()).await);
    assert!(revokes(of("risc/event-type/account-credential-change-required", json!({})), jane()).await);
}

/// OpenID Connect Back-Channel Logout 1.0 section 2.4, as it was before `exp` was required.
#[tokio::test]
async fn the_logout_token_of_the_standard() {
    let issued = UnixTime::from_secs(1_471_566_154);
    let clock = TestClock::at(issued.saturating_sub(Duration::from_secs(60)));
    let provider = TestIssuer::new("https://server.example.com").audience("s6BhdRkqt3").clock(clock.clone());
    let sid = "08a5019c-17e1-4977-8f42-65a12843ea02";
    let revocations = Revocations::in_memory();
    let api = Verifier::<Claims>::builder().authority(provider.authority()).clock(clock.clone());
    let api = api.revocations(revocations.clone()).build().unwrap();
    let token = provider.sign(json!({ "sub": "248289761001", "sid": sid }));
    clock.set(issued);

    let without_exp = json!({
        "iss": "https://server.example.com",
        "sub": "248289761001",
        "aud": "s6BhdRkqt3",
        "iat": 1471566154,
        "jti": "bWJq",
        "sid": sid,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let mut with_exp = without_exp.clone();
    with_exp["exp"] = json!(1471566274);
    let builder =
        || BackChannelLogout::builder(provider.authority(), revocations.clone()).clock(clock.clone());
    let (strict, lenient) = (builder().build().unwrap(), builder().exp_may_lack().build().unwrap());
    let header = json!({ "alg": "ES256", "kid": provider.kid(), "typ": "logout+jwt" }).to_string();
    for (receiver, claims, status) in
        [(&strict, &without_exp, 400), (&lenient, &without_exp, 200), (&strict, &with_exp, 200)]
    {
        let logout = provider.sign_raw(&header, claims.to_string());
        let request = post("application/x-www-form-urlencoded", format!("logout_token={logout}"));
        assert_eq!(send(receiver, request).await.status, status, "{claims}");
    }
    assert_eq!(api.verify(&token).await.unwrap_err().reason(), Reason::Revoked);
}
