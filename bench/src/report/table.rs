//! Tables in Markdown.

use std::fmt::Write as _;

use crate::compare::Row;
use crate::load::PIECES;

/// Requests a second and latencies, a table for each workload.
pub(super) fn comparison(rows: &[Row]) -> String {
    let mut text = String::new();
    for workload in collect_workloads(rows) {
        let of_workload: Vec<&Row> = rows.iter().filter(|row| row.workload == workload).collect();
        let heading = [
            workload.as_str(),
            "wire",
            "accel",
            "requests/s within the p99 bound",
            "x memcached",
            "bound (µs)",
            "p99 there (µs)",
            "requests/s, closed loop",
            "x memcached",
            "p99 unloaded (µs)",
            "server cycles/request",
        ];
        let baseline = of_workload.iter().find(|row| row.peer == "memcached" && row.wire == "tap");
        let beside = |figure: Option<f64>, theirs: Option<f64>| {
            let ratio = figure.zip(theirs).map(|(figure, theirs)| number(crate::compare::rounded(figure / theirs, 3)));
            ratio.unwrap_or_else(|| "-".to_owned())
        };
        let cells = of_workload.iter().map(|row| {
            let at_sla = row.rps_at_sla.zip(row.rps_at_sla_spread);
            let peak = Some((row.rps_peak, row.rps_peak_spread));
            vec![
                row.peer.clone(),
                row.wire.clone(),
                row.accel.clone(),
                match at_sla {
                    Some(figure) => rate(Some(figure), &row.limited_by),
                    // Frames have no latency that is measured.
                    None if row.workload == "frames" => "-".to_owned(),
                    None => "none kept it".to_owned(),
                },
                beside(row.rps_at_sla, baseline.and_then(|row| row.rps_at_sla)),
                number(row.sla_us),
                row.p99_at_sla_us.map_or("-".to_owned(), number),
                rate(peak, &row.peak_limited_by),
                beside(Some(row.rps_peak), baseline.map(|row| row.rps_peak)),
                row.p99_unloaded_us.map_or("-".to_owned(), number),
                row.server_cycles_per_request.map_or("-".to_owned(), number),
            ]
        });
        text += &markdown(&heading, cells);
        text.push('\n');
    }
    text
}

/// What is left of the rates where runs are judged as a whole.
pub(super) fn whole_runs(rows: &[Row]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let heading =
        ["", "server", "wire", "requests/s, p99 of the whole run within the bound", "x memcached", "p99 there (µs)"];
    let cells = rows.iter().map(|row| {
        let baseline = rows.iter().find(|other| other.peer == "memcached" && other.workload == row.workload);
        let at_sla = row.rps_at_sla.zip(row.rps_at_sla_spread);
        let ratio = row.rps_at_sla.zip(baseline.and_then(|row| row.rps_at_sla)).map(|(ours, theirs)| ours / theirs);
        vec![
            row.workload.clone(),
            row.peer.clone(),
            row.wire.clone(),
            at_sla.map_or_else(|| "none kept it".to_owned(), |figure| rate(Some(figure), &row.limited_by)),
            ratio.map_or("-".to_owned(), |ratio| number(crate::compare::rounded(ratio, 3))),
            row.p99_at_sla_us.map_or("-".to_owned(), number),
        ]
    });
    format!(
        "A rate above is one that most of {PIECES} pieces of a run keep. Judged by runs of {} s as a whole, those pieces included in \
         which the machine was taken away (median of {} rounds, of those in which a rate kept the bound):\n\n{}\n",
        number(first.time_s),
        first.rounds,
        markdown(&heading, cells)
    )
}

/// Boot, image and memory: a line for each guest, and for each server on the host.
pub(super) fn footprint(rows: &[Row]) -> String {
    let heading =
        ["server", "accel", "wire", "start to first answer (ms)", "image (KiB)", "memory, empty, with its VMM (MiB)"];
    let mut seen = Vec::new();
    let mut lines = Vec::new();
    for row in rows {
        if row.peer.starts_with("limit") || seen.contains(&row.label()) {
            continue;
        }
        seen.push(row.label());
        lines.push(vec![
            row.peer.clone(),
            row.accel.clone(),
            row.wire.clone(),
            row.boot_ms.map_or("-".to_owned(), number),
            row.image_bytes.map_or("-".to_owned(), |bytes| number((bytes >> 10) as f64)),
            number(((row.resident_bytes as f64 / 1_048_576.0) * 10.0).round() / 10.0),
        ]);
    }
    if lines.is_empty() { String::new() } else { markdown(&heading, lines) }
}

