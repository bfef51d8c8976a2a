//! How policies print, in what order they are judged, and which of several refusals is told.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{AuthError, Reason, Require};

use super::{Desk, NOW, Staff, answering, silent};
use crate::services::poll_once;

#[test]
fn policies_print_as_they_are_meant() {
    let (a, b) = (|| Require::scope("a"), || Require::role("b c"));
    for (policy, printed) in [
        (Require::authenticated(), "authenticated"),
        (Require::scope("read write"), r#"scope("read write")"#),
        (Require::role("say \"hi\"\n"), r#"role("say \"hi\"\n")"#),
        (Require::issuer("https://id.example"), r#"issuer("https://id.example")"#),
        (Require::max_auth_age(Duration::from_secs(300)), "max_auth_age(300s)"),
        (Require::acr(["gold", "silver"]), r#"acr("gold silver")"#),
        (answering("owner", Ok(true)), r#"ask("owner")"#),
        (Require::any([]), "nobody"),
        (Require::not(Require::any([])), "not nobody"),
        (Require::all([a(), b()]), r#"(scope("a") and role("b c"))"#),
        (Require::any([a(), b()]), r#"(scope("a") or role("b c"))"#),
        (
            Require::any([Require::all([a(), b()]), Require::not(Require::any([a(), b()]))]),
            r#"((scope("a") and role("b c")) or not (scope("a") or role("b c")))"#,
        ),
    ] {
        assert_eq!(policy.to_string(), printed);
        assert_eq!(format!("{policy:?}"), format!("Require({printed})"));
    }
    let that = Require::that(|staff: &Staff| staff.team == "ops").to_string();
    assert!(that.starts_with("that(") && that.ends_with("::Staff)"), "{that}");
    let broken = Require::scope("a\tb").to_string();
    assert!(broken.starts_with(r#"broken(Require::scope: "a\tb" is not"#), "{broken}");
}

/// A question that counts how many times it is asked.
fn counted(answer: bool) -> (Require, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let policy = Require::ask("counted", move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move { Ok(answer) }
    });
    (policy, count)
}

#[tokio::test]
async fn nobody_is_asked_what_memory_has_decided_wherever_the_question_stands() {
    let desk = Desk::new();
    let (yes, no) = (|| Require::scope("read"), || Require::scope("write"));
    let (question, count) = counted(true);
    let ask = || question.clone();
    for (policy, passes) in [
        (Require::all([ask(), no()]), false),
        (Require::all([no(), ask()]), false),
        (Require::any([ask(), yes()]), true),
        (Require::any([yes(), ask()]), true),
        (Require::all([Require::any([ask(), ask()]), no()]), false),
        (Require::any([Require::all([ask(), ask()]), yes()]), true),
        (Require::not(Require::any([ask(), yes()])), false),
        (Require::not(Require::all([ask(), no()])), true),
        (Require::all([Require::not(ask()), Require::any([])]), false),
        (Require::all([ask(), Require::scope("")]), false),
    ] {
        let principal = desk.principal("id", json!({ "scope": "read" }));
        let decided = policy.decide(&principal).now().expect("in memory");
        assert_eq!(decided.is_ok(), passes, "{policy}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn each_question_is_asked_once_and_no_further_than_needed() {
    let desk = Desk::new();
    for (first, second, all_asks, any_asks) in
        [(true, true, 2, 1), (true, false, 2, 1), (false, true, 1, 2), (false, false, 1, 2)]
    {
        for (in_all, expected) in [(true, all_asks), (false, any_asks)] {
            let ((one, ones), (other, others)) = (counted(first), counted(second));
            // With what memory knows around it, and nested, so that it is judged many times.
            let policy = if in_all {
                Require::all([
                    Require::authenticated(),
                    Require::all([Require::not(Require::not(one)), other]),
                ])
            } else {
                Require::any([Require::any([]), Require::any([Require::not(Require::not(one)), other])])
            };
            let passes = desk.judge(&policy, json!({})).await.is_ok();
            assert_eq!(passes, if in_all { first && second } else { first || second }, "{policy}");
            assert_eq!(ones.load(Ordering::Relaxed), 1);
            assert_eq!(ones.load(Ordering::Relaxed) + others.load(Ordering::Relaxed), expected);
        }
    }
}

#[tokio::test]
async fn of_several_refusals_all_tells_the_one_that_permission_helps_least() {
    let desk = Desk::new();
    let refusals = || {
        [
            (Require::acr(["gold"]), "insufficient_user_authentication"),
            (Require::scope("write"), "insufficient_scope"),
            (Require::role("admin"), "forbidden"),
            (Require::scope(""), "not_configured"),
        ]
    };
    for (milder, (one, _)) in refusals().into_iter().enumerate() {
        for (graver, (other, reason)) in refusals().into_iter().enumerate().skip(milder) {
            for policy in
                [Require::all([one.clone(), other.clone()]), Require::all([other.clone(), one.clone()])]
            {
                assert_eq!(
                    desk.reason(&policy, json!({})).await,
                    Some(reason),
                    "{milder} {graver}: {policy}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_closed_ways_any_tells_the_one_to_open_but_first_what_is_undecided() {
    let desk = Desk::new();
    let refusals = || {
        [
            (Require::role("admin"), "forbidden"),
            (Require::acr(["gold"]), "insufficient_user_authentication"),
            (Require::scope("write"), "insufficient_scope"),
            (answering("odd", Err(Reason::MissingClaim)), "missing_claim"),
            (silent(), "revocation_unavailable"),
            (Require::scope(""), "not_configured"),
        ]
    };
    for (lower, (one, _)) in refusals().into_iter().enumerate() {
        for (other, reason) in refusals().into_iter().skip(lower) {
            for policy in
                [Require::any([one.clone(), other.clone()]), Require::any([other.clone(), one.clone()])]
            {
                assert_eq!(desk.reason(&policy, json!({})).await, Some(reason), "{policy}");
            }
        }
    }
}

#[tokio::test]
async fn a_question_that_failed_never_becomes_a_yes() {
    let desk = Desk::new();
    for reason in Reason::all() {
        let failed = || answering("failed", Err(*reason));
        let nobody = || Require::any([]);
        for undecided in [
            failed(),
            Require::all([Require::authenticated(), failed()]),
            Require::any([nobody(), failed()]),
            Require::any([failed(), nobody()]),
            Require::not(Require::not(failed())),
        ] {
            assert!(desk.judge(&undecided, json!({})).await.is_err(), "{reason}: {undecided}");
            let inverted = Require::not(undecided.clone());
            assert!(desk.judge(&inverted, json!({})).await.is_err(), "{reason}: {inverted}");
        }
    }
}

#[tokio::test]
async fn all_scopes_that_are_needed_stand_in_one_challenge_in_order_and_once() {
    let desk = Desk::new();
    let scope = |scope: &str| Require::scope(scope);
    let policy = Require::all([
        scope("c a"),
        Require::all([scope("b"), scope("a")]),
        // Not needed, or not by everybody.
        Require::not(scope("n")),
        Require::any([scope("x y"), scope("z")]),
    ]);
    let challenge = desk.challenge(&policy, json!({ "scope": "c" })).await.unwrap();
    assert!(challenge.ends_with(r#", scope="c a b x y""#), "{challenge}");
    // Whoever has one of the alternatives is not told of them.
    let challenge = desk.challenge(&policy, json!({ "scope": "z" })).await.unwrap();
    assert!(challenge.ends_with(r#", scope="c a b""#), "{challenge}");
    let error = desk.judge(&policy, json!({})).await.unwrap_err();
    assert_eq!(error.required_scope(), Some("c a b x y"));
    // A question inside finds the same list.
    let asked = Require::all([
        scope("have"),
        Require::ask("scope", |_| async { Err(AuthError::insufficient_scope("asked")) }),
    ]);
    let error = desk.judge(&asked, json!({ "scope": "have" })).await.unwrap_err();
    assert_eq!(error.required_scope(), Some("have asked"));
    // What cannot stand in a challenge is left out of it, never escaped.
    let hostile = Require::ask("scope", |_| async { Err(AuthError::insufficient_scope("a\", realm=\"x")) });
    let challenge = desk.challenge(&hostile, json!({})).await.unwrap();
    assert!(challenge.ends_with(r#"error_description="The access token lacks a scope""#), "{challenge}");
}

#[tokio::test]
async fn a_step_up_tells_age_and_class_together_and_the_strictest_age() {
    let desk = Desk::new();
    let age = |seconds| Require::max_auth_age(Duration::from_secs(seconds));
    let policy = Require::all([age(600), Require::acr(["gold", "silver"]), age(60)]);
    let challenge = desk.challenge(&policy, json!({ "auth_time": NOW - 601 })).await.unwrap();
    assert!(challenge.ends_with(r#", acr_values="gold silver", max_age="60""#), "{challenge}");
    let challenge = desk.challenge(&policy, json!({ "acr": "silver", "auth_time": NOW - 61 })).await.unwrap();
    assert!(challenge.ends_with(r#", acr_values="gold silver", max_age="60""#), "{challenge}");
}

#[tokio::test(start_paused = true)]
async fn a_question_has_half_a_second() {
    let desk = Desk::new();
    let policy = silent();
    let mut decided = pin!(desk.judge(&policy, json!({})));
    assert!(poll_once(decided.as_mut()).await.is_pending());
    tokio::time::advance(Duration::from_millis(499)).await;
    assert!(poll_once(decided.as_mut()).await.is_pending());
    tokio::time::advance(Duration::from_millis(2)).await;
    let Poll::Ready(Err(refused)) = poll_once(decided.as_mut()).await else { panic!("still waiting") };
    assert_eq!(refused.reason(), Reason::RevocationUnavailable);
}

#[test]
fn a_question_without_a_runtime_is_refused_and_what_memory_knows_needs_none() {
    let desk = Desk::new();
    let principal = desk.principal("id", json!({}));
    let mut asked = pin!(answering("owner", Ok(true)).decide(&principal));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Err(refused)) = asked.as_mut().poll(&mut cx) else { panic!("it was asked") };
    assert_eq!(refused.reason(), Reason::RevocationUnavailable);
    assert!(Require::authenticated().decide(&principal).now().unwrap().is_ok());
}
