//! Property tests: against a model, one step after the other; and many at once, in any interleaving.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use tower_jwt_auth::{NowOrLater, RefreshRecord, StoreError};

use super::*;

const IDLE: Duration = Duration::from_secs(60);
const ABSOLUTE: Duration = Duration::from_secs(200);

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    /// Present the token that is so many steps older than the newest.
    Present(usize),
    End(usize),
    Clean,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u64..20_000).prop_map(Step::Wait),
        1 => prop_oneof![Just(9_999), Just(10_000), Just(59_999), Just(60_000)].prop_map(Step::Wait),
        6 => Just(Step::Present(0)),
        4 => Just(Step::Present(1)),
        1 => (2_usize..5).prop_map(Step::Present),
        1 => (0_usize..3).prop_map(Step::End),
        2 => Just(Step::Clean),
    ];
    prop::collection::vec(step, 1..40)
}

/// The rules in their plainest form.
struct Model {
    now: u64,
    alive: bool,
    /// Number of the current token.
    current: usize,
    retry_until: Option<u64>,
    expires: u64,
    ends: u64,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    New,
    SameAs(usize),
    Invalid,
    Reused,
}

impl Model {
    fn present(&mut self, token: usize) -> Outcome {
        if !self.alive || self.now >= self.expires {
            Outcome::Invalid
        } else if token == self.current {
            self.current += 1;
            self.retry_until = Some(self.now + 10_000);
            self.expires = self.ends.min(self.now + 60_000);
            Outcome::New
        } else if token + 1 == self.current && self.retry_until.is_some_and(|until| self.now < until) {
            Outcome::SameAs(self.current)
        } else {
            self.alive = false;
            Outcome::Reused
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does(steps in steps()) {
        let store: Arc<dyn RefreshStore> = Arc::new(MemoryRefreshStore::new());
        let world = World::with(store, |settings| settings.idle(IDLE).absolute(ABSOLUTE));
        let mut tokens = vec![at_once(world.login())];
        let mut model =
            Model { now: 0, alive: true, current: 0, retry_until: None, expires: 60_000, ends: 200_000 };
        for step in steps {
            let newest = tokens.len() - 1;
            match step {
                Step::Wait(millis) => {
                    world.clock.advance(Duration::from_millis(millis));
                    model.now += millis;
                }
                Step::Present(age) => {
                    let number = newest.saturating_sub(age);
                    let outcome = match at_once(world.rotate(&tokens[number])) {
                        Ok(token) => match tokens.iter().position(|known| known.as_str() == token.as_str()) {
                            Some(known) => Outcome::SameAs(known),
                            None => {
                                tokens.push(token);
                                Outcome::New
                            }
                        },
                        Err(RefreshError::Invalid) => Outcome::Invalid,
                        Err(RefreshError::Reused(_)) => Outcome::Reused,
                        Err(other) => panic!("{other:?}"),
                    };
                    prop_assert_eq!(outcome, model.present(number));
                }
                Step::End(age) => {
                    at_once(world.tokens.end(&tokens[newest.saturating_sub(age)])).unwrap();
                    model.alive = false;
                }
                Step::Clean => at_once(world.tokens.remove_expired()).unwrap(),
            }
            let live = at_once(world.tokens.sessions("bob")).unwrap().len();
            prop_assert_eq!(live == 1, model.alive && model.now < model.expires);
        }
    }

    /// Several clients hold the same token; some lose patience (their future is dropped) and none of it may matter.
    #[test]
    fn honest_clients_are_never_locked_out(
        rounds in prop::collection::vec((2_usize..5, prop::collection::vec((0_usize..5, 0_u8..12), 0..60)), 1..4)
    ) {
        let world = World::new(Arc::new(Stepwise(Arc::default())));
        let mut current = run(world.login());
        for (clients, schedule) in rounds {
            let mut running: Vec<_> = (0..clients).map(|_| Some(Box::pin(world.rotate(&current)))).collect();
            let mut successors = Vec::new();
            for (client, dice) in schedule {
                let Some(place) = running.get_mut(client) else { continue };
                if dice == 0 {
                    *place = None;
                } else if let Some(future) = place && let Poll::Ready(done) = poll(future.as_mut()) {
                    *place = None;
                    successors.push(done.expect("an honest client"));
                }
            }
            for future in running.into_iter().flatten() {
                successors.push(run(future).expect("an honest client"));
            }
            // The one whose answer was lost asks again.
            successors.push(run(world.rotate(&current)).expect("a retry within the grace"));
            for successor in &successors {
                prop_assert_eq!(successor.as_str(), successors[0].as_str());
            }
            current = successors.remove(0);
        }
        prop_assert_eq!(run(world.tokens.sessions("bob")).unwrap().len(), 1);
    }

    /// Anything at once, thieves included: no token ever has two successors, and what is dead stays dead.
    #[test]
    fn no_token_has_two_successors(
        schedule in prop::collection::vec((0_usize..4, 0_usize..6, 0_u64..3_000), 1..150)
    ) {
        let world = World::new(Arc::new(Stepwise(Arc::default())));
        let mut tokens = vec![run(world.login())];
        let mut successors: HashMap<String, String> = HashMap::new();
        let mut running: [Option<(String, Running<'_>)>; 4] = Default::default();
        let world = &world;
        let mut over = false;
        for (client, age, millis) in schedule {
            world.clock.advance(Duration::from_millis(millis));
            let place = &mut running[client];
            let (presented, future) = place.get_or_insert_with(|| {
                let token = tokens[(tokens.len() - 1).saturating_sub(age)].clone();
                let text = token.as_str().to_owned();
                let began_after_the_end = over;
                (text, Box::pin(async move { (began_after_the_end, world.rotate(&token).await) }))
            });
            let Poll::Ready((began_after_the_end, done)) = poll(future.as_mut()) else { continue };
            match done {
                Ok(successor) => {
                    prop_assert!(!began_after_the_end, "the session was over");
                    let known = successors.entry(presented.clone()).or_insert_with(|| successor.as_str().to_owned());
                    prop_assert_eq!(known.as_str(), successor.as_str());
                    if !tokens.iter().any(|token| token.as_str() == successor.as_str()) {
                        tokens.push(successor);
                    }
                }
                Err(RefreshError::Reused(_)) => over = true,
                Err(RefreshError::Invalid) => {}
                Err(other) => panic!("{other:?}"),
            }
            *place = None;
        }
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = (bool, Result<RefreshToken, RefreshError>)> + 'a>>;

/// A store in memory that lets others go first, before and after each operation.
#[derive(Debug)]
struct Stepwise(Arc<MemoryRefreshStore>);

fn stepwise<T: Send + 'static>(
    store: &Arc<MemoryRefreshStore>,
    work: impl FnOnce(&MemoryRefreshStore) -> NowOrLater<T> + Send + 'static,
) -> NowOrLater<T> {
    let store = Arc::clone(store);
    NowOrLater::later(async move {
        tokio::task::yield_now().await;
        let done = work(&store).await;
        tokio::task::yield_now().await;
        done
    })
}

impl RefreshStore for Stepwise {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        stepwise(&self.0, |store| store.insert(record))
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        stepwise(&self.0, |store| store.load(id))
    }

    fn compare_and_swap(&self, expected: u64, new: RefreshRecord) -> NowOrLater<Result<bool, StoreError>> {
        stepwise(&self.0, move |store| store.compare_and_swap(expected, new))
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        stepwise(&self.0, |store| store.remove(ids))
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        stepwise(&self.0, |store| store.list(subject))
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        stepwise(&self.0, move |store| store.remove_expired(now))
    }
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs a future alone to its end.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(done) = poll(future.as_mut()) {
            return done;
        }
    }
}

/// What a future says that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match poll(std::pin::pin!(future)) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("memory answers at once"),
    }
}
