//! The process is killed (SIGKILL) all along every step: every few instructions inside a statement, before each commit, before
//! and after each call of the store. Then the client tries again.

use std::path::Path;

use super::worker::Worker;
use super::*;

/// Few, so that a login has also to remove one.
pub(super) const SESSIONS: usize = 2;

/// A database with a session in a given state, the worker's token, and what the client does when it got no answer.
struct Case {
    task: &'static str,
    rotations: usize,
    /// Which token of the chain the worker presents.
    presented: usize,
    sessions: usize,
}

const CASES: [Case; 7] = [
    Case { task: "begin", rotations: 0, presented: 0, sessions: SESSIONS },
    Case { task: "rotate", rotations: 1, presented: 1, sessions: 1 },
    Case { task: "retry", rotations: 1, presented: 0, sessions: 1 },
    Case { task: "reuse", rotations: 2, presented: 0, sessions: 1 },
    Case { task: "end", rotations: 1, presented: 1, sessions: 1 },
    Case { task: "end_all", rotations: 1, presented: 1, sessions: 2 },
    Case { task: "remove_expired", rotations: 1, presented: 1, sessions: 1 },
];

#[tokio::test]
async fn killed_at_every_point() {
    println!("step            killed  while opening  step not done  step done  recovered");
    for case in &CASES {
        let mut row = Row::default();
        for kill_at in 1.. {
            let Some(events) = killed(case, kill_at, &mut row).await else { continue };
            assert_eq!(events.all, kill_at - 1, "a kill for each event, until there are no more");
            row.while_opening = events.opening;
            assert!(events.all >= events.opening + 2, "the step has a call of the store at least");
            break;
        }
        let Row { killed, while_opening, not_done, done, recovered } = row;
        println!("{:14} {killed:7} {while_opening:14} {not_done:14} {done:10} {recovered:10}", case.task);
        assert_eq!(killed, recovered);
        assert_eq!(killed, not_done + done);
        if !matches!(case.task, "retry") {
            assert!(not_done > 0 && done > 0, "killed before the step was done, and after");
        }
    }
    // With no file yet: the table is made by the one who comes after.
    let mut opening = 0;
    for kill_at in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("sessions.db");
        let mut worker = Worker::step(&database, "begin", "", kill_at);
        let survived = worker.hear().is_some();
        assert_eq!(worker.end().success(), survived);
        let world = open_few(&database).await;
        world.login().await;
        assert!(world.tokens.sessions("bob").await.unwrap().len() <= 2);
        assert_sound(&database).await;
        if survived {
            break;
        }
        opening += 1;
    }
    println!("first start    {opening:7} kills, each followed by a start and a login");
}

#[derive(Default)]
struct Row {
    killed: u64,
    while_opening: u64,
    not_done: u64,
    done: u64,
    recovered: u64,
}

/// How many events a worker that was not killed has seen.
struct Events {
    opening: u64,
    all: u64,
}

/// Prepares a database, lets a worker be killed, and recovers. Says how many events there were if it was not killed.
async fn killed(case: &Case, kill_at: u64, row: &mut Row) -> Option<Events> {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("sessions.db");
    let world = open_few(&database).await;
    // What is prepared lies before the start, where the clocks of the worker and of the client stand.
    world.clock.set(START.saturating_sub(10 * MOMENT));
    let mut chain = Vec::new();
    for _ in 0..case.sessions {
        world.clock.advance(MOMENT);
        chain = world.chain(case.rotations).await;
    }
    let before = dump(&database).await;
    let sids = sids(&world).await;
    drop(world);

    let mut worker = Worker::step(&database, case.task, chain[case.presented].as_str(), kill_at);
    let said = worker.hear();
    let status = worker.end();
    assert_eq!(status.success(), said.is_some(), "it was killed, or it did all of it: {status}");
    if let Some(said) = said {
        let (opening, all) = said.split_once(' ').unwrap();
        return Some(Events { opening: opening.parse().unwrap(), all: all.parse().unwrap() });
    }
    #[cfg(unix)]
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    row.killed += 1;
    let counter = if dump(&database).await == before { &mut row.not_done } else { &mut row.done };
    *counter += 1;

    assert_sound(&database).await;
    let world = open_few(&database).await;
    recover(case, &world, &chain, &sids).await;
    assert_sound(&database).await;
    row.recovered += 1;
    None
}

