//! The page as HTML. Whatever is no number and no word of ours goes through [`Text`].

use std::fmt::{self, Formatter};
use std::time::Duration;

use super::{Page, STYLE, Source};
use crate::board::{MINUTES, Record, Seen};
use crate::html::{Text, WithCode};
use crate::meanings::meaning;
use crate::words::{ago, clock, grouped, long, share, short};

/// A class of the style, and a word for those who do not see it.
type Judged = (&'static str, &'static str);

impl fmt::Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Token decisions</title>\n<style>{STYLE}</style>\n</head>\n<body>"
        )?;
        self.head(f)?;
        f.write_str("<main>\n")?;
        self.numbers(f)?;
        self.chart(f)?;
        self.key_sources(f)?;
        self.reasons(f)?;
        self.records(f)?;
        f.write_str(
            "</main>\n<footer><p>This page holds codes and what is configured: no token, no value of a claim, no \
             address. It begins with the process. What happened before, and on other instances, is in \
             <a href=\"/metrics\">the metrics</a>.</p></footer>\n</body>\n</html>\n",
        )
    }
}

impl Source {
    fn judged(&self) -> Judged {
        match (self.keys, self.stale) {
            (0, _) => ("bad", "no keys"),
            (_, true) => ("warn", "stale"),
            _ => ("good", "fresh"),
        }
    }
}

impl Page {
    fn judged(&self) -> Judged {
        let some = |class| self.sources.iter().any(|source| source.judged().0 == class);
        match (some("bad"), some("warn")) {
            (true, _) => ("bad", "Not ready: keys are missing"),
            (_, true) => ("warn", "Ready, with stale keys"),
            _ => ("good", "Ready"),
        }
    }

    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (class, word) = self.judged();
        let (now, since) = (clock(self.now), ago(self.now, self.seen.since));
        writeln!(
            f,
            "<header>\n<div><h1>Token decisions</h1>\n<p class=\"muted\">{now} UTC, counted since the start \
             {since}</p></div>\n<p class=\"pill big {class}\">{word}</p>\n<nav aria-label=\"Refresh\">"
        )?;
        match self.refresh {
            Some(seconds) => {
                write!(
                    f,
                    "<span class=\"muted\">again every {seconds} s</span> <a href=\"/status\">stop</a>"
                )?;
            }
            None => {
                f.write_str("<a href=\"/status\">reload</a> <a href=\"/status?refresh=5\">every 5 s</a>")?;
            }
        }
        f.write_str("</nav>\n</header>\n")
    }

    fn numbers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let all: u64 = self.seen.outcomes.values().sum();
        f.write_str("<section aria-label=\"Numbers\"><dl class=\"numbers\">\n")?;
        let mut number = |class: &str, name: &str, value: &str, note: &str| {
            writeln!(f, "<div class=\"{class}\"><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>")
        };
        for (outcome, class) in [
            ("accepted", "good"),
            ("refused", "bad"),
            ("anonymous", ""),
            ("reported", "warn"),
            ("abandoned", "warn"),
        ] {
            let count = self.seen.outcomes.get(outcome).copied().unwrap_or_default();
            // The first two always, the others where they happen.
            if count > 0 || matches!(outcome, "accepted" | "refused") {
                number(class, outcome, &grouped(count), &format!("{} of all", share(count, all)))?;
            }
        }
        let (hits, asked) = (self.seen.hits, self.seen.hits + self.seen.misses);
        number("", "found in the cache", &share(hits, asked), &format!("of {} looked up", grouped(asked)))?;
        let median = median(&self.seen).map_or_else(|| "–".to_owned(), short);
        number("", "a decision takes", &median, &format!("median of the last {}", self.seen.records.len()))?;
        f.write_str("</dl></section>\n")
    }

    /// Bars by attributes of SVG: the policy allows no style in elements.
    fn chart(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let this = self.now.as_secs() / 60;
        let recent = self.seen.minutes.iter().filter(|minute| minute.number + (MINUTES as u64) > this);
        let most = recent.clone().map(|minute| minute.passed + minute.others).max().unwrap_or(0);
        let (passed, others) =
            recent.clone().fold((0, 0), |(a, b), minute| (a + minute.passed, b + minute.others));
        let words = format!(
            "{} passed, {} did not, at most {} in a minute",
            grouped(passed),
            grouped(others),
            grouped(most)
        );
        writeln!(
            f,
            "<section class=\"card\"><h2>The last hour</h2>\n<p class=\"legend\"><span class=\"key good\"></span>passed \
             <span class=\"key bad\"></span>did not pass <span class=\"muted\">{words}</span></p>\n\
             <svg viewBox=\"0 0 600 104\" role=\"img\" aria-label=\"Decisions per minute: {words}\" \
             preserveAspectRatio=\"none\">\n<path class=\"axis\" d=\"M0 100H600\"/>"
        )?;
        for minute in recent {
            let x = (MINUTES as u64 - 1).saturating_sub(this.saturating_sub(minute.number)) * 10 + 1;
            let height = |count: u64| count as f64 * 96.0 / most.max(1) as f64;
            let (passed, others) = (height(minute.passed), height(minute.others));
            for (class, top, height) in
                [("good", 100.0 - passed, passed), ("bad", 100.0 - passed - others, others)]
            {
                writeln!(
                    f,
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{top:.1}\" width=\"8\" height=\"{height:.1}\"/>"
                )?;
            }
        }
        f.write_str(
            "</svg>\n<p class=\"ends muted\"><span>60 minutes ago</span><span>now</span></p></section>\n",
        )
    }

    fn key_sources(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<section><h2>Where keys come from</h2>\n")?;
        if self.sources.is_empty() {
            f.write_str("<p class=\"card muted\">No keys are fetched: they are configured.</p>\n")?;
        }
        for source in &self.sources {
            source.draw(f)?;
        }
        f.write_str("</section>\n")
    }

    fn reasons(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<section class=\"card\"><h2>Why requests did not pass</h2>\n")?;
        if self.seen.reasons.is_empty() {
            return f.write_str("<p class=\"muted\">Nothing was refused yet.</p></section>\n");
        }
        let mut reasons: Vec<_> = self.seen.reasons.iter().collect();
        reasons.sort_by(|(one, (a, _)), (other, (b, _))| b.cmp(a).then(one.cmp(other)));
        let most = reasons.first().map_or(1, |(_, (count, _))| *count).max(1);
        f.write_str(
            "<div class=\"wide\"><table class=\"reasons\"><thead><tr><th scope=\"col\">reason</th>\
             <th scope=\"col\" class=\"number\">count</th><th scope=\"col\"><span class=\"unseen\">share</span></th>\
             <th scope=\"col\">last</th><th scope=\"col\">it means</th></tr></thead><tbody>\n",
        )?;
        for (reason, (count, last)) in reasons {
            let width = *count as f64 * 100.0 / most as f64;
            writeln!(
                f,
                "<tr id=\"reason-{reason}\"><th scope=\"row\"><code>{reason}</code></th>\
                 <td class=\"number\">{count}</td>\
                 <td><svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
                 <rect class=\"bad\" width=\"{width:.1}\" height=\"8\"/></svg></td>\
                 <td>{last}</td><td class=\"meaning\">{meaning}</td></tr>",
                reason = Text(reason),
                count = grouped(*count),
                last = ago(self.now, *last),
                meaning = WithCode(meaning(reason)),
            )?;
        }
        f.write_str(
            "</tbody></table></div>\n<p class=\"muted\">Causes and remedies are in \
             <code>docs/reference/reasons.md</code>. What policies refuse, inside of the layer, is in the metrics \
             alone.</p></section>\n",
        )
    }

    fn records(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let number = self.seen.records.len();
        write!(
            f,
            "<section class=\"card\"><h2>The last {number} decisions</h2>\n<div class=\"wide\"><table><thead><tr>"
        )?;
        for name in ["time", "outcome", "reason", "token from", "issuer", "alg", "key", "cache"] {
            write!(f, "<th scope=\"col\">{name}</th>")?;
        }
        f.write_str("<th scope=\"col\" class=\"number\">took</th></tr></thead><tbody>\n")?;
        for record in &self.seen.records {
            row(f, record)?;
        }
        f.write_str("</tbody></table></div></section>\n")
    }
}

