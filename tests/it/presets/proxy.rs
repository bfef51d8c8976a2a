//! Proxies that log users in: AWS load balancers, Google IAP, Cloudflare Access.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{
    Algorithm, Authority, Claims, Fetch, FetchError, Jwt, JwtAuthLayer, NowOrLater, Reason, Signer,
    SigningKey, TestClock, TestIssuer, TokenCache, TokenSource, UnixTime, Verifier, provider,
};

use super::{Memory, Provider, has_no_place_of_roles, merged, verify};
use crate::metrics::{count, gauge, measured};
use crate::remote::pass;

use Reason::{
    BadSignature, Expired, InvalidClaim, KeysUnavailable, MalformedToken, MissingClaim, UnknownIssuer,
    UnknownKey, WrongAudience,
};

const BALANCER: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188";
const ISSUER: &str = "https://id.example.com";
const KEYS: &str = "https://public-keys.auth.elb.eu-west-1.amazonaws.com/";

/// The `kid` of this number.
fn kid(number: usize) -> String {
    format!("{number:08x}-1234-4234-8234-123456789012")
}

/// A key of the balancer, and its public half.
fn key() -> &'static (SigningKey, String) {
    static KEY: OnceLock<(SigningKey, String)> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = rcgen::KeyPair::generate().unwrap();
        (SigningKey::from_pem(Algorithm::ES256, pair.serialize_pem()).unwrap(), pair.public_key_pem())
    })
}

fn header(change: &Value) -> Value {
    let header = json!({
        "typ": "JWT", "kid": kid(1), "alg": "ES256", "iss": ISSUER, "client": "orders-web", "signer": BALANCER,
        "exp": 4_102_444_800_u64,
    });
    merged(&header, change)
}

/// What the balancer sends: segments as this alphabet writes them, signed as sent.
fn signed(header: &Value, claims: &Value, base64: &impl Engine) -> String {
    let message = format!("{}.{}", base64.encode(header.to_string()), base64.encode(claims.to_string()));
    let signature = key().0.sign(message.as_bytes()).now().unwrap().unwrap();
    format!("{message}.{}", base64.encode(signature))
}

fn assertion(header_change: &Value) -> String {
    signed(&header(header_change), &json!({ "sub": "bob", "email": "bob@example.com" }), &URL_SAFE)
}

/// The servers of AWS: keys by their URL, and what was asked of them.
#[derive(Clone, Debug)]
struct Aws(Arc<HashMap<String, String>>, Arc<Mutex<Vec<String>>>);

impl Aws {
    fn with_keys(numbers: std::ops::RangeInclusive<usize>) -> Self {
        let keys = numbers.map(|number| (format!("{KEYS}{}", kid(number)), key().1.clone()));
        Self(Arc::new(keys.collect()), Arc::default())
    }

    fn calls(&self) -> usize {
        self.1.lock().unwrap().len()
    }

    fn authority(&self) -> Authority {
        let fetch = self.clone();
        provider::aws_alb([BALANCER], ISSUER, "orders-web").remote_keys(|keys| keys.fetch(fetch))
    }

    fn verifier(&self) -> Verifier<Claims> {
        Verifier::new(self.authority()).unwrap()
    }
}

impl Fetch for Aws {
    fn fetch(&self, url: &str, _: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        self.1.lock().unwrap().push(url.to_owned());
        let answer = match self.0.get(url) {
            Some(pem) => Response::new(pem.clone().into()),
            None => Response::builder().status(403).body(Bytes::new()).unwrap(),
        };
        NowOrLater::later(async move {
            tokio::task::yield_now().await;
            Ok(answer)
        })
    }
}

/// Each key is a source, and all have one name in measurements: a gauge would tell of the one that was asked last, and a
/// `kid` that somebody invents would be that.
#[test]
fn the_keys_of_a_balancer_are_counted_by_their_fetches_alone() {
    let aws = Aws::with_keys(1..=1);
    let all = measured(async {
        let verifier = aws.verifier();
        verify(&verifier, &assertion(&json!({}))).await.unwrap();
        let invented = assertion(&json!({ "kid": kid(2) }));
        assert_eq!(verify(&verifier, &invented).await.unwrap_err().0, UnknownKey);
        verifier
    });
    for (outcome, times) in [("ok", 1), ("failed", 1)] {
        assert_eq!(count(&all, "jwt_auth.keys.fetches", &[("source", KEYS), ("outcome", outcome)]), times);
    }
    assert_eq!(gauge(&all, "jwt_auth.keys.count"), None);
    assert_eq!(gauge(&all, "jwt_auth.keys.failures"), None);
    assert!(!format!("{all:?}").contains(&kid(2)));
}

