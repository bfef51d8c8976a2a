//! Issuers that are only known at run time: who is asked, how long the answer counts, and who hurts whom.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{
    Authority, Claims, ProviderFault, Reason, Secret, Tenants, TestIssuer, TestProvider, Verifier,
};

use crate::services::{hangs_up_after, poll_once};

/// A database of tenants.
#[derive(Clone, Default)]
struct Customers {
    providers: Arc<Mutex<HashMap<String, TestProvider>>>,
    questions: Arc<AtomicU64>,
}

impl Customers {
    fn with(names: &[&str]) -> (Self, Vec<TestProvider>) {
        let customers = Self::default();
        let providers = names.iter().map(|name| customers.sign_up(name)).collect();
        (customers, providers)
    }

    fn sign_up(&self, name: &str) -> TestProvider {
        let provider = TestProvider::in_memory(format!("https://{name}.example.com"));
        self.providers.lock().unwrap().insert(provider.issuer().to_owned(), provider.clone());
        provider
    }

    fn leave(&self, provider: &TestProvider) {
        self.providers.lock().unwrap().remove(provider.issuer());
    }

    fn find(&self, issuer: &str) -> Option<Authority> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let providers = self.providers.lock().unwrap();
        providers.get(issuer).map(|provider| Authority::oidc(provider.oidc_keys()).audience("test"))
    }

    fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }

    fn tenants(&self) -> Tenants {
        let customers = self.clone();
        Tenants::new(move |issuer| customers.find(issuer))
    }

    /// A database that answers after this time.
    fn tenants_after(&self, time: Duration) -> Tenants {
        let customers = self.clone();
        Tenants::new_async(move |issuer| {
            let customers = customers.clone();
            async move {
                let found = customers.find(&issuer);
                tokio::time::sleep(time).await;
                Ok(found)
            }
        })
    }
}

fn verifier(tenants: Tenants) -> Verifier<Claims> {
    Verifier::builder().tenants(tenants).build().unwrap()
}

fn token(provider: &TestProvider) -> String {
    provider.sign(json!({ "sub": "bob" }))
}

