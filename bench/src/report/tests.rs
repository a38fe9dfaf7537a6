//! Reports of made-up rows: their shape, not their looks.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use image::{BuildId, Image};
use orchestrator::Accel;

use super::*;
use crate::compare::row_tests::{blank, round};
use crate::compare::{Images, Options};
use crate::peers::{Appliance, Cores, Kind, Peer, Route};

fn rows() -> Vec<Row> {
    let row = |workload, peer, wire, accel, scale: f64| {
        blank(workload, peer, wire, accel).with_rounds(&[round(5e4 * scale, 6e4 * scale)]).unwrap()
    };
    vec![row("usr", "memstorm", "vhost-user", "kvm", 30.0), row("usr", "memcached", "tap", "native", 1.0)]
}

#[test]
fn a_directory_of_rows_becomes_tables_and_plots() {
    let folder = tempfile::tempdir().unwrap();
    let varied = [1, 100, 10_000].map(|connections| Row { connections, ..rows().remove(0) });
    save_rows(folder.path(), COMPARISON, &rows()).unwrap();
    save_rows(folder.path(), "connections.json", &varied).unwrap();
    let written = write(folder.path()).unwrap();
    let names: Vec<_> = written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["README.md", "latency-usr.svg", "connections.svg"]);
    let svg = fs::read_to_string(&written[1]).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    for word in ["USR: 99th percentile", "memstorm/vhost-user/kvm", "memcached/tap/native", "500 µs", "requests/s"] {
        assert!(svg.contains(word), "{word}");
    }
    assert!(svg.matches("<polyline").count() > 2, "lines");
    let text = fs::read_to_string(&written[0]).unwrap();
    assert!(text.contains("| memstorm | vhost-user | kvm | 1,500,000 ") && text.contains("](connections.svg)"));
    let again = write(folder.path()).unwrap();
    assert_eq!((again, fs::read_to_string(&written[1]).unwrap()), (written, svg), "the same again");
}

#[test]
fn a_readme_s_section_names_files_from_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("bench/results/2026-11-21");
    save_rows(&results, COMPARISON, &rows()).unwrap();
    let readme = folder.path().join("README.md");
    fs::write(&readme, "# M\n").unwrap();
    assert!(write_section(&readme, &results).unwrap_err().to_string().contains("there is no place"));
    let marks = ["begin", "end"].map(|word| format!("<!-- {word}: written by `memstorm bench report` -->\n"));
    fs::write(&readme, format!("# M\n\n{}old\n{}\nrest\n", marks[0], marks[1])).unwrap();
    write_section(&readme, &results).unwrap();
    let text = fs::read_to_string(&readme).unwrap();
    assert!(text.contains("](bench/results/2026-11-21/latency-usr.svg)") && text.ends_with("\nrest\n"), "{text}");
    assert!(!text.contains("old\n"));
}

#[test]
fn what_holds_no_rows_is_named() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(write(folder.path()), Err(ReportError::Empty(_))));
    fs::write(folder.path().join("compare.json"), "{}").unwrap();
    let error = write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("compare.json does not hold rows"), "{error}");
}

/// A part that every machine with memcached can measure, and an echo that there is no image of.
fn small_part() -> Part {
    let setting = Setting {
        accel: Accel::Tcg,
        cores: Cores { server: 1, servers: 1, client: 0 },
        host_cores: 2,
        pace: Pace::Quick,
    };
    let part = parts(&setting).remove(1);
    let one = part.comparisons.into_iter().find(|one| one.peers[0].kind == Kind::Memcached).unwrap();
    let memcached = Peer { route: Route::Loopback, ..one.peers[0] };
    let echo = Peer { kind: Kind::TcpEcho, route: Route::VhostUser, accel: Some(Accel::Tcg) };
    let alone = |peer, connections| Options {
        peers: vec![peer],
        connections,
        records: 500,
        memory_mib: 67,
        time: Duration::from_millis(100),
        ..one.clone()
    };
    Part {
        name: "connections",
        comparisons: vec![alone(echo, 1), alone(memcached, 4), alone(memcached, 2)],
        notes: Vec::new(),
    }
}

#[test]
fn a_part_is_written_and_what_it_has_is_kept() {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        eprintln!("skipped: client and server need a core each");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = Image { bytes: Vec::new(), build_id: BuildId([0; 20]) };
    let appliance = Appliance { image, baked: String::new(), append: String::new() };
    let images = Images { appliance, echo: Err("no echo".to_owned()), reflector: Err("no reflector".to_owned()) };
    let measure = |part: &Part, earlier| {
        let ran = run(part, folder.path(), earlier, &images, &AtomicBool::new(false), |_| {}).unwrap();
        let rows = read_rows(&folder.path().join("connections.json")).unwrap();
        (ran.measured, ran.kept, ran.failed.len(), rows)
    };
    let whole = small_part();
    let first = Part { comparisons: whole.comparisons[..2].to_vec(), notes: Vec::new(), ..whole };
    let (measured, kept, failed, rows) = measure(&first, Earlier::Kept);
    assert_eq!((measured, kept, failed, rows.len()), (1, 0, 1, 1));
    let (measured, kept, failed, all) = measure(&whole, Earlier::Kept);
    assert_eq!((measured, kept, failed), (1, 1, 1));
    assert_eq!(all.iter().map(|row| row.connections).collect::<Vec<_>>(), [4, 2], "in the part's order");
    assert_eq!(all[0], rows[0], "it was not measured again");
    assert!(fs::read_to_string(folder.path().join("connections.notes")).unwrap().contains("no echo"));
    write(folder.path()).unwrap();
    let text = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(text.contains("- connections: limit-tcp-echo/vhost-user/tcg was not measured ("), "{text}");
    assert!(text.contains("## Servers") && text.contains("| memcached/loopback/native | memcached 1."), "{text}");
    let without = Part { comparisons: whole.comparisons[1..].to_vec(), notes: Vec::new(), ..whole };
    assert_eq!(measure(&without, Earlier::Kept).1, 2);
    assert!(!folder.path().join("connections.notes").exists(), "nothing failed now");
    assert_eq!(measure(&without, Earlier::Replaced).0, 2);
}
