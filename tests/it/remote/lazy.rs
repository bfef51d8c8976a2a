//! Nothing is fetched before it is needed, and who needs it first waits for it.

use http::Request;
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, ProviderFault, Reason, TestProvider, Verifier};

use super::{ISS, accepts, at_once, jwks, oidc, pass, provider, reason, token};

#[test]
fn a_verifier_is_built_outside_a_runtime() {
    let provider = provider();
    let (by_url, by_discovery) = (jwks(&provider), oidc(&provider));
    // There is nobody to fetch, so there are no keys: the fault is ours, and nothing panics.
    for verifier in [&by_url, &by_discovery] {
        let refused = verifier.verify(&token(&provider)).now().unwrap().unwrap_err();
        assert_eq!(refused.reason(), Reason::KeysUnavailable);
    }
    let usual = Authority::oidc("https://id.example.com").audience("test");
    Verifier::<Claims>::new(usual).unwrap();
    assert_eq!((provider.jwks_calls(), provider.discovery_calls()), (0, 0));
    // The very same verifiers work as soon as there is a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert!(accepts(&by_url, &token(&provider)).await);
        assert!(accepts(&by_discovery, &token(&provider)).await);
    });
    assert_eq!((provider.jwks_calls(), provider.discovery_calls()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_before_the_first_token() {
    let provider = provider();
    let verifier = oidc(&provider);
    pass(3600).await;
    assert_eq!(reason(&verifier, "not.a.token").await, Reason::MalformedToken);
    pass(3600).await;
    assert_eq!((provider.jwks_calls(), provider.discovery_calls()), (0, 0));
    assert!(accepts(&verifier, &token(&provider)).await, "the first token waits for the keys");
    assert_eq!((provider.jwks_calls(), provider.discovery_calls()), (1, 1));
    assert_eq!(at_once(&verifier, &token(&provider)), Some(true), "the second one does not");
}

#[tokio::test(start_paused = true)]
async fn warm_fetches_and_says_why_it_cannot() {
    for (fault, why) in [
        (ProviderFault::Status(500), "answered 500"),
        (ProviderFault::RetryAfter(429, 30), "answered 429"),
        (ProviderFault::Stall, "no answer within 5s"),
        (ProviderFault::HangUp, "the connection was closed"),
        (ProviderFault::Redirect, "answered 302, which is not followed"),
        (ProviderFault::Garbage, "the discovery document cannot be read (line 1, column 1)"),
        (ProviderFault::HugeBody, "more than 262144 bytes"),
        (ProviderFault::EmptySet, "it is empty"),
        (ProviderFault::OnlyOddKeys, "no key of the JWK set can be used"),
        (ProviderFault::TooManyKeys, "the JWK set has 1001 keys, more than 100"),
        (ProviderFault::WrongIssuer, "\"https://evil.example.com\""),
        (ProviderFault::NoJwksUri, "has no jwks_uri"),
    ] {
        let provider = provider();
        let verifier = oidc(&provider);
        provider.fails_with(fault.clone());
        let error = verifier.warm().await.unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(ISS), "{fault:?}: {error}");
        provider.heals();
        pass(60).await;
        verifier.warm().await.unwrap();
        assert_eq!(at_once(&verifier, &token(&provider)), Some(true), "{fault:?}");
        let calls = provider.jwks_calls();
        verifier.warm().await.unwrap();
        assert_eq!(provider.jwks_calls(), calls, "there are keys already");
    }
}

#[tokio::test(start_paused = true)]
async fn warm_waits_as_long_as_one_fetch_may_take() {
    let provider = provider();
    provider.latency(std::time::Duration::from_secs(4));
    let verifier = jwks(&provider);
    verifier.warm().await.unwrap();
}

#[test]
fn warm_without_a_runtime_says_so() {
    let mut warm = std::pin::pin!(async { jwks(&provider()).warm().await.unwrap_err().to_string() });
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(error) = warm.as_mut().poll(&mut context) else { panic!("it waits") };
    assert!(error.contains("no tokio runtime"), "{error}");
}

/// The answer over the layer: the status, and what says when to come again.
async fn answer(provider: &TestProvider, grpc: bool) -> (u16, Option<String>, Option<String>) {
    let layer = JwtAuthLayer::new(jwks(provider));
    let echo =
        service_fn(|_| async { Ok::<_, std::convert::Infallible>(http::Response::new(String::new())) });
    let mut request = Request::builder().header("authorization", provider.bearer(json!({})));
    if grpc {
        request =
            request.method("POST").version(http::Version::HTTP_2).header("content-type", "application/grpc");
    }
    let response = layer.layer(echo).oneshot(request.body(()).unwrap()).await.unwrap();
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("www-authenticate"), None, "the token is not at fault");
    (response.status().as_u16(), header("retry-after"), header("grpc-status"))
}

#[tokio::test(start_paused = true)]
async fn without_keys_the_answer_is_503_or_14_and_never_401() {
    for fault in [ProviderFault::Status(404), ProviderFault::Stall, ProviderFault::EmptySet] {
        let provider = provider();
        provider.fails_with(fault);
        assert_eq!(answer(&provider, false).await, (503, Some("5".to_owned()), None));
        let (status, _, grpc) = answer(&provider, true).await;
        assert_eq!((status, grpc.as_deref()), (200, Some("14")));
    }
}