impl Source {
    fn draw(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (class, word) = self.judged();
        writeln!(
            f,
            "<article class=\"card source\">\n<h3><code>{}</code> <span class=\"pill {class}\">{word}</span></h3>\n<dl>",
            Text(&self.name)
        )?;
        for (name, value) in [
            ("keys", self.keys.to_string()),
            ("age", self.age.map_or_else(|| "–".to_owned(), long)),
            ("next fetch", self.next.map_or_else(|| "–".to_owned(), |next| format!("in {}", long(next)))),
            ("failed in a row", self.failures.to_string()),
            ("fetches", grouped(self.attempts)),
            ("suppressed", grouped(self.suppressed)),
        ] {
            writeln!(f, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
        }
        f.write_str("</dl>\n")?;
        if let (Some(age), Some(next), 0) = (self.age, self.next, self.failures) {
            let done = age.as_secs_f64() * 600.0 / (age + next).as_secs_f64().max(1.0);
            writeln!(
                f,
                "<svg class=\"life\" viewBox=\"0 0 600 4\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
                 <rect class=\"rest\" width=\"600\" height=\"4\"/>\
                 <rect class=\"{class}\" width=\"{done:.0}\" height=\"4\"/></svg>"
            )?;
        }
        if let Some(error) = &self.error {
            writeln!(f, "<p class=\"error\">The last fetch failed: {}</p>", Text(error))?;
        }
        f.write_str("</article>\n")
    }
}

fn row(f: &mut Formatter<'_>, record: &Record) -> fmt::Result {
    let class = match record.outcome {
        "accepted" => "good",
        "refused" => "bad",
        "anonymous" => "plain",
        _ => "warn",
    };
    let (time, outcome) = (clock(record.at), Text(record.outcome));
    write!(f, "<tr><td>{time}</td><td><span class=\"pill {class}\">{outcome}</span></td><td>")?;
    if let Some(reason) = record.reason {
        write!(f, "<a href=\"#reason-{0}\"><code>{0}</code></a>", Text(reason))?;
    }
    if let Some(claim) = &record.claim {
        write!(f, " <code class=\"muted\">{}</code>", Text(claim))?;
    }
    let cache = match record.cached {
        Some(true) => "hit",
        Some(false) => "miss",
        None => "",
    };
    let key = record.key.as_deref().and_then(|key| key.get(..8));
    for text in [record.source, record.authority.as_deref(), record.algorithm, key, Some(cache)] {
        write!(f, "</td><td>{}", Text(text.unwrap_or_default()))?;
    }
    writeln!(f, "</td><td class=\"number\">{}</td></tr>", short(record.took))
}

/// The middle one of the last durations.
fn median(seen: &Seen) -> Option<Duration> {
    let mut all: Vec<_> = seen.records.iter().map(|record| record.took).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}
