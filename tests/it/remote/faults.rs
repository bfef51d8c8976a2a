//! Whatever the provider does wrong, good keys stay, for a bounded time, and come back.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tower_jwt_auth::{
    Authority, Claims, Fetch, FetchError, NowOrLater, ProviderFault, Reason, RemoteKeys, TestProvider,
    Verifier,
};

use super::{HOUR, ISS, accepts, at_once, of_keys, oidc, pass, provider, reason, token};

/// Every fault that keeps a provider from giving its keys.
fn outages() -> Vec<ProviderFault> {
    use ProviderFault::*;
    vec![
        Status(500),
        Status(404),
        Status(204),
        RetryAfter(429, 120),
        RetryAfter(503, 100_000),
        Stall,
        HangUp,
        SlowDrip,
        TruncatedBody,
        HugeBody,
        Garbage,
        Redirect,
        EmptySet,
        TooManyKeys,
        OnlyOddKeys,
        WrongIssuer,
        NoJwksUri,
        JwksUri("http://id.example.com/jwks.json".to_owned()),
        JwksUri("https://user:hunter2@id.example.com/jwks.json".to_owned()),
    ]
}

/// A fault of discovery alone is not noticed before discovery is asked again, so both documents are struck.
fn strikes_keys(fault: &ProviderFault) -> bool {
    use ProviderFault::*;
    !matches!(fault, WrongIssuer | NoJwksUri | JwksUri(_))
}