/// What the figures were measured with.
pub(super) fn conditions(rows: &[Row]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut text = format!(
        "Median of {} interleaved rounds of {} s (smallest to largest in brackets); server on core {}, client on core {}; \
         {} connections, depth {}, {} records, {} MiB for items. `>=`: the generator was the limit. vhost-user is shared \
         memory between guest and client, a virtual wire, not a NIC. Cycles are busy ones of the server's core, in the closed \
         loop: an appliance's by its stage accounts, all others' by /proc/stat (user, system, irq and softirq time).\n\n",
        first.rounds,
        number(first.time_s),
        first.server_cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
        first.client_core,
        grouped(first.connections as f64),
        first.depth,
        grouped(first.records as f64),
        first.memory_mib,
    );
    if !first.host.is_empty() {
        let _ = write!(text, "Host: {}.\n\n", first.host);
    }
    text
}

/// Every server, with its version and how it was started.
pub(super) fn peers<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut seen = Vec::new();
    let mut lines = Vec::new();
    for row in rows {
        if !seen.contains(&row.label()) {
            seen.push(row.label());
            // A pipe would end the cell.
            let flags = row.flags.replace('|', "\\|");
            lines.push(vec![row.label(), row.version.clone(), row.server_cycles_counted.clone(), format!("`{flags}`")]);
        }
    }
    let table = markdown(&["server", "version", "its cycles are", "as it was started, in its first comparison"], lines);
    format!("## Servers\n\n{table}\n")
}

pub(super) fn collect_workloads(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        if !names.contains(&row.workload) {
            names.push(row.workload.clone());
        }
    }
    names
}

/// A rate with its spread, and whether it is a lower bound.
fn rate(figure: Option<(f64, [f64; 2])>, limited_by: &str) -> String {
    let Some((median, [least, most])) = figure else { return "-".to_owned() };
    let bound = if limited_by == "generator" { ">= " } else { "" };
    format!("{bound}{} ({} to {})", grouped(median), grouped(least), grouped(most))
}

/// As it is, with thousands in groups.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 1000.0 { grouped(value) } else { format!("{value}") }
}

/// A whole number, with thousands in groups.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}")
}

pub(super) fn markdown(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let names: Vec<String> = heading.iter().map(|name| (*name).to_owned()).collect();
    let mut text = line(&names);
    text += &line(&vec!["---".to_owned(); names.len()]);
    rows.into_iter().for_each(|cells| text += &line(&cells));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::row_tests::{blank, round};

    #[test]
    fn thousands_are_grouped() {
        let cases = [(0.0, "0"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.4, "1,234,567"), (-4200.0, "-4,200")];
        assert!(cases.iter().all(|(value, text)| grouped(*value) == *text));
        assert_eq!((number(31.5), number(12_345.6), number(500.0)), ("31.5".into(), "12,346".into(), "500".into()));
    }

    #[test]
    fn a_line_for_each_peer_and_lower_bounds_are_marked() {
        let mut fast = blank("usr", "memstorm", "vhost-user", "kvm").with_rounds(&[round(2e6, 2.1e6)]).unwrap();
        fast.limited_by = "generator".to_owned();
        let slow = blank("usr", "memcached", "tap", "native").with_rounds(&[round(5e4, 9e4)]).unwrap();
        let never = blank("etc", "redis", "tap", "native");
        let text = comparison(&[fast.clone(), slow, never]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("| usr | wire | accel | requests/s within the p99 bound | x memcached |"));
        assert_eq!(
            lines[2],
            "| memstorm | vhost-user | kvm | >= 2,000,000 (2,000,000 to 2,000,000) | 40 | 500 | 480 | 2,100,000 (2,100,000 to \
             2,100,000) | 23.3 | 31.5 | 1,095 |"
        );
        assert!(lines[3].starts_with("| memcached | tap | native | 50,000 (50,000 to 50,000) | 1 |"));
        assert!(lines[5].starts_with("| etc |") && lines[7].contains("none kept it"));
        assert!(footprint(&[fast.clone(), fast.clone()]).ends_with("| memstorm | kvm | vhost-user | 70 | - | 50 |\n"));
        let conditions = conditions(&[fast]);
        assert!(conditions.contains("16 connections, depth 4") && conditions.contains("not a NIC"), "{conditions}");
    }
}
