//! The log of revocations.

use std::time::Duration;

use tower_jwt_auth::{LogPosition, RevocationPage, RevocationStore, TestClock};
use tower_jwt_auth_redis::RedisRevocationStore;

use crate::comes;
use crate::connect::{connect, number, prefix, send, stores};
use crate::records::{in_an_hour, now, numbers, position, revocation, says};

const NOW: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

async fn append(store: &RedisRevocationStore, numbers: impl IntoIterator<Item = usize>) {
    let records = numbers.into_iter().map(|number| revocation(number, in_an_hour()));
    store.append(records.collect()).await.unwrap();
}

async fn read(store: &RedisRevocationStore, after: Option<&LogPosition>, wait: Duration) -> RevocationPage {
    store.read(after.cloned(), wait).await.unwrap()
}

fn log(prefix: &str) -> String {
    format!("{{{prefix}:revocations:1}}:log")
}

fn state(prefix: &str) -> String {
    format!("{{{prefix}:revocations:1}}:state")
}

#[tokio::test]
async fn what_is_appended_is_read_in_order_and_once() {
    let prefix = prefix();
    let (store, other) = (stores(&prefix).await.revocations(), stores(&prefix).await.revocations());
    let empty = read(&store, None, NOW).await;
    assert!(numbers(&empty).is_empty() && !says(&empty, "is_restarted"));
    append(&other, [1, 2]).await;
    append(&other, [3]).await;
    append(&other, []).await;
    let first = read(&store, Some(&position(&empty)), NOW).await;
    assert_eq!(numbers(&first), [1, 2, 3]);
    let second = read(&store, Some(&position(&first)), NOW).await;
    assert!(numbers(&second).is_empty() && !says(&second, "is_restarted"));
    append(&other, [4]).await;
    assert_eq!(numbers(&read(&store, Some(&position(&second)), NOW).await), [4]);
    assert_eq!(numbers(&read(&other, None, NOW).await), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_long_log_is_read_in_pages() {
    let store = stores(&prefix()).await.revocations();
    append(&store, 0..2500).await;
    let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = read(&store, after.as_ref(), NOW).await;
        seen.extend(numbers(&page));
        after = Some(position(&page));
        pages += 1;
        if !says(&page, "has_more") {
            break;
        }
    }
    assert!(seen.into_iter().eq(0..2500));
    assert_eq!(pages, 25);
}

/// The readers go on while eight writers append; none of them misses one.
#[tokio::test(flavor = "multi_thread")]
async fn no_reader_misses_one_of_many_writers() {
    const WRITERS: usize = 8;
    const EACH: usize = 200;
    let prefix = prefix();
    let mut readers = Vec::new();
    for reader in 0..3 {
        let mut stores = stores(&prefix).await;
        if reader > 0 {
            stores = stores.listening_on(connect().await, Duration::from_millis(500));
        }
        let store = stores.revocations();
        readers.push(tokio::spawn(async move {
            let (mut after, mut seen) = (None, Vec::new());
            while seen.len() < WRITERS * EACH {
                let page = read(&store, after.as_ref(), LONG).await;
                assert!(!says(&page, "is_restarted"));
                seen.extend(numbers(&page));
                after = Some(position(&page));
            }
            seen
        }));
    }
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = stores(&prefix).await.revocations();
        writers.push(tokio::spawn(async move {
            for number in 0..EACH {
                append(&store, [writer * EACH + number]).await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let mut first = None;
    for reader in readers {
        let seen = reader.await.unwrap();
        assert_eq!(first.get_or_insert_with(|| seen.clone()), &seen, "they read it in one order");
        let mut sorted = seen;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..WRITERS * EACH));
    }
}

/// Both ways of waiting end with the append, long before the time that they may wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_is_told() {
    for listens in [false, true] {
        let prefix = prefix();
        let mut stores = stores(&prefix).await;
        if listens {
            stores = stores.listening_on(connect().await, Duration::from_secs(10));
        }
        let store = stores.revocations();
        let mut seen = position(&read(&store, None, NOW).await);
        for number in 0..5 {
            let (waiting, after) = (store.clone(), seen.clone());
            let reader = tokio::spawn(async move { read(&waiting, Some(&after), LONG).await });
            // Now and then the reader waits already, and now and then it has not begun.
            tokio::time::sleep(Duration::from_millis(30 * number as u64)).await;
            append(&store, [number]).await;
            let page = tokio::time::timeout(LONG / 2, reader).await.unwrap().unwrap();
            assert_eq!(numbers(&page), [number]);
            seen = position(&page);
        }
        // Nothing comes: an empty page, when the time is over.
        let nothing = read(&store, Some(&seen), Duration::from_millis(300)).await;
        assert!(numbers(&nothing).is_empty());
        assert_eq!(position(&nothing), seen);
    }
}

/// A listening connection that does not work costs time, and nothing else.
#[tokio::test]
async fn a_listener_that_fails_is_replaced_by_asking() {
    let prefix = prefix();
    let mut raw = connect().await;
    // A key of another type at the place where the listener would look: its command is refused, again and again.
    let store =
        stores(&prefix).await.listening_on(Refuses(connect().await), Duration::from_secs(10)).revocations();
    let empty = read(&store, None, NOW).await;
    let (waiting, after) = (store.clone(), position(&empty));
    let reader = tokio::spawn(async move { read(&waiting, Some(&after), LONG).await });
    append(&store, [1]).await;
    assert_eq!(numbers(&reader.await.unwrap()), [1]);
    assert_eq!(number(&mut raw, &["XLEN", &log(&prefix)]).await, 1);
}

#[derive(Clone)]
struct Refuses(crate::connect::Connection);

impl redis::aio::ConnectionLike for Refuses {
    fn req_packed_command<'a>(&'a mut self, _: &'a redis::Cmd) -> redis::RedisFuture<'a, redis::Value> {
        Box::pin(async { Err(redis::RedisError::from((redis::ErrorKind::Io, "refused"))) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<redis::Value>> {
        self.0.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// A server that came back empty, or with a part of what it had, or with another log.
#[tokio::test]
async fn a_log_that_was_lost_is_noticed() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.revocations();
    append(&store, [1, 2, 3]).await;
    let seen = position(&read(&store, None, NOW).await);

    // All of it.
    send(&mut raw, &["DEL", &log(&prefix), &state(&prefix)]).await;
    let page = read(&store, Some(&seen), LONG).await;
    assert!(says(&page, "is_restarted") && numbers(&page).is_empty());
    let page = read(&store, Some(&position(&page)), NOW).await;
    assert!(!says(&page, "is_restarted"), "it is told once");

    // All of it, and something was appended before the reader came back.
    append(&store, [4]).await;
    let seen = position(&read(&store, None, NOW).await);
    send(&mut raw, &["DEL", &log(&prefix), &state(&prefix)]).await;
    append(&store, [5]).await;
    let page = read(&store, Some(&seen), NOW).await;
    assert!(says(&page, "is_restarted"));
    assert_eq!(numbers(&page), [5]);

    // The stream alone, as eviction does it; and what is known of it alone.
    let seen = position(&page);
    send(&mut raw, &["DEL", &log(&prefix)]).await;
    assert!(says(&read(&store, Some(&seen), NOW).await, "is_restarted"));
    append(&store, [6]).await;
    let seen = position(&read(&store, None, NOW).await);
    send(&mut raw, &["DEL", &state(&prefix)]).await;
    let page = read(&store, Some(&seen), NOW).await;
    assert!(says(&page, "is_restarted"));
    assert_eq!(numbers(&page), [6], "what is left is in force");

    // The last entries, as after a fail-over or an old backup, and others came after them.
    append(&store, [7]).await;
    let seen = position(&read(&store, None, NOW).await);
    let entry = seen.as_str().split('/').nth(1).unwrap();
    send(&mut raw, &["XDEL", &log(&prefix), entry]).await;
    append(&store, [8]).await;
    let page = read(&store, Some(&seen), NOW).await;
    assert!(says(&page, "is_restarted"));
    assert_eq!(numbers(&page), [6, 8]);
}

/// The reader has seen nothing that could be missing: the log itself is.
#[tokio::test]
async fn a_log_that_was_lost_is_noticed_at_its_beginning() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.revocations();
    let seen = position(&read(&store, None, NOW).await);
    append(&store, [1]).await;
    send(&mut raw, &["DEL", &log(&prefix)]).await;
    assert!(says(&read(&store, Some(&seen), NOW).await, "is_restarted"));
}

#[tokio::test]
async fn a_position_of_another_store_is_a_restart() {
    let store = stores(&prefix()).await.revocations();
    append(&store, [1]).await;
    for text in ["", "7", "0/7", "x/1-1/1", "-/0-0/0"] {
        let page = read(&store, Some(&LogPosition::new(text)), LONG).await;
        assert!(says(&page, "is_restarted"), "{text}");
        assert_eq!(numbers(&page), [1], "{text}");
    }
}

/// It was removed because it had expired: that is no loss.
#[tokio::test]
async fn a_reader_whose_last_record_has_expired_goes_on() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.revocations();
    let soon = now().saturating_add(Duration::from_millis(300));
    append(&store, [1]).await;
    store.append(vec![revocation(2, soon)]).await.unwrap();
    let seen = position(&read(&store, None, NOW).await);
    comes("the end of the record", async || {
        store.remove_expired(now()).await.unwrap();
        number(&mut raw, &["XLEN", &log(&prefix)]).await == 1
    })
    .await;
    append(&store, [3]).await;
    let page = read(&store, Some(&seen), NOW).await;
    assert!(!says(&page, "is_restarted"));
    assert_eq!(numbers(&page), [3]);

    // By a time that is still to come: what is removed before its time is no loss either.
    let seen = position(&page);
    store.remove_expired(in_an_hour().saturating_add(LONG)).await.unwrap();
    assert_eq!(number(&mut raw, &["XLEN", &log(&prefix)]).await, 0);
    append(&store, [4]).await;
    let page = read(&store, Some(&seen), NOW).await;
    assert!(!says(&page, "is_restarted"));
    assert_eq!(numbers(&page), [4]);
    assert_eq!(numbers(&read(&store, None, NOW).await), [4]);
}

/// Appends alone keep the log short: without a cron, and without a call.
#[tokio::test]
async fn appends_remove_what_has_expired() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.revocations();
    let over = now().saturating_sub(LONG);
    // More at the old end than one append looks at.
    append(&store, 0..150).await;
    for number in 0..20 {
        // One that lives at the beginning of each block must not hold up the others.
        append(&store, [number]).await;
        store.append((0..50).map(|number| revocation(number, over)).collect()).await.unwrap();
    }
    for number in 0..200 {
        append(&store, [number]).await;
    }
    assert_eq!(number(&mut raw, &["XLEN", &log(&prefix)]).await, 370);
}

#[tokio::test]
async fn expired_ones_are_removed_in_bounded_steps() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.revocations();
    append(&store, 0..3000).await;
    let later = stores(&prefix).await.clock(TestClock::at(now().saturating_add(LONG * 100))).revocations();
    // By its clock everything has expired, but "now" is the same for both: nothing has.
    later.remove_expired(now().saturating_add(LONG * 100)).await.unwrap();
    assert_eq!(number(&mut raw, &["XLEN", &log(&prefix)]).await, 3000);
    store.remove_expired(in_an_hour().saturating_add(LONG)).await.unwrap();
    assert_eq!(number(&mut raw, &["XLEN", &log(&prefix)]).await, 0);
}

#[tokio::test]
async fn what_is_damaged_is_an_error_and_never_left_out() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.revocations();
    append(&store, [1]).await;
    send(&mut raw, &["XADD", &log(&prefix), "*", "e", "99999999999999", "r", "{\"kind\":\"hidden\"}"]).await;
    let error = store.read(None, NOW).await.unwrap_err().to_string();
    assert!(error.contains("damaged") && !error.contains("hidden"), "{error}");
    send(&mut raw, &["SET", &log(&prefix), "x"]).await;
    assert!(store.read(None, NOW).await.is_err());
    assert!(store.append(vec![revocation(1, in_an_hour())]).await.is_err());
}
