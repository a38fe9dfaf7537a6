//! What was promised, beside what was found: ratios that no one should have to compute from tables.

use super::table::{grouped, markdown, number};
use crate::compare::{Row, rounded};

/// A promise.
struct Goal {
    what: String,
    ours: Figure,
    beside: Option<Figure>,
    bound: Bound,
}

/// A figure, and whether it is a lower bound: the generator was the limit.
#[derive(Clone, Copy)]
struct Figure {
    value: f64,
    is_least: bool,
}

/// What is promised of our figure, or of its ratio to the other.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Nothing,
}

/// The table; empty where nothing is to be told.
pub(super) fn table(all: &[(String, Vec<Row>)]) -> String {
    let rows = |file: &str| {
        let found = all.iter().find(|(name, _)| name == file);
        found.map(|(_, rows)| rows.as_slice()).unwrap_or_default()
    };
    let mut goals = of_comparison(rows("compare"));
    goals.extend(of_connections(rows("connections")));
    if goals.is_empty() {
        return String::new();
    }
    let heading = ["", "memstorm", "beside it", "ratio", "goal", "met"];
    markdown(&heading, goals.iter().map(Goal::cells)) + "\n"
}

fn of_comparison(rows: &[Row]) -> Vec<Goal> {
    let find = |workload: &str, peer: &str, wire: &str, accel: Option<&str>| {
        rows.iter().find(|row| {
            row.workload == workload
                && row.peer == peer
                && row.wire == wire
                && accel.is_none_or(|accel| row.accel == accel)
        })
    };
    let mut goals = Vec::new();
    let mut add = |what: String, ours: Option<Figure>, beside: Option<Option<Figure>>, bound: Bound| {
        // A ratio needs both.
        if let (Some(ours), false) = (ours, matches!(beside, Some(None))) {
            goals.push(Goal { what, ours, beside: beside.flatten(), bound });
        }
    };
    for (workload, most_cycles) in [("usr", 1300.0), ("etc", 1800.0)] {
        let name = workload.to_uppercase();
        let shared = find(workload, "memstorm", "vhost-user", None);
        let memcached = find(workload, "memcached", "tap", None);
        let tap = rows.iter().find(|row| {
            (row.workload.as_str(), row.peer.as_str(), row.wire.as_str()) == (workload, "memstorm", "tap")
                && row.accel != "tcg"
        });
        let sla = |row: Option<&Row>| row.and_then(at_sla);
        let title = format!("{name}, requests/s at p99 <= 500 µs, beside memcached on the host");
        add(title, sla(shared), Some(sla(memcached)), Bound::AtLeast(20.0));
        let title = format!("{name}, the same over tap, as memcached is");
        add(title, sla(tap), Some(sla(memcached)), Bound::Nothing);
        add(
            format!("{name}, memcached on the host alone (the baseline)"),
            sla(memcached),
            None,
            Bound::AtLeast(50_000.0),
        );
        let cycles = shared.and_then(|row| row.server_cycles_per_request).map(exact);
        let theirs = memcached.and_then(|row| row.server_cycles_per_request).map(exact);
        add(format!("{name}, busy server cycles a request"), cycles, None, Bound::AtMost(most_cycles));
        add(format!("{name}, busy server cycles a request, beside memcached"), cycles, Some(theirs), Bound::Nothing);
        let unloaded = |row: Option<&Row>| row.and_then(|row| row.p99_unloaded_us).map(exact);
        let title = format!("{name}, p99 without load (µs), beside memcached on the host");
        add(title, unloaded(shared), Some(unloaded(memcached)), Bound::AtMost(1.0 / 3.0));
        let (ours, linux) =
            (find(workload, "memstorm", "tap", Some("tcg")), find(workload, "memcached-guest", "tap", Some("tcg")));
        let title = format!("{name}, TCG against TCG, closed loop, beside memcached in Linux");
        add(title, ours.map(peak), Some(linux.map(peak)), Bound::AtLeast(5.0));
        let title = format!("{name}, TCG against TCG, requests/s at p99 <= 5 ms");
        add(title, sla(ours), Some(sla(linux)), Bound::AtLeast(5.0));
    }
    let reflector = find("frames", "limit-reflector", "vhost-user", None);
    let cycles = reflector.and_then(|row| row.server_cycles_per_request).map(exact);
    add("L2 reflector, cycles a frame".to_owned(), cycles, None, Bound::AtMost(200.0));
    let usr = find("usr", "memstorm", "vhost-user", None).map(peak);
    let echo = find("usr", "limit-tcp-echo", "vhost-user", None).map(peak);
    let title = "USR, closed loop, beside a TCP echo of the same sizes".to_owned();
    add(title, usr, Some(echo), Bound::AtLeast(0.6));
    let cycles = |peer| find("usr", peer, "vhost-user", None).and_then(|row| row.server_cycles_per_request).map(exact);
    let title = "USR, busy server cycles a request, beside that echo (the rates are to each other as these)".to_owned();
    add(title, cycles("memstorm"), Some(cycles("limit-tcp-echo")), Bound::AtMost(1.0 / 0.6));
    goals
}

