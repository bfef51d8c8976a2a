//! What is done to the stores from outside, by `tests/stores/run`: the conformance suite over all of them, then many processes at
//! once, kills, connections that hang or are cut, clocks that differ. It ends with a failure if something was lost, or succeeded
//! twice.
//!
//! ```text
//! rough conform STORE URL             one line for each trait; STORE is memory, file, sqlite, redis or postgres
//! rough races STORE URL [CONTROL]     the rest; CONTROL is a program that takes kill, start or empty
//! rough worker ..                     a process of the above
//! ```

mod clock;
mod conform;
mod counting;
mod engine;
mod proxy;
mod scenarios;
mod tally;
mod team;
mod worker;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["conform", store, url] => conform::run(store, url).await,
        ["races", store, url] => scenarios::run(store, url, None).await,
        ["races", store, url, control] => scenarios::run(store, url, Some(control)).await,
        ["worker", url, name, first, clients, ahead] => {
            worker::run(url, name, first.parse()?, clients.parse()?, ahead.parse()?).await
        }
        _ => Err("see src/main.rs for how it is called".into()),
    }
}