#[tokio::test(start_paused = true)]
async fn a_balancer_says_in_the_header_what_others_say_in_claims() {
    let aws = Aws::with_keys(1..=1);
    let verifier = aws.verifier();
    verifier.warm().await.unwrap();
    assert_eq!(aws.calls(), 0, "nothing is known to be fetched before a token names it");
    let user = verify(&verifier, &assertion(&json!({}))).await.unwrap();
    assert_eq!(user.sub.as_deref(), Some("bob"));
    assert_eq!(Jwt::principal(&user).expires_at(), UnixTime::from_secs(4_102_444_800));
    assert_eq!(*aws.1.lock().unwrap(), [format!("{KEYS}{}", kid(1))]);
    for (what, change, reason, claim) in [
        ("another balancer", json!({ "signer": BALANCER.replace("shop", "evil") }), InvalidClaim, "signer"),
        (
            "another account",
            json!({ "signer": BALANCER.replace("123456789012", "210987654321") }),
            InvalidClaim,
            "signer",
        ),
        (
            "another region",
            json!({ "signer": BALANCER.replace("eu-west-1", "us-east-1") }),
            InvalidClaim,
            "signer",
        ),
        ("no signer", json!({ "signer": null }), MissingClaim, "signer"),
        ("several signers", json!({ "signer": [BALANCER] }), InvalidClaim, "signer"),
        ("another client", json!({ "client": "other" }), WrongAudience, "client"),
        ("another issuer", json!({ "iss": "https://id.example.com/" }), UnknownIssuer, "iss"),
        ("expired", json!({ "exp": 1_700_000_000 }), Expired, "exp"),
        ("eternal", json!({ "exp": null }), MissingClaim, "exp"),
        ("a text", json!({ "exp": "4102444800" }), InvalidClaim, "exp"),
        ("a key of another region", json!({ "kid": kid(2) }), UnknownKey, ""),
    ] {
        let refused = verify(&verifier, &assertion(&change)).await.err();
        assert_eq!(refused, Some((reason, claim.to_owned())), "{what}");
    }
    let of_bob = assertion(&json!({}));
    let of_eve = signed(&header(&json!({})), &json!({ "sub": "eve" }), &URL_SAFE);
    let (message, signature) = (of_eve.rsplit_once('.').unwrap().0, of_bob.rsplit_once('.').unwrap().1);
    assert_eq!(verify(&verifier, &format!("{message}.{signature}")).await.unwrap_err().0, BadSignature);
}