fn of_connections(rows: &[Row]) -> Vec<Goal> {
    let at = |connections| {
        let row = rows.iter().find(|row| {
            (row.peer.as_str(), row.wire.as_str(), row.connections) == ("memstorm", "vhost-user", connections)
        });
        row.map(peak)
    };
    let what = "100,000 connections beside 1,000, closed loop".to_owned();
    let goal = |(ours, beside)| Goal { what, ours, beside: Some(beside), bound: Bound::AtLeast(0.5) };
    at(100_000).zip(at(1000)).map(goal).into_iter().collect()
}

fn at_sla(row: &Row) -> Option<Figure> {
    row.rps_at_sla.map(|value| Figure { value, is_least: row.limited_by == "generator" })
}

fn peak(row: &Row) -> Figure {
    Figure { value: row.rps_peak, is_least: row.peak_limited_by == "generator" }
}

fn exact(value: f64) -> Figure {
    Figure { value, is_least: false }
}

impl Goal {
    fn cells(&self) -> Vec<String> {
        let ratio = self.beside.map(|beside| self.ours.value / beside.value);
        // The figure below the line may be larger than is known: then nothing is known of the ratio's lower end.
        let mark = match (self.ours.is_least, self.beside.is_some_and(|beside| beside.is_least)) {
            (false, false) => "",
            (true, false) => ">= ",
            (false, true) => "<= ",
            (true, true) => "about ",
        };
        let ratio_text = ratio.map_or("-".to_owned(), |ratio| format!("{mark}{}", three_digits(ratio)));
        let goal = match (self.bound, ratio) {
            (Bound::AtLeast(least), Some(_)) => format!("at least {}", three_digits(least)),
            (Bound::AtMost(most), Some(_)) => format!("at most {}", three_digits(most)),
            (Bound::AtLeast(least), None) => format!("at least {}", grouped(least)),
            (Bound::AtMost(most), None) => format!("at most {}", grouped(most)),
            (Bound::Nothing, _) => "-".to_owned(),
        };
        let beside = self.beside.map_or("-".to_owned(), |figure| figure.text());
        let met = self.is_met(ratio.unwrap_or(self.ours.value));
        vec![self.what.clone(), self.ours.text(), beside, ratio_text, goal, met.to_owned()]
    }

    /// A lower bound that is too low tells nothing.
    fn is_met(&self, figure: f64) -> &'static str {
        let is_least = self.ours.is_least;
        let is_most = self.beside.is_some_and(|beside| beside.is_least);
        match self.bound {
            Bound::Nothing => "-",
            Bound::AtLeast(least) if figure >= least && !is_most => "yes",
            Bound::AtLeast(least) if figure < least && !is_least => "no",
            Bound::AtMost(most) if figure <= most && !is_least => "yes",
            Bound::AtMost(most) if figure > most && !is_most => "no",
            Bound::AtLeast(_) | Bound::AtMost(_) => "not shown",
        }
    }
}

impl Figure {
    fn text(self) -> String {
        let text = if self.value < 100.0 { three_digits(self.value) } else { grouped(self.value) };
        if self.is_least { format!(">= {text}") } else { text }
    }
}

/// With three digits that count.
fn three_digits(value: f64) -> String {
    number(rounded(value, 3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::row_tests::{blank, round};

    fn row(peer: &str, wire: &str, accel: &str, rps: f64) -> Row {
        blank("usr", peer, wire, accel).with_rounds(&[round(rps, rps * 1.2)]).unwrap()
    }

    fn lines(rows: Vec<Row>) -> Vec<String> {
        table(&[("compare".to_owned(), rows)]).lines().map(str::to_owned).collect()
    }

    #[test]
    fn ratios_are_told_with_their_goals() {
        let mut ours = row("memstorm", "vhost-user", "kvm", 2e6);
        let text = lines(vec![ours.clone(), row("memcached", "tap", "native", 8e4)]);
        let line =
            |text: &[String], what: &str| text.iter().find(|line| line.contains(what)).cloned().unwrap_or_default();
        assert!(
            line(&text, "beside memcached on the host").ends_with("| 2,000,000 | 80,000 | 25 | at least 20 | yes |")
        );
        assert!(line(&text, "baseline").ends_with("| 80,000 | - | - | at least 50,000 | yes |"));
        assert!(line(&text, "p99 without load").ends_with("| 31.5 | 31.5 | 1 | at most 0.333 | no |"));
        ours.limited_by = "generator".to_owned();
        let text = lines(vec![ours, row("memcached", "tap", "native", 2e5)]);
        let line = line(&text, "beside memcached on the host");
        assert!(line.ends_with("| >= 2,000,000 | 200,000 | >= 10 | at least 20 | not shown |"), "{line}");
    }

    #[test]
    fn what_was_not_measured_has_no_line() {
        assert_eq!(table(&[]), "");
        let text = lines(vec![row("memstorm", "tap", "tcg", 1e4)]).join("\n");
        assert!(!text.contains("TCG") && !text.contains("beside memcached"), "{text}");
        let many = |connections| Row { connections, ..row("memstorm", "vhost-user", "kvm", connections as f64) };
        let text = table(&[("connections".to_owned(), vec![many(100_000), many(1000)])]);
        assert!(text.contains("| 120,000 | 1,200 | 100 | at least 0.5 | yes |"), "{text}");
    }
}
