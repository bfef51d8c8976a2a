//! Two processes exchange the same token at the same moment, on one SQLite file.

use super::worker::{Counting, Swaps, Worker};
use super::*;

const RACES_OF_EACH_KIND: usize = 1_000;

/// In a race of the first kind both start at the same moment. In one of the second kind they also meet after both have
/// found the token to be current, so that both try to store a successor: one must lose, in each race.
#[tokio::test]
async fn two_processes_that_race_get_the_identical_successor() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("sessions.db");
    let store = Counting::open(&database).await;
    let world = World::new(Arc::new(store.clone()));
    let mut worker = Worker::race(&database);
    let grant = world.tokens.begin("bob").await.unwrap();
    let mut current = grant.token;

    for kind in ["natural", "judged"] {
        let (mut ours, mut theirs, mut collisions) = (0, 0, 0);
        for race in 0..RACES_OF_EACH_KIND {
            worker.tell(&format!("{kind} {}", current.as_str()));
            let mut meet = || {
                assert_eq!(worker.hear().as_deref(), Some("ready"));
                worker.tell("go");
            };
            if kind == "natural" {
                meet();
                // The other one has first to wake up. A head start of another length each time lets both win.
                for _ in 0..(race % 50) * 400 {
                    std::hint::spin_loop();
                }
            }
            let load = async |_| {
                if kind == "judged" {
                    meet();
                }
                Ok::<_, Infallible>(Some(()))
            };
            let successor = world.tokens.rotate(&current, load).await.unwrap().token;
            let (their_swaps, their_successor) = answer(&mut worker);
            assert_eq!(their_successor, successor.as_str(), "race {race}");
            assert_ne!(successor.as_str(), current.as_str());

            let swaps = store.take();
            assert_eq!(swaps.won + their_swaps.won, 1, "one of them stored its successor, and only one");
            ours += swaps.won;
            theirs += their_swaps.won;
            collisions += swaps.lost + their_swaps.lost;
            let sessions = world.tokens.sessions("bob").await.unwrap();
            assert_eq!(sessions.len(), 1);
            assert_eq!(sessions[0].sid(), grant.session.sid());
            current = successor;
        }
        let sessions = world.tokens.sessions("bob").await.unwrap().len();
        println!(
            "{kind}: {RACES_OF_EACH_KIND} races of two processes, {collisions} in which both tried to store a successor; \
             stored by this one {ours}, by the other {theirs}, together {}; sessions afterwards {sessions}",
            ours + theirs,
        );
        if kind == "judged" {
            assert_eq!(collisions, RACES_OF_EACH_KIND as u64, "one loses each of them");
        }
    }
    assert!(worker.end().success());
}

/// Four pools, each on a thread of its own, are opened at the same moment on a new file.
#[test]
fn a_new_file_may_be_opened_by_many_at_once() {
    for _ in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("sessions.db");
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    start.wait();
                    runtime.block_on(async { SqliteStores::open(&database).await.unwrap() });
                });
            }
        });
    }
}

/// Two processes that start at the same moment on a file that is not there yet.
#[tokio::test]
async fn two_processes_may_open_a_new_file_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("sessions.db");
        let mut worker = Worker::race(&database);
        let world = open(&database).await;
        let token = world.login().await;
        worker.tell(&format!("natural {}", token.as_str()));
        assert_eq!(worker.hear().as_deref(), Some("ready"));
        worker.tell("go");
        let (_, successor) = answer(&mut worker);
        assert_same(&world.rotate(&token).await.unwrap(), &RefreshToken::from(successor));
        assert!(worker.end().success());
    }
}

/// How the worker's swaps went in a race, and the successor that it got.
fn answer(worker: &mut Worker) -> (Swaps, String) {
    let said = worker.hear().unwrap();
    let mut words = said.splitn(3, ' ');
    let mut number = || words.next().unwrap().parse().unwrap();
    let swaps = Swaps { won: number(), lost: number() };
    (swaps, words.next().unwrap().to_owned())
}
