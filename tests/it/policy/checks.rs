//! Checks that the user adds.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{AuthError, Authority, Claims, Principal, Reason, Verifier};

use super::{Bench, NOW, verdict};
use crate::support::verify;

type Log = Arc<Mutex<Vec<&'static str>>>;

fn noting(
    log: &Log,
    name: &'static str,
    answer: Option<Reason>,
) -> impl Fn(&Principal) -> Result<(), AuthError> + use<> {
    let log = Arc::clone(log);
    move |_| {
        log.lock().unwrap().push(name);
        answer.map_or(Ok(()), |reason| Err(AuthError::new(reason)))
    }
}

fn noting_later(
    log: &Log,
    name: &'static str,
    answer: Option<Reason>,
) -> impl Fn(Principal) -> std::pin::Pin<Box<dyn Future<Output = Result<(), AuthError>> + Send>> + use<> {
    let log = Arc::clone(log);
    move |_| {
        let log = Arc::clone(&log);
        Box::pin(async move {
            tokio::task::yield_now().await;
            log.lock().unwrap().push(name);
            answer.map_or(Ok(()), |reason| Err(AuthError::new(reason)))
        })
    }
}

fn takes_longer(
    span: Duration,
) -> impl Fn(Principal) -> std::pin::Pin<Box<dyn Future<Output = Result<(), AuthError>> + Send>> {
    move |_| {
        Box::pin(async move {
            tokio::time::sleep(span).await;
            Ok(())
        })
    }
}

#[test]
fn checks_run_in_their_order_and_the_first_refusal_wins() {
    let (bench, log) = (Bench::new(), Log::default());
    let verifier = bench.verifier(|authority| {
        authority
            .check(noting(&log, "one", None))
            .check(noting(&log, "two", Some(Reason::Revoked)))
            .check(noting(&log, "three", Some(Reason::Forbidden)))
    });
    let error = verify(&verifier, &bench.sign(json!({}))).unwrap_err();
    assert_eq!(error.reason(), Reason::Revoked);
    assert!(error.signature_verified());
    assert_eq!(*log.lock().unwrap(), ["one", "two"]);
}

#[test]
fn checks_see_only_tokens_that_are_good_so_far() {
    let (bench, log) = (Bench::new(), Log::default());
    let verifier = bench.verifier(|authority| authority.check(noting(&log, "check", None)));
    for claims in
        [json!({ "exp": 1 }), json!({ "aud": "other" }), json!({ "iss": "other" }), json!({ "sub": 7 })]
    {
        assert_ne!(verdict(&verifier, &bench.sign(claims)), "accepted");
    }
    let token = bench.sign(json!({}));
    let (input, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verdict(&verifier, &format!("{input}.{}", "A".repeat(43))), "bad_signature");
    assert!(log.lock().unwrap().is_empty());
    assert_eq!(verdict(&verifier, &token), "accepted");
    assert_eq!(*log.lock().unwrap(), ["check"]);
}

#[test]
fn a_check_reads_the_principal_and_its_error_is_kept() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| {
        authority.check(|principal: &Principal| {
            assert_eq!((principal.subject(), principal.token_id()), (Some("bob"), Some("7")));
            match principal.claim::<String>("hd").as_deref() {
                Some("example.com") => Ok(()),
                _ => Err(AuthError::new(Reason::InvalidClaim).with_claim("hd").with_source("not ours")),
            }
        })
    });
    let sign = |hd: &str| bench.sign(json!({ "sub": "bob", "jti": "7", "hd": hd }));
    assert_eq!(verdict(&verifier, &sign("example.com")), "accepted");
    let error = verify(&verifier, &sign("evil.test")).unwrap_err();
    assert_eq!(error.to_string(), "invalid_claim (hd)");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "not ours");
}

#[test]
fn checks_of_one_authority_do_not_judge_the_tokens_of_another() {
    let (bench, log) = (Bench::new(), Log::default());
    let other = tower_jwt_auth::TestIssuer::new("other").audience("api").clock(bench.clock.clone());
    let strict = bench.issuer.authority().check(noting(&log, "strict", Some(Reason::Revoked)));
    let verifier: Verifier<Claims> = Verifier::builder()
        .authorities([strict, other.authority()])
        .clock(bench.clock.clone())
        .build()
        .unwrap();
    assert_eq!(verdict(&verifier, &other.sign(json!({}))), "accepted");
    assert_eq!(verdict(&verifier, &bench.sign(json!({}))), "revoked");
}

