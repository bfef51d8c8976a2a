//! Stores of names that may be used once, each of which breaks one rule.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tower_jwt_auth::{Clock, NowOrLater, ReplayStore, StoreError, SystemClock, UnixTime};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    AlwaysNew,
    OwnNames,
    HalfOfTheName,
    NameAsText,
    CutsAtZero,
    LastTimeCounts,
    FarIsNever,
    TwoSteps,
    OneAtATime,
    Forgets,
    NewOnError,
    KnownOnError,
}

#[derive(Clone, Debug)]
struct Spoiled {
    names: Arc<Mutex<HashMap<Vec<u8>, UnixTime>>>,
    fault: Fault,
}

impl ReplayStore for Spoiled {
    fn insert_if_absent(&self, name: [u8; 32], expires_at: UnixTime) -> NowOrLater<Result<bool, StoreError>> {
        let key = match self.fault {
            Fault::AlwaysNew | Fault::NewOnError => return NowOrLater::ready(Ok(true)),
            Fault::KnownOnError => return NowOrLater::ready(Ok(false)),
            Fault::HalfOfTheName => name[..16].to_vec(),
            Fault::NameAsText => String::from_utf8_lossy(&name).into_owned().into_bytes(),
            Fault::CutsAtZero if name.starts_with(&[0; 8]) => Vec::new(),
            _ => name.to_vec(),
        };
        let now = SystemClock.now();
        let mut names = self.names.lock().unwrap();
        let is_known = names.get(&key).is_some_and(|until| now < *until);
        let names_of_all = Arc::clone(&self.names);
        match self.fault {
            Fault::LastTimeCounts => drop(names.insert(key, expires_at)),
            Fault::FarIsNever if expires_at.as_secs() > u64::from(u32::MAX) => {}
            Fault::TwoSteps if !is_known => {
                return NowOrLater::later(async move {
                    tokio::task::yield_now().await;
                    names_of_all.lock().unwrap().insert(key, expires_at);
                    Ok(true)
                });
            }
            // All are written back as they were seen, with the new one.
            Fault::OneAtATime if !is_known && names.len() > 300 => {
                let mut seen = names.clone();
                seen.insert(key, expires_at);
                let size = names.len();
                return NowOrLater::later(async move {
                    tokio::task::yield_now().await;
                    let mut names = names_of_all.lock().unwrap();
                    let is_alone = names.len() == size;
                    *names = seen;
                    Ok(is_alone)
                });
            }
            _ if is_known => {}
            _ => drop(names.insert(key, expires_at)),
        }
        NowOrLater::ready(Ok(!is_known))
    }
}

async fn suite(fault: Fault) -> Checked {
    let store = Spoiled { names: Arc::default(), fault };
    if matches!(fault, Fault::NewOnError | Fault::KnownOnError) {
        return conformance::replay_store_out_of_reach(store).await;
    }
    let handles = Mutex::new(0);
    conformance::replay_store(async || {
        *handles.lock().unwrap() += 1;
        let has_own = fault == Fault::OwnNames || (fault == Fault::Forgets && *handles.lock().unwrap() > 2);
        if has_own { Spoiled { names: Arc::default(), fault } } else { store.clone() }
    })
    .await
}

#[test]
fn each_fault_is_called_by_its_rule() {
    println!("{}", runtime().block_on(suite(Fault::None)));
    let until_its_time = "a name stays noted until the time that it was noted with";
    let one_of_many = "of many that insert the same name at once, one is told that it is new";
    assert_each_is_broken(
        [
            (Fault::AlwaysNew, "a name is new once"),
            (Fault::OwnNames, "a name is new once"),
            (Fault::HalfOfTheName, "names that differ in one bit are different names"),
            (Fault::NameAsText, "names that differ in one bit are different names"),
            (Fault::CutsAtZero, "a name may have any bytes"),
            (Fault::LastTimeCounts, until_its_time),
            (Fault::FarIsNever, until_its_time),
            (Fault::TwoSteps, one_of_many),
            (Fault::OneAtATime, "of many names at once each is new"),
            (Fault::Forgets, "a name is noted for a handle that is opened later"),
            (Fault::NewOnError, "a name that is not surely noted is an error, neither true nor false"),
            (Fault::KnownOnError, "a name that is not surely noted is an error, neither true nor false"),
        ],
        suite,
    );
}