/// What the client does that got no answer, and what must be true then.
async fn recover(case: &Case, world: &World, chain: &[RefreshToken], sids_before: &[String]) {
    let newest = chain.last().unwrap();
    match case.task {
        "begin" => {
            // A login again. The one that was killed may have left a session that nobody has a token of.
            let grant = world.tokens.begin("bob").await.unwrap();
            assert_eq!(sids(world).await.len(), SESSIONS);
            rotate(&world.tokens, &grant.token).await.unwrap();
        }
        "rotate" => {
            let successor = world.rotate(newest).await.expect("nobody is locked out");
            assert_same(&world.rotate(newest).await.unwrap(), &successor);
            assert_eq!(sids(world).await, sids_before, "no second session");
            let next = world.rotate(&successor).await.expect("the successor is the one that lives");
            world.rotate(&next).await.unwrap();
            assert_eq!(sids(world).await, sids_before);
        }
        "retry" => {
            assert_same(&world.rotate(&chain[0]).await.expect("nobody is locked out"), newest);
            world.rotate(newest).await.unwrap();
            assert_eq!(sids(world).await, sids_before);
        }
        "reuse" => {
            let error = world.rotate(&chain[0]).await.unwrap_err();
            assert!(matches!(error, RefreshError::Reused(_) | RefreshError::Invalid), "{error:?}");
            assert_invalid(world.rotate(newest).await);
            assert!(sids(world).await.is_empty());
        }
        "end" | "end_all" => {
            match case.task {
                "end" => world.tokens.end(newest).await.unwrap(),
                _ => world.tokens.end_all("bob").await.unwrap(),
            }
            assert_invalid(world.rotate(newest).await);
            assert!(sids(world).await.is_empty());
        }
        _ => {
            world.clock.advance(GRACE);
            world.tokens.remove_expired().await.unwrap();
            assert_eq!(sids(world).await, sids_before);
            world.rotate(newest).await.expect("nobody is locked out");
        }
    }
}

async fn open_few(database: &Path) -> World {
    let store = Arc::new(SqliteStores::open(database).await.unwrap().refresh());
    World::with(store, |settings| settings.sessions_per_subject(SESSIONS))
}

async fn sids(world: &World) -> Vec<String> {
    let sessions = world.tokens.sessions("bob").await.unwrap();
    let mut sids: Vec<_> = sessions.iter().map(|session| session.sid().to_owned()).collect();
    sids.sort();
    sids
}

async fn dump(database: &Path) -> Vec<String> {
    let records = "SELECT record FROM tower_jwt_auth_refresh ORDER BY id";
    sqlx::query_scalar(records).fetch_all(&mut connect(database).await).await.unwrap()
}

async fn assert_sound(database: &Path) {
    let mut connection = connect(database).await;
    let verdict: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
    let torn = "SELECT count(*) FROM tower_jwt_auth_refresh WHERE revision IS NOT record ->> '$.revision'
        OR expires_at IS NOT record ->> '$.expires_at' OR subject IS NOT record ->> '$.subject'
        OR id IS NOT record ->> '$.id' OR retry_until IS NOT record ->> '$.retry.until'";
    match sqlx::query_scalar::<_, i64>(torn).fetch_one(&mut connection).await {
        Ok(count) => assert_eq!(count, 0, "columns that do not fit their record"),
        // Killed before there was a table.
        Err(error) => assert!(error.to_string().contains("no such table"), "{error}"),
    }
}
