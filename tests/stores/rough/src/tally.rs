//! What came of a scenario, as a row of the table.

/// Counts of one kind of work in one scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Answered calls that tried to change the same thing.
    pub(crate) tries: u64,
    /// Those that succeeded.
    pub(crate) won: u64,
    /// What was answered as done and is not there, or a session that ended though nobody ended it.
    pub(crate) losses: u64,
    /// Clients that were refused because the session had ended as it should, such as by clocks that differ by more than the grace.
    pub(crate) ended: u64,
    /// What succeeded twice.
    pub(crate) doubles: u64,
    /// Errors that a caller was answered, and tried again.
    pub(crate) errors: u64,
    /// Calls without any answer.
    pub(crate) hung: u64,
    pub(crate) longest_ms: u64,
}

impl Tally {
    /// The line of a worker that is done.
    pub(crate) fn add_done(&mut self, line: &str) {
        let numbers: Vec<u64> = line.split(' ').skip(1).filter_map(|number| number.parse().ok()).collect();
        if let [calls, errors, hung, longest, _lost] = numbers[..] {
            self.tries += calls;
            self.errors += errors;
            self.hung += hung;
            self.longest_ms = self.longest_ms.max(longest);
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.losses == 0 && self.doubles == 0 && self.hung == 0
    }
}

pub(crate) fn head() {
    println!(
        "{:9} {:34} {:10} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7} {:>5} {:>8}",
        "store",
        "what happens",
        "work",
        "tries",
        "done",
        "errors",
        "ended",
        "losses",
        "doubles",
        "hung",
        "longest"
    );
}

pub(crate) fn row(store: &str, scenario: &str, work: &str, tally: &Tally) {
    let Tally { tries, won, losses, ended, doubles, errors, hung, longest_ms } = tally;
    println!(
        "{store:9} {scenario:34} {work:10} {tries:6} {won:6} {errors:6} {ended:6} {losses:7} {doubles:7} {hung:5} {longest_ms:5} ms"
    );
}
