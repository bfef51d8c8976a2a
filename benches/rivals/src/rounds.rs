//! Timing by rounds: in each, every case runs once, in rotating order, so that what disturbs one disturbs all. A ratio is the
//! median of the quotients within the rounds.

use std::time::Duration;

pub struct Case<'a> {
    pub name: String,
    /// Runs so many times, and tells how long that took, the set-up left out.
    pub run: Box<dyn FnMut(u64) -> Duration + 'a>,
}

/// Nanoseconds of each case in each round.
pub struct Times(Vec<(String, Vec<f64>)>);

pub fn run(mut cases: Vec<Case<'_>>) -> Times {
    let rounds: usize = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(41);
    let sample = Duration::from_millis(2);
    // So often that a sample lasts long enough.
    let calls: Vec<u64> = cases
        .iter_mut()
        .map(|case| {
            let mut calls = 1;
            loop {
                let taken = (case.run)(calls);
                if taken > sample / 4 || calls > 1 << 24 {
                    let each = taken.as_secs_f64() / calls as f64;
                    return ((sample.as_secs_f64() / each) as u64).max(1);
                }
                calls *= 2;
            }
        })
        .collect();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    for round in 0..rounds {
        for turn in 0..cases.len() {
            let index = (round + turn) % cases.len();
            let taken = (cases[index].run)(calls[index]);
            times[index].push(taken.as_nanos() as f64 / calls[index] as f64);
        }
    }
    Times(cases.into_iter().map(|case| case.name).zip(times).collect())
}

impl Times {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub fn nanoseconds(&self, name: &str) -> f64 {
        median(self.of(name).to_vec())
    }

    /// (`name` - `less`) / `by`.
    pub fn ratio(&self, name: &str, less: Option<&str>, by: &str) -> f64 {
        let (above, below) = (self.of(name), self.of(by));
        let less = less.map(|less| self.of(less));
        let each = |round: usize| (above[round] - less.map_or(0.0, |less| less[round])) / below[round];
        median((0..above.len()).map(each).collect())
    }

    fn of(&self, name: &str) -> &[f64] {
        &self.0.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}")).1
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