/// Of the two times, the earlier counts, whichever of them is missing in the payload.
#[tokio::test(start_paused = true)]
async fn a_time_in_the_claims_counts_too() {
    let verifier = Aws::with_keys(1..=1).verifier();
    let with_exp = |exp: u64| signed(&header(&json!({})), &json!({ "sub": "bob", "exp": exp }), &URL_SAFE);
    let user = verify(&verifier, &with_exp(4_000_000_000)).await.unwrap();
    assert_eq!(Jwt::principal(&user).expires_at(), UnixTime::from_secs(4_000_000_000));
    let user = verify(&verifier, &with_exp(5_000_000_000)).await.unwrap();
    assert_eq!(Jwt::principal(&user).expires_at(), UnixTime::from_secs(4_102_444_800));
    assert_eq!(verify(&verifier, &with_exp(1_700_000_000)).await.unwrap_err(), (Expired, "exp".to_owned()));
    let dead =
        signed(&header(&json!({ "exp": 1_700_000_000 })), &json!({ "exp": 4_000_000_000_u64 }), &URL_SAFE);
    assert_eq!(verify(&verifier, &dead).await.unwrap_err(), (Expired, "exp".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn padding_is_demanded_of_a_balancer_and_refused_of_everybody_else() {
    let aws = Aws::with_keys(1..=1);
    let verifier = aws.verifier();
    let (header, claims) = (header(&json!({})), json!({ "sub": "bob", "n": "" }));
    assert!(
        URL_SAFE.encode(header.to_string()).ends_with('=')
            || URL_SAFE.encode(claims.to_string()).ends_with('=')
    );
    assert!(verify(&verifier, &signed(&header, &claims, &URL_SAFE)).await.is_ok());
    let unpadded = signed(&header, &claims, &URL_SAFE_NO_PAD);
    assert_eq!(verify(&verifier, &unpadded).await.unwrap_err().0, MalformedToken);

    // The same key and claims at an authority like any other.
    let keys = tower_jwt_auth::KeySet::from_pem(Algorithm::ES256, &key().1).unwrap();
    let other = || Authority::keys(keys.clone()).issuer(ISSUER).audience("api");
    let claims = json!({ "iss": ISSUER, "aud": "api", "exp": 4_102_444_800_u64, "n": "" });
    let plain = json!({ "alg": "ES256" });
    for authorities in
        [vec![other()], vec![other(), Authority::keys(keys.clone()).issuer("x").audience("api")]]
    {
        let verifier = Verifier::<Claims>::new(authorities).unwrap();
        assert!(verify(&verifier, &signed(&plain, &claims, &URL_SAFE_NO_PAD)).await.is_ok());
        // The length of the signature tells first, where the key is known.
        let refused = verify(&verifier, &signed(&plain, &claims, &URL_SAFE)).await.unwrap_err().0;
        assert!(matches!(refused, MalformedToken | BadSignature), "{refused:?}");
    }
    // So it stands alone.
    let error = Verifier::<Claims>::new([aws.authority(), other()]).unwrap_err().to_string();
    assert!(error.contains("one of several authorities takes any issuer"), "{error}");
}

/// As the documentation of the preset has it: through a layer that looks into the balancer's header.
#[tokio::test(start_paused = true)]
async fn a_padded_assertion_passes_the_layer_in_the_header_of_the_balancer() {
    let layer = |verifier| {
        let source = TokenSource::header("x-amzn-oidc-data").unwrap();
        JwtAuthLayer::new(verifier).token_from([source])
    };
    let status = async |layer: &JwtAuthLayer, token: &str| {
        let service = layer.layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new()))));
        let request = Request::get("/").header("x-amzn-oidc-data", token).body(()).unwrap();
        service.oneshot(request).await.unwrap().status().as_u16()
    };
    let balancer = layer(Aws::with_keys(1..=1).verifier());
    // Claims of each length, so that each padding is there.
    for filling in ["", "a", "ab"] {
        let token = signed(&header(&json!({})), &json!({ "sub": "bob", "n": filling }), &URL_SAFE);
        assert!(token.split('.').any(|segment| segment.ends_with('=')), "{token}");
        assert_eq!(status(&balancer, &token).await, 200, "{token}");
        assert_eq!(status(&balancer, &token.replace('=', "")).await, 401, "unpadded");
        for broken in [
            format!("={token}"),
            token.replace('=', "=a"),
            token.replace('.', "=.="),
            token.replacen('=', "===", 1),
        ] {
            assert_ne!(status(&balancer, &broken).await, 200, "{broken}");
        }
    }
    for nothing in ["", ".", "..", "=", "=.=.=", "a b.c.d", "a,b"] {
        assert_eq!(status(&balancer, nothing).await, 400, "{nothing}");
    }
    let keys = tower_jwt_auth::KeySet::from_pem(Algorithm::ES256, &key().1).unwrap();
    let other = layer(Verifier::<Claims>::new(Authority::keys(keys).issuer(ISSUER).audience("api")).unwrap());
    let claims = json!({ "iss": ISSUER, "aud": "api", "exp": 4_102_444_800_u64, "n": "" });
    let plain = json!({ "alg": "ES256" });
    assert_eq!(status(&other, &signed(&plain, &claims, &URL_SAFE_NO_PAD)).await, 200);
    assert_eq!(status(&other, &signed(&plain, &claims, &URL_SAFE)).await, 401);
}

