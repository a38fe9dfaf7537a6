//! Reports of made-up rows: their shape, not their looks.

use super::*;
use crate::compare::row_tests::{blank, round};

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