async fn reason(verifier: &Verifier<Claims>, token: &str) -> Option<Reason> {
    verifier.verify(token).await.err().map(|refused| refused.reason())
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_asked_for_once_and_then_at_hand() {
    let (customers, providers) = Customers::with(&["one", "two"]);
    for tenants in [customers.tenants(), customers.tenants_after(Duration::from_millis(10))] {
        let before = customers.questions();
        let verifier = verifier(tenants);
        for provider in &providers {
            assert_eq!(reason(&verifier, &token(provider)).await, None);
            for _ in 0..10 {
                assert!(verifier.verify(&token(provider)).now().unwrap().is_ok(), "at once");
            }
        }
        assert_eq!(customers.questions() - before, 2);
        assert_eq!(verifier.tenant_key_health().len(), 2);
        assert!(verifier.key_health().is_empty(), "tenants do not count for the readiness of the service");
        verifier.warm().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_trusted_is_refused_and_fetches_nothing() {
    let (customers, providers) = Customers::with(&["one"]);
    let verifier = verifier(customers.tenants());
    let stranger = TestProvider::in_memory("https://evil.example.com");
    assert_eq!(reason(&verifier, &token(&stranger)).await, Some(Reason::UnknownIssuer));
    // A stranger who names a tenant: the tenant's keys decide.
    let forged = TestIssuer::new(providers[0].issuer()).sign(json!({ "sub": "mallory" }));
    assert_eq!(reason(&verifier, &forged).await, Some(Reason::UnknownKey));
    // One tenant that names another.
    let two = customers.sign_up("two");
    let posing = two.sign(json!({ "iss": providers[0].issuer() }));
    assert_eq!(reason(&verifier, &posing).await, Some(Reason::UnknownKey));
    for (claims, expected) in [
        (json!({ "iss": null }), Reason::MissingClaim),
        (json!({ "iss": 7 }), Reason::InvalidClaim),
        (json!({ "iss": "" }), Reason::UnknownIssuer),
        (json!({ "iss": format!("https://{}.example.com", "x".repeat(3000)) }), Reason::UnknownIssuer),
        (json!({ "iss": format!("{}/", providers[0].issuer()) }), Reason::UnknownIssuer),
        (json!({ "aud": "other" }), Reason::WrongAudience),
        (json!({ "exp": 1 , "iat": null }), Reason::Expired),
    ] {
        assert_eq!(reason(&verifier, &providers[0].sign(&claims)).await, Some(expected), "{claims}");
    }
    assert_eq!(stranger.discovery_calls(), 0);
    assert_eq!(two.discovery_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_configured_comes_first() {
    let (customers, providers) = Customers::with(&["one"]);
    let own = TestIssuer::new("https://own.example.com").audience("test");
    let verifier = Verifier::<Claims>::builder()
        .authority(own.authority())
        .tenants(customers.tenants())
        .build()
        .unwrap();
    assert_eq!(reason(&verifier, &own.sign(json!({}))).await, None);
    assert_eq!(customers.questions(), 0);
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None);
}

/// A thousand tokens of one new tenant: one question, one fetch. A client that hangs up cancels nothing.
#[tokio::test(start_paused = true)]
async fn one_question_serves_all_who_wait() {
    let (customers, providers) = Customers::with(&["one"]);
    providers[0].latency(Duration::from_millis(100));
    let verifier = verifier(customers.tenants_after(Duration::from_millis(100)));
    for polls in 0..4 {
        let mut gone = pin!(verifier.verify(&token(&providers[0])));
        for _ in 0..polls {
            let _ = poll_once(gone.as_mut()).await;
        }
    }
    let waiting: Vec<_> = (0..1000)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token(&providers[0]));
            tokio::spawn(async move { reason(&verifier, &token).await })
        })
        .collect();
    for verdict in waiting {
        assert_eq!(verdict.await.unwrap(), None);
    }
    assert_eq!((customers.questions(), providers[0].jwks_calls()), (1, 1));
}

/// Wherever it waits: for the database, for discovery, for the keys.
#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_cancels_no_question() {
    for polls in 0.. {
        let (customers, providers) = Customers::with(&["one"]);
        let one = &providers[0];
        one.latency(Duration::from_millis(280));
        let verifier = verifier(customers.tenants_after(Duration::from_millis(280)));
        let token = token(one);
        let answered = hangs_up_after(polls, verifier.verify(&token)).await;
        assert_eq!(answered, polls > 9, "after {polls} polls");
        // The tenant is known by then, though nobody may have asked for its keys.
        pass(1).await;
        assert_eq!(reason(&verifier, &token).await, None, "hung up after {polls} polls");
        let calls = (customers.questions(), one.discovery_calls(), one.jwks_calls());
        assert_eq!(calls, (1, 1, 1), "{polls}");
        if answered {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trust_ends_in_time_and_keys_stay() {
    let (customers, providers) = Customers::with(&["one"]);
    let one = &providers[0];
    let verifier = verifier(customers.tenants().trusted_for(Duration::from_secs(60)));
    assert_eq!(reason(&verifier, &token(one)).await, None);
    pass(59).await;
    assert_eq!((reason(&verifier, &token(one)).await, customers.questions()), (None, 1));
    pass(1).await;
    assert!(verifier.verify(&token(one)).now().unwrap().is_ok(), "confirmed, with the keys at hand");
    assert_eq!((customers.questions(), one.jwks_calls()), (2, 1));
    customers.leave(one);
    pass(59).await;
    assert_eq!(reason(&verifier, &token(one)).await, None);
    pass(1).await;
    assert_eq!(reason(&verifier, &token(one)).await, Some(Reason::UnknownIssuer));
    assert!(verifier.tenant_key_health().is_empty());
    pass(60).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0, "its task is gone");
}

/// Nobody goes on fetching the keys of a tenant that no longer comes.
#[tokio::test(start_paused = true)]
async fn an_idle_tenant_is_forgotten_when_another_one_comes() {
    let (customers, providers) = Customers::with(&["idle", "busy"]);
    let verifier = verifier(customers.tenants());
    for provider in &providers {
        assert_eq!(reason(&verifier, &token(provider)).await, None);
    }
    for _ in 0..12 {
        pass(299).await;
        assert_eq!(reason(&verifier, &token(&providers[1])).await, None);
        assert_eq!(verifier.tenant_key_health().len(), 2);
    }
    pass(301).await;
    assert_eq!(reason(&verifier, &token(&providers[1])).await, None);
    assert_eq!(verifier.tenant_key_health().len(), 1);
    let calls = providers[0].jwks_calls();
    pass(3600).await;
    assert_eq!(providers[0].jwks_calls(), calls);
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None);
}

/// What the answer says is taken over with it: here another audience.
#[tokio::test(start_paused = true)]
async fn a_confirmation_may_change_the_rules() {
    let provider = TestProvider::in_memory("https://one.example.com");
    let asked = AtomicU64::new(0);
    let verifier = verifier(Tenants::new({
        let provider = provider.clone();
        move |_| {
            let audience = if asked.fetch_add(1, Ordering::Relaxed) == 0 { "test" } else { "other" };
            Some(Authority::oidc(provider.oidc_keys()).audience(audience))
        }
    }));
    assert_eq!(reason(&verifier, &token(&provider)).await, None);
    pass(300).await;
    assert_eq!(reason(&verifier, &token(&provider)).await, Some(Reason::WrongAudience));
    assert_eq!(reason(&verifier, &provider.sign(json!({ "aud": "other" }))).await, None);
    assert_eq!(provider.jwks_calls(), 1);
}

/// Keys are taken over from the same place alone.
#[tokio::test(start_paused = true)]
async fn a_tenant_that_moved_has_the_keys_of_its_new_place() {
    let (old, new) = (TestIssuer::new("https://one.example.com"), TestIssuer::new("https://one.example.com"));
    let (old, new) = (old.audience("test"), new.audience("test"));
    let asked = AtomicU64::new(0);
    let fetch =
        Places([("https://old.example.com/keys", old.jwks()), ("https://new.example.com/keys", new.jwks())]);
    let verifier = verifier(Tenants::new(move |_| {
        let url = fetch.0[usize::from(asked.fetch_add(1, Ordering::Relaxed) > 0)].0;
        Some(Authority::jwks(tower_jwt_auth::RemoteKeys::new(url).fetch(fetch.clone())).audience("test"))
    }));
    assert_eq!(reason(&verifier, &old.sign(json!({}))).await, None);
    pass(300).await;
    assert_eq!(reason(&verifier, &new.sign(json!({}))).await, None);
    assert_eq!(reason(&verifier, &old.sign(json!({}))).await, Some(Reason::UnknownKey));
}

#[derive(Clone, Debug)]
struct Places([(&'static str, String); 2]);

impl tower_jwt_auth::Fetch for Places {
    fn fetch(
        &self,
        url: &str,
        _: usize,
    ) -> tower_jwt_auth::NowOrLater<Result<http::Response<bytes::Bytes>, tower_jwt_auth::FetchError>> {
        let found = self.0.iter().find(|(place, _)| *place == url).unwrap();
        tower_jwt_auth::NowOrLater::ready(Ok(http::Response::new(found.1.clone().into())))
    }
}

/// A tenant that was confirmed is not new: who invents others does not displace it.
#[tokio::test(start_paused = true)]
async fn a_confirmed_tenant_stays_proven() {
    let (customers, providers) = Customers::with(&["one"]);
    let inner = customers.clone();
    let verifier = verifier(
        Tenants::new(move |issuer| {
            let invented = || Authority::jwks(TestProvider::in_memory(issuer).jwks_keys()).audience("test");
            inner.find(issuer).or_else(|| issuer.ends_with(".evil.example").then(invented))
        })
        .at_most(2),
    );
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None);
    pass(300).await;
    // Of the tenant, and confirming it, but not yet with a good signature.
    let forged = TestIssuer::new(providers[0].issuer()).audience("test").sign(json!({}));
    assert_eq!(reason(&verifier, &forged).await, Some(Reason::UnknownKey));
    let stranger = TestIssuer::new("https://unused.example").audience("test");
    for n in 0..3 {
        pass(1).await;
        let forged = stranger.sign(json!({ "iss": format!("https://{n}.evil.example") }));
        assert_eq!(reason(&verifier, &forged).await, Some(Reason::UnknownKey));
    }
    assert!(verifier.verify(&token(&providers[0])).now().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_can_be_forgotten_at_once() {
    let (customers, providers) = Customers::with(&["one"]);
    let verifier = verifier(customers.tenants_after(Duration::from_millis(100)));
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None);
    customers.leave(&providers[0]);
    assert!(verifier.forget_tenant(providers[0].issuer()));
    assert_eq!(reason(&verifier, &token(&providers[0])).await, Some(Reason::UnknownIssuer));

    // While a question is open, which the database answered before the tenant left.
    let two = customers.sign_up("two");
    let waiting = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token(&two));
        async move { reason(&verifier, &token).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    customers.leave(&two);
    assert!(verifier.forget_tenant(two.issuer()));
    assert!(!verifier.forget_tenant(&format!("{}/", two.issuer())));
    assert_eq!(waiting.await.unwrap(), Some(Reason::KeysUnavailable), "it can be tried again");
    assert_eq!(reason(&verifier, &token(&two)).await, Some(Reason::UnknownIssuer));
}

#[tokio::test(start_paused = true)]
async fn one_bad_tenant_hurts_no_other() {
    let (customers, providers) = Customers::with(&["good", "bad"]);
    let [good, bad] = &providers[..] else { panic!() };
    bad.fails_with(ProviderFault::Stall);
    let verifier = verifier(customers.tenants());
    assert_eq!(reason(&verifier, &token(good)).await, None);
    let waiting: Vec<_> = (0..2000)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token(bad));
            tokio::spawn(async move { reason(&verifier, &token).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(verifier.verify(&token(good)).now().unwrap().is_ok());
    let new = customers.sign_up("new");
    let start = tokio::time::Instant::now();
    assert_eq!(reason(&verifier, &token(&new)).await, None);
    good.rotate();
    pass(1).await;
    assert_eq!(start.elapsed().as_secs(), 1);
    for verdict in waiting {
        assert_eq!(verdict.await.unwrap(), Some(Reason::KeysUnavailable));
    }
    pass(10).await;
    assert_eq!(reason(&verifier, &token(good)).await, None, "its own cooldown");
    assert!(bad.discovery_calls() <= 4, "{}", bad.discovery_calls());
}

/// Whoever gets issuers trusted by the thousand displaces none that had a good token.
#[tokio::test(start_paused = true)]
async fn invented_tenants_displace_no_proven_one() {
    let (customers, providers) = Customers::with(&["a", "b", "c"]);
    let inner = customers.clone();
    let pattern = Tenants::new(move |issuer| {
        let invented = || Authority::jwks(TestProvider::in_memory(issuer).jwks_keys()).audience("test");
        inner.find(issuer).or_else(|| issuer.ends_with(".evil.example").then(invented))
    });
    let verifier = verifier(pattern.at_most(4));
    for provider in &providers {
        assert_eq!(reason(&verifier, &token(provider)).await, None);
    }
    let stranger = TestIssuer::new("https://unused.example");
    for n in 0..200 {
        pass(1).await; // more at a time would not come at all
        let forged = stranger.sign(json!({ "iss": format!("https://{n}.evil.example"), "aud": "test" }));
        assert_eq!(reason(&verifier, &forged).await, Some(Reason::UnknownKey), "{n}");
        assert_eq!(verifier.tenant_key_health().len(), 4.min(4 + n));
    }
    for provider in &providers {
        pass(1).await;
        assert!(verifier.verify(&token(provider)).now().unwrap().is_ok());
        assert_eq!(provider.jwks_calls(), 1);
    }
    // Among the proven it is the one that was not used for the longest time.
    for name in ["d", "e"] {
        pass(1).await;
        let new = customers.sign_up(name);
        assert_eq!(reason(&verifier, &token(&new)).await, None);
        pass(1).await;
        assert!(verifier.verify(&token(&providers[1])).now().unwrap().is_ok());
    }
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None);
    assert_eq!((providers[0].jwks_calls(), providers[1].jwks_calls()), (2, 1));
}

/// Tenants that displace each other take their cooldown with them: else whoever alternates between two would have keys
/// fetched for each token.
#[tokio::test(start_paused = true)]
async fn tenants_that_take_turns_are_not_fetched_for_each_token() {
    let (customers, providers) = Customers::with(&["proven", "a", "b"]);
    let verifier = verifier(customers.tenants().at_most(2));
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None);
    let forged = [1, 2].map(|n| TestIssuer::new(providers[n].issuer()).audience("test").sign(json!({})));
    let before = customers.questions();
    for n in 0..200 {
        let _ = reason(&verifier, &forged[n % 2]).await;
    }
    assert_eq!(customers.questions() - before, 2);
    assert_eq!([1, 2].map(|n| providers[n].jwks_calls()), [1, 1]);
    // The one that was displaced is told to come again, and may.
    assert_eq!(reason(&verifier, &token(&providers[1])).await, Some(Reason::KeysUnavailable));
    pass(10).await;
    assert_eq!(reason(&verifier, &token(&providers[1])).await, None);
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None, "the proven one is still there");
    // Who is forgotten on purpose may come at once.
    assert!(verifier.forget_tenant(providers[1].issuer()));
    assert_eq!(reason(&verifier, &token(&providers[1])).await, None);
}

/// No more are remembered than there is room for; then nobody new comes, and those who are there stay.
#[tokio::test(start_paused = true)]
async fn what_is_remembered_of_displaced_tenants_is_bounded() {
    let verifier = verifier(
        Tenants::new(|issuer| {
            Some(Authority::jwks(TestProvider::in_memory(issuer).jwks_keys()).audience("test"))
        })
        .at_most(2),
    );
    let stranger = TestIssuer::new("https://unused.example").audience("test");
    let mut verdicts = HashMap::new();
    for n in 0..40 {
        let forged = stranger.sign(json!({ "iss": format!("https://{n}.example.com") }));
        *verdicts.entry(reason(&verifier, &forged).await.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(verdicts, HashMap::from([(Reason::UnknownKey, 20), (Reason::KeysUnavailable, 20)]));
    pass(10).await;
    let forged = stranger.sign(json!({ "iss": "https://40.example.com" }));
    assert_eq!(reason(&verifier, &forged).await, Some(Reason::UnknownKey));
}

/// Requests that wait for a tenant that goes meanwhile leave no task behind, and fetch nothing more.
#[tokio::test(start_paused = true)]
async fn tenants_that_go_leave_no_task() {
    let evil = TestProvider::in_memory("https://evil.example.com");
    evil.latency(Duration::from_millis(100));
    evil.fails_with(ProviderFault::Status(500));
    let fetch = evil.clone();
    let verifier = verifier(
        Tenants::new(move |_| {
            let keys =
                tower_jwt_auth::RemoteKeys::new("https://evil.example.com/jwks.json").fetch(fetch.clone());
            Some(Authority::jwks(keys).audience("test"))
        })
        .at_most(10),
    );
    let stranger = TestIssuer::new("https://unused.example").audience("test");
    let waiting: Vec<_> = (0..80)
        .map(|n| {
            let forged = stranger.sign(json!({ "iss": format!("https://{n}.example.com") }));
            let verifier = verifier.clone();
            tokio::spawn(async move { reason(&verifier, &forged).await })
        })
        .collect();
    for verdict in waiting {
        assert_eq!(verdict.await.unwrap(), Some(Reason::KeysUnavailable));
    }
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    pass(60).await;
    assert!(tasks() <= 10, "{}", tasks());
    drop(verifier);
    pass(1).await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_tenant_is_not_asked_again() {
    let (customers, providers) = Customers::with(&["one"]);
    providers[0].fails_with(ProviderFault::Stall);
    let verifier = verifier(customers.tenants());
    let waiting = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token(&providers[0]));
        async move { reason(&verifier, &token).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(verifier.forget_tenant(providers[0].issuer()));
    assert_eq!(waiting.await.unwrap(), Some(Reason::KeysUnavailable));
    pass(60).await;
    assert_eq!(providers[0].discovery_calls(), 1);
}

/// A slow database and a flood of issuers that do not exist: known tenants do not notice, be it that they have to be
/// confirmed.
#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_issuers_leaves_known_tenants_alone() {
    let (customers, providers) = Customers::with(&["one"]);
    let tenants = customers.tenants_after(Duration::from_millis(400)).trusted_for(Duration::from_secs(1));
    let verifier = verifier(tenants);
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None);
    pass(1).await;
    let stranger = TestIssuer::new("https://unused.example").audience("test");
    let flood: Vec<_> = (0..1000)
        .map(|n| {
            let forged = stranger.sign(json!({ "iss": format!("https://{n}.evil.example") }));
            let verifier = verifier.clone();
            tokio::spawn(async move { reason(&verifier, &forged).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let before = customers.questions();
    assert_eq!(before, 1 + 64);
    assert_eq!(reason(&verifier, &token(&providers[0])).await, None);
    assert_eq!(customers.questions(), before + 1);
    let mut verdicts = HashMap::new();
    for verdict in flood {
        *verdicts.entry(verdict.await.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(verdicts[&Some(Reason::UnknownIssuer)], 64);
    assert_eq!(verdicts[&Some(Reason::KeysUnavailable)], 936);
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_is_503() {
    let provider = TestProvider::in_memory("https://one.example.com");
    let token = token(&provider);
    let failing = Tenants::new_async(|_| async { Err("the database is down".into()) });
    let hanging = Tenants::new_async(|_| std::future::pending());
    let panicking = Tenants::new_async(|_| async { panic!("a bug in somebody's function") });
    for tenants in [failing, hanging, panicking] {
        let verifier = verifier(tenants);
        let start = tokio::time::Instant::now();
        for _ in 0..2 {
            assert_eq!(reason(&verifier, &token).await, Some(Reason::KeysUnavailable));
        }
        assert!(start.elapsed() <= Duration::from_millis(1002), "the deadline: {:?}", start.elapsed());
    }
    // An authority that does not fit is our fault, too.
    type Make = fn(&str) -> Option<Authority>;
    let wrong: [Make; 4] = [
        |_| Some(Authority::oidc("https://other.example.com").audience("test")),
        |_| Some(Authority::jwks("https://one.example.com/jwks.json").any_issuer().audience("test")),
        |issuer| Some(Authority::oidc(issuer)),
        |_| Some(tower_jwt_auth::provider::entra_multi_tenant(|_| true).audience("test")),
    ];
    for make in wrong {
        assert_eq!(reason(&verifier(Tenants::new(make)), &token).await, Some(Reason::KeysUnavailable));
    }
}

#[test]
fn without_a_runtime_nothing_hangs() {
    let (customers, providers) = Customers::with(&["one"]);
    let verifier = verifier(customers.tenants_after(Duration::ZERO));
    let refused = verifier.verify(&token(&providers[0])).now().unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::KeysUnavailable);
}

/// Tenants need no provider: a secret for each.
#[tokio::test]
async fn a_tenant_may_have_keys_of_its_own() {
    let one = TestIssuer::with_algorithm("https://one.example.com", tower_jwt_auth::Algorithm::HS256);
    let authority = Arc::new(Mutex::new(vec![one.audience("test")]));
    let issuers = Arc::clone(&authority);
    let verifier = verifier(Tenants::new(move |issuer| {
        let issuers = issuers.lock().unwrap();
        issuers.iter().find(|one| one.issuer().issuer() == issuer).map(TestIssuer::authority)
    }));
    let token = authority.lock().unwrap()[0].sign(json!({}));
    assert!(verifier.verify(&token).now().unwrap().is_ok());
}

/// Found by a token, a host in this network is not asked.
#[tokio::test]
async fn private_addresses_are_not_asked() {
    let provider = TestProvider::on_loopback().await;
    let tenants = || {
        Tenants::new(|issuer| {
            let keys = tower_jwt_auth::RemoteKeys::new(issuer).insecure_http_on_loopback();
            Some(Authority::oidc(keys).audience("test"))
        })
    };
    let verifier = verifier(tenants());
    assert_eq!(reason(&verifier, &token(&provider)).await, Some(Reason::KeysUnavailable));
    assert_eq!(provider.discovery_calls(), 0);
    let [health] = &verifier.tenant_key_health()[..] else { panic!() };
    assert!(health.last_error.is_some(), "{health:?}");
}

#[test]
fn bad_settings_are_told() {
    let tenants = || Tenants::new(|_| None);
    let build = |tenants| Verifier::<Claims>::builder().tenants(tenants).build().unwrap_err().to_string();
    for (tenants, text) in [
        (tenants().at_most(0), "at_most: 0 is out of bounds"),
        (tenants().at_most(10_001), "at_most: 10001 is out of bounds"),
        (tenants().trusted_for(Duration::ZERO), "trusted_for: 0ns is out of bounds"),
        (tenants().trusted_for(Duration::from_secs(86_401)), "trusted_for: 86401s is out of bounds"),
    ] {
        let error = build(tenants);
        assert!(error.contains(text), "{error}");
    }
    let error =
        Verifier::<Claims>::builder().tenants(tenants()).tenants(tenants()).build().unwrap_err().to_string();
    assert!(error.contains("tenants: it is set twice"), "{error}");
    let any = Authority::hs256(Secret::generate().unwrap()).any_issuer().audience("api");
    let error =
        Verifier::<Claims>::builder().authority(any).tenants(tenants()).build().unwrap_err().to_string();
    assert!(error.contains("any_issuer"), "{error}");
}
