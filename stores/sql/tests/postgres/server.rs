//! What a change is like for the server, and what happens if the server does not answer.

use sqlx::Connection;
use tower_jwt_auth::{KeyDocument, KeyStore, ReplayStore};

use super::*;

/// However the connections of the application are set.
#[tokio::test]
async fn changes_are_durable_at_read_committed_with_limits() {
    let place = Place::new().await;
    place.open().await;
    place
        .execute(
            "CREATE TABLE seen (durable text, isolation text, statement text, idle text);
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO seen VALUES (current_setting('synchronous_commit'),
                     current_setting('transaction_isolation'), current_setting('statement_timeout'),
                     current_setting('idle_in_transaction_session_timeout'));
                 RETURN NULL;
             END $$;
             CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON tower_jwt_auth_refresh EXECUTE FUNCTION see();
             CREATE TRIGGER see AFTER INSERT OR UPDATE ON tower_jwt_auth_keys EXECUTE FUNCTION see();
             CREATE TRIGGER see AFTER INSERT ON tower_jwt_auth_replays EXECUTE FUNCTION see()",
        )
        .await;
    let loose = place.options.clone().options([
        ("synchronous_commit", "off"),
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_read_only", "on"),
    ]);
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(loose);
    let stores = PostgresStores::new(pool.clone()).timeout(Duration::from_secs(7));
    let world = World::new(Arc::new(stores.refresh()));
    let token = world.login().await;
    let token = world.rotate(&token).await.unwrap();
    world.tokens.end(&token).await.unwrap();
    let document = |text: &str| KeyDocument::from_bytes(text.into());
    stores.keys("ring").compare_and_swap(None, document("a")).await.unwrap();
    stores.keys("ring").compare_and_swap(Some(document("a")), document("b")).await.unwrap();
    stores.replays().insert_if_absent([7; 32], START).await.unwrap();
    let seen: Vec<(String, String, String, String)> =
        sqlx::query_as("SELECT * FROM seen").fetch_all(&place.pool).await.unwrap();
    let expected = ["on", "read committed", "7s", "7s"].map(str::to_owned);
    assert_eq!(seen, vec![expected.into(); 6]);
    let after: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&pool).await.unwrap();
    assert_eq!(after, "off", "the application's setting stays");
}

/// A stricter setting is left alone.
#[tokio::test]
async fn a_wait_for_replicas_stays() {
    let place = Place::new().await;
    place.open().await;
    place
        .execute(
            "CREATE TABLE seen (durable text);
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL;
             END $$;
             CREATE TRIGGER see AFTER INSERT ON tower_jwt_auth_refresh EXECUTE FUNCTION see()",
        )
        .await;
    let strict = place.options.clone().options([("synchronous_commit", "remote_apply")]);
    let stores = PostgresStores::new(PgPoolOptions::new().max_connections(1).connect_lazy_with(strict));
    World::new(Arc::new(stores.refresh())).login().await;
    let seen: Vec<String> =
        sqlx::query_scalar("SELECT durable FROM seen").fetch_all(&place.pool).await.unwrap();
    assert_eq!(seen, ["remote_apply"]);
}

/// A lock that somebody holds for ever: an error, and nothing goes on waiting on the server.
#[tokio::test]
async fn what_takes_too_long_is_an_error() {
    let place = Place::new().await;
    place.open().await;
    let stores = PostgresStores::new(place.pool(4)).timeout(Duration::from_millis(300));
    let world = World::new(Arc::new(stores.refresh()));
    let token = world.login().await;
    let mut other = place.pool.acquire().await.unwrap();
    let mut holding = other.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE tower_jwt_auth_refresh IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *holding)
        .await
        .unwrap();
    assert!(world.rotate(&token).await.unwrap_err().is_transient());
    assert!(world.tokens.begin("eve").await.is_err());
    assert!(world.tokens.end_all("bob").await.is_err());
    holding.rollback().await.unwrap();
    world.rotate(&token).await.unwrap();
    let eve = "SELECT count(*) FROM tower_jwt_auth_refresh WHERE subject = 'eve'";
    assert_eq!(place.number(eve).await, 0);
}

/// All connections are in use elsewhere.
#[tokio::test]
async fn a_pool_that_is_exhausted_is_an_error() {
    let place = Place::new().await;
    place.open().await;
    let pool = place.pool(1);
    let stores = PostgresStores::new(pool.clone()).timeout(Duration::from_millis(200));
    let used = pool.acquire().await.unwrap();
    let error = stores.refresh().load("x".to_owned()).await.unwrap_err().to_string();
    assert!(error.contains("no connection"), "{error}");
    drop(used);
    assert!(stores.refresh().load("x".to_owned()).await.unwrap().is_none());
}

/// Somebody takes the calls and never answers: a server that hangs, or a network that swallows.
#[tokio::test]
async fn a_server_that_never_answers_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("nobody");
    let pool = PgPoolOptions::new().connect_lazy_with(options);
    let stores = PostgresStores::new(pool).timeout(Duration::from_millis(200));
    assert!(stores.refresh().load("x".to_owned()).await.is_err());
    assert!(stores.keys("ring").load().await.is_err());
    assert!(stores.replays().insert_if_absent([7; 32], START).await.is_err());
}

/// The connections are cut in the middle; the next call has a new one.
#[tokio::test]
async fn a_connection_that_is_cut_is_replaced() {
    let place = Place::new().await;
    let stores = place.open().await;
    let world = World::new(Arc::new(stores.refresh()));
    let mut token = world.login().await;
    for _ in 0..5 {
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE pid != pg_backend_pid() AND application_name = current_setting('application_name')";
        place.number(cut).await;
        // An error is an answer: what was asked for may have been done. The token still works.
        token = match world.rotate(&token).await {
            Ok(next) => next,
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                world.rotate(&token).await.unwrap()
            }
        };
    }
}