#[tokio::test(start_paused = true)]
async fn good_keys_outlive_every_fault_for_a_bounded_time_and_come_back() {
    for fault in outages() {
        let provider = provider();
        let stale = Duration::from_secs(2 * HOUR);
        let verifier = match strikes_keys(&fault) {
            true => of_keys(provider.jwks_keys().stale(stale), &provider),
            false => {
                let keys = provider.oidc_keys().stale(stale);
                Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap()
            }
        };
        verifier.warm().await.unwrap();
        let token = token(&provider);
        // A failure makes discovery be asked again, so that its faults strike.
        provider.fails_with(ProviderFault::Status(500));
        pass(600).await;
        provider.fails_with(fault.clone());
        let start = tokio::time::Instant::now();
        // The refresh was due 420 to 540 seconds after the fetch.
        while start.elapsed() < stale - Duration::from_secs(180) {
            assert_eq!(at_once(&verifier, &token), Some(true), "{fault:?} {:?}", start.elapsed());
            pass(30).await;
        }
        let [health] = &verifier.key_health()[..] else { panic!() };
        assert!(health.last_error.is_some() && health.failures > 5, "{fault:?}: {health:?}");
        pass(300).await;
        assert_eq!(reason(&verifier, &token).await, Reason::KeysUnavailable, "{fault:?}");
        let [health] = &verifier.key_health()[..] else { panic!() };
        assert_eq!((health.is_ready(), health.age), (false, None), "{fault:?}");
        provider.heals();
        // The longest that a pause may be that was asked for, and nobody has to ask again but the token.
        pass(300).await;
        assert!(accepts(&verifier, &token).await, "{fault:?}");
        let [health] = &verifier.key_health()[..] else { panic!() };
        assert_eq!((health.is_ready(), &health.last_error, health.failures), (true, &None, 0), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_is_not_hammered() {
    for fault in [ProviderFault::Status(500), ProviderFault::Stall] {
        let provider = provider();
        let verifier = oidc(&provider);
        provider.fails_with(fault.clone());
        for _ in 0..600 {
            assert_eq!(reason(&verifier, &token(&provider)).await, Reason::KeysUnavailable);
            pass(1).await;
        }
        // 1, 2, 4, .. 60 seconds, each half as long at least: 6 to reach the longest, then two a minute at most.
        let calls = provider.discovery_calls();
        assert!((10..60).contains(&calls), "{fault:?}: {calls}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_asked_for_is_kept() {
    let provider = provider();
    let verifier = oidc(&provider);
    provider.next_fail_with(1, ProviderFault::RetryAfter(429, 120));
    assert_eq!(reason(&verifier, &token(&provider)).await, Reason::KeysUnavailable);
    for _ in 0..117 {
        assert_eq!(at_once(&verifier, &token(&provider)), Some(false), "nobody waits for that long");
        pass(1).await;
    }
    assert_eq!(provider.discovery_calls(), 1);
    pass(4).await;
    assert!(accepts(&verifier, &token(&provider)).await);
}

/// Answers 429, and asks for a pause until a date.
#[derive(Debug)]
struct Until(&'static str);

impl Fetch for Until {
    fn fetch(&self, _: &str, _: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        let answer = Response::builder().status(429).header("retry-after", self.0);
        let answer = answer.header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        NowOrLater::ready(Ok(answer.body(Bytes::new()).unwrap()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_until_a_date_is_kept_up_to_five_minutes() {
    for (until, pause) in [
        ("Sun, 06 Nov 1994 08:51:37 GMT", 120),
        ("Sunday, 06-Nov-94 08:51:37 GMT", 120),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
    ] {
        let keys = RemoteKeys::new(ISS).fetch(Until(until));
        let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap();
        // Only the second one is put off.
        verifier.warm().await.unwrap_err();
        verifier.warm().await.unwrap_err();
        let [health] = &verifier.key_health()[..] else { panic!() };
        assert_eq!(health.attempts, 1);
        assert_eq!(health.next_refresh, Some(Duration::from_secs(pause)), "{until}");
    }
}

#[tokio::test(start_paused = true)]
async fn odd_keys_spoil_nothing() {
    for fault in [ProviderFault::OddKeys, ProviderFault::DuplicateKid] {
        let provider = provider();
        provider.fails_with(fault.clone());
        let verifier = oidc(&provider);
        assert!(accepts(&verifier, &token(&provider)).await, "{fault:?}");
        let stranger = super::copied(&provider, &provider.kid());
        assert_eq!(reason(&verifier, &stranger).await, Reason::BadSignature, "{fault:?}");
        // Secrets are not taken from a provider, so nobody signs with one.
        let [health] = &verifier.key_health()[..] else { panic!() };
        assert!(health.kids.iter().all(|kid| *kid == provider.kid()), "{health:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pending_fault_strikes_as_often_as_told() {
    let provider = provider();
    provider.next_fail_with(2, ProviderFault::EmptySet);
    let verifier = oidc(&provider);
    assert_eq!(reason(&verifier, &token(&provider)).await, Reason::KeysUnavailable);
    pass(2).await;
    assert_eq!(reason(&verifier, &token(&provider)).await, Reason::KeysUnavailable);
    pass(4).await;
    assert!(accepts(&verifier, &token(&provider)).await);
    assert_eq!(provider.jwks_calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_provider_does_not_slow_the_others() {
    let (hanging, good) = (provider(), TestProvider::in_memory("https://other.example.com"));
    hanging.fails_with(ProviderFault::Stall);
    let authorities =
        [&hanging, &good].map(|provider| Authority::oidc(provider.oidc_keys()).audience("test"));
    let verifier = Verifier::<Claims>::new(authorities).unwrap();
    let stuck = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token(&hanging));
        async move { reason(&verifier, &token).await }
    });
    let start = tokio::time::Instant::now();
    tokio::task::yield_now().await;
    assert!(accepts(&verifier, &token(&good)).await);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(!stuck.is_finished());
    assert_eq!(stuck.await.unwrap(), Reason::KeysUnavailable);
    // All are warmed at once: the good one has its keys though the first one is told of.
    let error = verifier.warm().await.unwrap_err().to_string();
    assert!(error.contains(ISS), "{error}");
    assert_eq!(at_once(&verifier, &token(&good)), Some(true));
}