#[tokio::test]
async fn asynchronous_and_other_checks_keep_their_order() {
    for (answers, expected, ran) in [
        ([None, None, None, None], None, 4),
        ([Some(Reason::Revoked), None, None, None], Some(Reason::Revoked), 1),
        ([None, Some(Reason::Revoked), Some(Reason::Forbidden), None], Some(Reason::Revoked), 2),
        ([None, None, Some(Reason::Forbidden), Some(Reason::Revoked)], Some(Reason::Forbidden), 3),
        ([None, None, None, Some(Reason::Revoked)], Some(Reason::Revoked), 4),
    ] {
        let (bench, log) = (Bench::new(), Log::default());
        let verifier = bench.verifier(|authority| {
            authority
                .check(noting(&log, "1", answers[0]))
                .check_async(noting_later(&log, "2", answers[1]))
                .check(noting(&log, "3", answers[2]))
                .check_async(noting_later(&log, "4", answers[3]))
        });
        let verdict = verifier.verify(&bench.sign(json!({}))).await;
        assert_eq!(verdict.as_ref().err().map(AuthError::reason), expected);
        assert!(verdict.err().is_none_or(|error| error.signature_verified()));
        assert_eq!(*log.lock().unwrap(), ["1", "2", "3", "4"][..ran]);
    }
}

#[tokio::test]
async fn an_asynchronous_check_is_not_asked_about_a_bad_token() {
    let (bench, log) = (Bench::new(), Log::default());
    let verifier = bench.verifier(|authority| authority.check_async(noting_later(&log, "check", None)));
    let refused = verifier.verify(&bench.sign(json!({ "exp": NOW - 30 }))).now().unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::Expired);
    let later = verifier.verify(&bench.sign(json!({})));
    assert!(later.await.is_ok());
    assert_eq!(*log.lock().unwrap(), ["check"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_refused_at_the_deadline() {
    let bench = Bench::new();
    let hanging = || bench.issuer.authority().check_async(|_| pending());
    for (deadline, at) in [(None, 500), (Some(Duration::from_secs(2)), 2000)] {
        let mut builder = Verifier::<Claims>::builder().authority(hanging()).clock(bench.clock.clone());
        if let Some(deadline) = deadline {
            builder = builder.check_deadline(deadline);
        }
        let verifier = builder.build().unwrap();
        let start = tokio::time::Instant::now();
        let error = verifier.verify(&bench.sign(json!({}))).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RevocationUnavailable);
        assert!(error.is_transient() && error.signature_verified());
        let waited = start.elapsed().as_millis();
        assert!((at..at + 5).contains(&waited), "virtual time: {waited} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn all_checks_share_one_deadline() {
    let bench = Bench::new();
    let judge = async |spans: [u64; 2]| {
        let mut authority = bench.issuer.authority();
        for span in spans {
            authority = authority.check_async(takes_longer(Duration::from_millis(span)));
        }
        let verifier: Verifier<Claims> = bench.verifier_of(authority);
        verifier.verify(&bench.sign(json!({}))).await.map_err(|error| error.reason()).err()
    };
    assert_eq!(judge([240, 240]).await, None);
    assert_eq!(judge([300, 300]).await, Some(Reason::RevocationUnavailable));
    assert_eq!(judge([600, 0]).await, Some(Reason::RevocationUnavailable));
}

#[test]
fn without_a_runtime_an_asynchronous_check_refuses_and_does_not_panic() {
    let bench = Bench::new();
    let verifier: Verifier<Claims> =
        bench.verifier_of(bench.issuer.authority().check_async(|_| async { Ok(()) }));
    let mut verdict = pin!(verifier.verify(&bench.sign(json!({}))));
    let Poll::Ready(verdict) = verdict.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing could wake it");
    };
    let error = verdict.unwrap_err();
    assert_eq!(error.reason(), Reason::RevocationUnavailable);
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("tokio runtime"));
}

#[tokio::test]
async fn an_error_of_the_asynchronous_check_is_kept() {
    let bench = Bench::new();
    let failing = |_| async {
        Err(AuthError::new(Reason::RevocationUnavailable).with_source(std::io::Error::other("store is down")))
    };
    let authority: Authority = bench.issuer.authority().check_async(failing);
    let verifier: Verifier<Claims> = bench.verifier_of(authority);
    let error = verifier.verify(&bench.sign(json!({}))).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "store is down");
}