/// The header is read each time, and so is the clock.
#[tokio::test(start_paused = true)]
async fn a_known_assertion_expires_by_its_header() {
    let clock = TestClock::at(UnixTime::from_secs(1_800_000_000));
    let aws = Aws::with_keys(1..=1);
    for cached in [false, true] {
        let builder = Verifier::<Claims>::builder().authority(aws.authority()).clock(clock.clone());
        let builder = if cached { builder.cache(TokenCache::new()) } else { builder };
        let verifier = builder.build().unwrap();
        let token = assertion(&json!({ "exp": 1_800_000_120 }));
        clock.set(UnixTime::from_secs(1_800_000_000));
        assert!(verify(&verifier, &token).await.is_ok());
        assert!(verify(&verifier, &token).await.is_ok());
        clock.set(UnixTime::from_secs(1_800_000_149));
        assert!(verify(&verifier, &token).await.is_ok());
        clock.set(UnixTime::from_secs(1_800_000_150));
        assert_eq!(verify(&verifier, &token).await.unwrap_err(), (Expired, "exp".to_owned()), "{cached}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_costs_one_fetch_a_cooldown() {
    let aws = Aws::with_keys(1..=2);
    let verifier = aws.verifier();
    assert!(verify(&verifier, &assertion(&json!({}))).await.is_ok());
    let before = aws.calls();
    let tokens: Vec<String> =
        (1000..11_000).map(|number| assertion(&json!({ "kid": kid(number) }))).collect();
    let verifying: Vec<_> = tokens.iter().map(|token| verifier.verify(token)).collect();
    let mut refused = HashMap::new();
    for verdict in verifying {
        *refused.entry(verdict.await.unwrap_err().reason()).or_insert(0) += 1;
    }
    assert_eq!(aws.calls() - before, 1, "10,000 unknown ones at once: {refused:?}");
    for token in &tokens {
        assert_eq!(verify(&verifier, token).await.unwrap_err().0, UnknownKey);
    }
    assert_eq!(aws.calls() - before, 1, "and one after the other");
    assert!(verify(&verifier, &assertion(&json!({}))).await.is_ok(), "those that are known go on");
    pass(10).await;
    assert!(
        verify(&verifier, &assertion(&json!({ "kid": kid(2) }))).await.is_ok(),
        "after the cooldown the next"
    );
    assert_eq!(aws.calls() - before, 2);
    // What is refused for something else asks for nothing, and neither does a `kid` that is no name of a key.
    pass(10).await;
    for header in [
        json!({ "kid": kid(99), "signer": "arn" }),
        json!({ "kid": kid(99), "client": "other" }),
        json!({ "kid": kid(99), "exp": 1_700_000_000 }),
        json!({ "kid": "../eu-west-2/key" }),
        json!({ "kid": kid(99).to_uppercase().replace('1', "G") }),
        json!({ "kid": "" }),
        json!({ "kid": null }),
    ] {
        assert!(verify(&verifier, &assertion(&header)).await.is_err());
    }
    assert_eq!(aws.calls() - before, 2);
}

/// A balancer that changes its key is followed at once, and keys that were seen first long ago are let go.
#[tokio::test(start_paused = true)]
async fn keys_come_one_by_one_and_are_bounded() {
    let aws = Aws::with_keys(1..=40);
    let verifier = aws.verifier();
    for number in 1..=16 {
        assert!(verify(&verifier, &assertion(&json!({ "kid": kid(number) }))).await.is_ok(), "{number}");
    }
    assert_eq!(aws.calls(), 16);
    for number in 1..=16 {
        assert!(verify(&verifier, &assertion(&json!({ "kid": kid(number) }))).await.is_ok(), "{number}");
    }
    assert_eq!(aws.calls(), 16, "each is fetched once");
    // The seventeenth displaces one, and then nothing is fetched for a while.
    assert!(verify(&verifier, &assertion(&json!({ "kid": kid(17) }))).await.is_ok());
    assert_eq!(verify(&verifier, &assertion(&json!({ "kid": kid(18) }))).await.unwrap_err().0, UnknownKey);
    assert!(verify(&verifier, &assertion(&json!({ "kid": kid(16) }))).await.is_ok());
    assert_eq!(aws.calls(), 17);
    pass(10).await;
    assert!(verify(&verifier, &assertion(&json!({}))).await.is_ok(), "the oldest is fetched again");
    assert_eq!(aws.calls(), 18);
}

/// Each key is fetched again in time; while that fails it serves on for as long as any other.
#[tokio::test(start_paused = true)]
async fn a_key_is_kept_fresh() {
    let aws = Aws::with_keys(1..=1);
    let verifier = aws.verifier();
    assert!(verify(&verifier, &assertion(&json!({}))).await.is_ok());
    pass(3600).await;
    assert!((6..=9).contains(&aws.calls()), "every ten minutes, or a little earlier: {}", aws.calls());
    assert!(verify(&verifier, &assertion(&json!({}))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_any_key_the_fault_is_ours() {
    let aws = Aws(Arc::default(), Arc::default());
    let verifier = aws.verifier();
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &assertion(&json!({}))).await.unwrap_err().0, KeysUnavailable);
    }
    assert_eq!(aws.calls(), 1);
}

#[test]
fn balancers_are_those_of_one_region() {
    let problem = |arns: &[&str]| {
        let authority = provider::aws_alb(arns.iter().copied(), ISSUER, "orders-web");
        Verifier::<Claims>::new(authority).err().map(|error| error.to_string())
    };
    assert_eq!(problem(&[BALANCER, &BALANCER.replace("shop", "other")]), None);
    let gov = BALANCER.replace(":aws:", ":aws-us-gov:").replace("eu-west-1", "us-gov-west-1");
    assert_eq!(problem(&[&gov]), None);
    let other_region = BALANCER.replace("eu-west-1", "us-east-1");
    assert!(problem(&[BALANCER, &other_region]).unwrap().contains("is of another region"));
    assert!(problem(&[]).unwrap().contains("name the ARNs"));
    for arn in [
        "",
        "shop",
        &BALANCER.replace("app/", "net/"),
        &BALANCER.replace("eu-west-1", ""),
        &BALANCER.replace("eu-west-1", "evil.example/"),
        &BALANCER.replace("123456789012", "12345678901"),
        &BALANCER.replace("/50dc6c495c0c9188", ""),
        &BALANCER.replace("shop", "shop/../x"),
        &BALANCER.replace("elasticloadbalancing", "iam"),
        &BALANCER.replace(":aws:", ":aws-of-others:"),
        &format!("{BALANCER}/"),
    ] {
        let error = problem(&[arn]).unwrap();
        assert!(error.contains("load_balancers") && error.contains("ARN"), "{arn}: {error}");
    }
    let build = |authority| Verifier::<Claims>::new(authority).unwrap_err().to_string();
    assert!(build(provider::aws_alb([BALANCER], "id.example.com", "c")).contains("issuer"));
    assert!(build(provider::aws_alb([BALANCER], ISSUER, "")).contains("client_id"));
    let store = tower_jwt_auth::MemoryKeyStore::new();
    let kept = provider::aws_alb([BALANCER], ISSUER, "c").remote_keys(|keys| keys.keep_in(store));
    assert!(build(kept).contains("keep_in"));
    let elsewhere = |url: &'static str| {
        provider::aws_alb([BALANCER], ISSUER, "c").remote_keys(move |keys| keys.jwks_url(url))
    };
    assert!(build(elsewhere("https://keys.internal/alb")).contains("does not end with a slash"));
    Verifier::<Claims>::new(elsewhere("https://keys.internal/alb/")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn iap_takes_users_of_one_backend() {
    const BACKEND: &str = "/projects/123456789/global/backendServices/987654321";
    let google =
        TestIssuer::with_algorithm("https://cloud.google.com/iap", Algorithm::ES256).audience(BACKEND);
    let documents =
        HashMap::from([("https://www.gstatic.com/iap/verify/public_key-jwk".to_owned(), google.jwks())]);
    let authority = provider::google_iap(BACKEND).remote_keys(|keys| keys.fetch(Memory(documents)));
    let verifier = Verifier::<Claims>::new(authority).unwrap();
    let claims = |change: Value| {
        let claims = json!({
            "sub": "accounts.google.com:1234567890", "email": "bob@example.com", "hd": "example.com",
            "azp": BACKEND, "google": { "access_levels": [] },
        });
        google.sign(merged(&claims, &change))
    };
    assert!(has_no_place_of_roles(&verify(&verifier, &claims(json!({}))).await.unwrap()));
    for (what, change, reason, claim) in [
        (
            "another backend",
            json!({ "aud": "/projects/123456789/global/backendServices/1" }),
            WrongAudience,
            "aud",
        ),
        ("another project", json!({ "aud": BACKEND.replace("123456789/", "1/") }), WrongAudience, "aud"),
        ("a Google account", json!({ "iss": "https://accounts.google.com" }), UnknownIssuer, "iss"),
        ("no user", json!({ "email": null }), MissingClaim, "email"),
    ] {
        assert_eq!(
            verify(&verifier, &claims(change)).await.err(),
            Some((reason, claim.to_owned())),
            "{what}"
        );
    }
    let stranger =
        TestIssuer::with_algorithm("https://cloud.google.com/iap", Algorithm::ES256).audience(BACKEND);
    let forged = stranger.sign_with(json!({ "kid": google.kid() }), json!({ "email": "bob@example.com" }));
    assert_eq!(verify(&verifier, &forged).await.unwrap_err().0, BadSignature);

    for good in ["/projects/1/apps/shop", "/projects/1/locations/europe-west1/services/orders", BACKEND] {
        Verifier::<Claims>::new(provider::google_iap(good)).unwrap();
    }
    for bad in
        ["", "orders", "/projects/shop/global/backendServices/1", "/projects/1/apps/", "projects/1/apps/shop"]
    {
        let error = Verifier::<Claims>::new(provider::google_iap(bad)).unwrap_err().to_string();
        assert!(error.contains(&format!("{bad:?} is not the audience of a backend")), "{error}");
    }
}

#[tokio::test]
async fn app_service_takes_id_tokens_of_one_tenant() {
    const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    const CLIENT: &str = "ef1da9d4-ff77-4c3e-a005-840c3f830745";
    let claims = json!({
        "aud": CLIENT, "sub": "x", "tid": TENANT, "ver": "2.0", "iat": 1_700_000_000, "nonce": "n", "oid": "o",
        "preferred_username": "bob@example.com",
    });
    let app = Provider::discovered(
        || provider::azure_app_service(TENANT, CLIENT),
        "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0",
        claims,
    );
    assert!(has_no_place_of_roles(&app.good().await));
    app.refuses(&[
        ("another app", json!({ "aud": "00000003-0000-0000-c000-000000000000" }), WrongAudience, "aud"),
        ("version 1", json!({ "ver": "1.0" }), InvalidClaim, "ver"),
        ("another tenant", json!({ "tid": "9188040d-6c67-4c5b-b112-36a304b66dad" }), InvalidClaim, "tid"),
    ])
    .await;
}

const TAG: &str = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";

#[tokio::test]
async fn cloudflare_takes_tokens_of_one_application() {
    let claims = json!({
        "iss": "https://example.cloudflareaccess.com", "aud": [TAG], "email": "bob@example.com", "type": "app",
        "identity_nonce": "n", "sub": "7335d417-61da-459d-899c-0a01c76a2f94", "country": "US",
    });
    let cloudflare = Provider::with_set_at(
        || provider::cloudflare_access("example", TAG),
        "https://example.cloudflareaccess.com/cdn-cgi/access/certs",
        claims,
    );
    assert!(has_no_place_of_roles(&cloudflare.good().await));
    cloudflare.accepts(json!({ "sub": "", "common_name": "x.access", "email": null })).await;
    cloudflare
        .refuses(&[
            ("other application", json!({ "aud": ["0".repeat(64)] }), WrongAudience, "aud"),
            ("session of the team", json!({ "type": "org" }), InvalidClaim, "type"),
            ("no type", json!({ "type": null }), MissingClaim, "type"),
            ("other team", json!({ "iss": "https://evil.cloudflareaccess.com" }), UnknownIssuer, "iss"),
        ])
        .await;
}
