//! The log of revocations: how soon others hear, and what they notice.

use tower_jwt_auth::{LogPosition, Revocation, RevocationStore, Revocations, WhenStale};

use super::*;

fn following(store: impl RevocationStore) -> Revocations {
    Revocations::builder().store(store).max_age(DAY, WhenStale::ServeOn).build().unwrap()
}

async fn plane(store: impl RevocationStore) -> Revocations {
    let revocations = following(store);
    revocations.ready().await;
    revocations
}

/// Woken by the server: the reader would look again after an hour only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_woken() {
    let place = Place::new().await;
    let hour = Duration::from_secs(3600);
    let reader = place.open().await.revocations().poll_every(hour);
    // It listens too.
    let writer = plane(place.open().await.revocations()).await;
    let mut after = None;
    for n in 0..20 {
        let waiting = tokio::spawn(reader.read(after, hour));
        let listening = "SELECT count(*) FROM pg_stat_activity
            WHERE query LIKE 'LISTEN%' AND application_name = current_setting('application_name')";
        while place.number(listening).await < 2 {
            tokio::task::yield_now().await;
        }
        writer.revoke(Revocation::session("https://issuer", format!("s{n}"))).await.unwrap();
        let page = tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("woken");
        let page = format!("{:?}", page.unwrap().unwrap());
        assert!(page.contains("Session"), "{page}");
        after = Some(LogPosition::new(position_of(&page)));
    }
}

/// Without LISTEN, as behind a PgBouncer that pools transactions, and with a pool of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_one_looks() {
    let place = Place::new().await;
    let writer = plane(place.open().await.revocations()).await;
    let reader = PostgresStores::new(place.pool(1)).revocations().poll_every(Duration::from_millis(20));
    let reader = plane(reader).await;
    writer.revoke(Revocation::session("https://issuer", "s1")).await.unwrap();
    while reader.health().entries == 0 {
        tokio::task::yield_now().await;
    }
}

/// A connection that listens and is cut is opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_cut_listens_again() {
    let place = Place::new().await;
    let writer = plane(place.open().await.revocations()).await;
    let reader = plane(place.open().await.revocations()).await;
    for n in 1..=3 {
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE query LIKE 'LISTEN%' AND application_name = current_setting('application_name')";
        place.number(cut).await;
        let revocation = || Revocation::session("https://issuer", format!("s{n}"));
        while writer.revoke(revocation()).await.is_err() {}
        while reader.health().entries < n {
            tokio::task::yield_now().await;
        }
    }
}

/// A backup is put back: what was appended since is lost, and its numbers are given anew. Who had read them notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_is_noticed() {
    let place = Place::new().await;
    let store = place.open().await.revocations();
    let writer = plane(store.clone()).await;
    writer.revoke(Revocation::session("https://issuer", "kept")).await.unwrap();
    place
        .execute(
            "CREATE TABLE backup AS SELECT * FROM tower_jwt_auth_revocations;
             CREATE TABLE backup_log AS SELECT * FROM tower_jwt_auth_log",
        )
        .await;
    drop(writer);
    // Another process that does not put back what it knows: a bare reader.
    let appender = following(place.open().await.revocations());
    appender.ready().await;
    appender.revoke(Revocation::session("https://issuer", "lost")).await.unwrap();
    drop(appender);
    let page = format!("{:?}", store.read(None, Duration::ZERO).await.unwrap());
    let position = LogPosition::new(position_of(&page));
    let again = format!("{:?}", store.read(Some(position.clone()), Duration::ZERO).await.unwrap());
    assert!(again.contains("is_restarted: false"), "{again}");
    place
        .execute(
            "DELETE FROM tower_jwt_auth_revocations; INSERT INTO tower_jwt_auth_revocations SELECT * FROM backup;
             DELETE FROM tower_jwt_auth_log; INSERT INTO tower_jwt_auth_log SELECT * FROM backup_log",
        )
        .await;
    let noticed = format!("{:?}", store.read(Some(position.clone()), Duration::ZERO).await.unwrap());
    assert!(noticed.contains("is_restarted: true") && noticed.contains("records: [Rev"), "{noticed}");
    let appender = plane(place.open().await.revocations()).await;
    appender.revoke(Revocation::session("https://issuer", "new")).await.unwrap();
    let noticed = format!("{:?}", store.read(Some(position), Duration::ZERO).await.unwrap());
    assert!(
        noticed.contains("is_restarted: true"),
        "the number is there again, the record is another: {noticed}"
    );
}

fn position_of(page: &str) -> String {
    let (_, rest) = page.split_once("LogPosition(\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// The row of the log is locked by somebody who does nothing more: the server ends his session, and appends go on.
#[tokio::test]
async fn a_process_that_stops_in_the_middle_does_not_block_the_log() {
    let place = Place::new().await;
    let stores = place.open().await.timeout(Duration::from_millis(500));
    let revocations = plane(stores.revocations()).await;
    let mut other = place.pool.acquire().await.unwrap();
    sqlx::raw_sql(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 500;
         UPDATE tower_jwt_auth_log SET last_seq = last_seq + 1",
    )
    .execute(&mut *other)
    .await
    .unwrap();
    while revocations.revoke(Revocation::session("https://issuer", "s1")).await.is_err() {}
    drop(other);
    // One that was answered with an error may have been done all the same.
    assert!(place.number("SELECT count(*) FROM tower_jwt_auth_revocations").await >= 1);
}
