use super::*;
use crate::{Accel, Process, Vmm};

fn state() -> (tempfile::TempDir, StateDir) {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::at(directory.path().join("state")).unwrap();
    (directory, state)
}

fn record(name: &str, process: Process) -> Record {
    Record {
        name: name.to_owned(),
        process,
        vmm: Vmm::Qemu,
        accel: Accel::Tcg,
        machine: None,
        net: "user".to_owned(),
        cores: 1,
        memory_mib: 64,
        address: Some("127.0.0.1:21211".parse().unwrap()),
        http: None,
        build_id: String::new(),
        command_line: String::new(),
        started_unix_ms: 0,
        ready: None,
    }
}

/// This test's own process runs.
fn alive() -> Process {
    Process::running(std::process::id()).unwrap()
}

/// This number is ours, but the start time is another's.
fn dead() -> Process {
    Process { start_ticks: 1, ..alive() }
}

fn add(state: &StateDir, name: Option<&str>, process: Process) -> String {
    let reservation = state.reserve(name).unwrap();
    let name = reservation.name.clone();
    reservation.record(&record(&name, process)).unwrap();
    name
}

#[test]
fn unnamed_instances_take_the_first_free_name() {
    let (_directory, state) = state();
    assert_eq!(add(&state, None, alive()), "memstorm");
    assert_eq!(add(&state, None, dead()), "memstorm-2");
    assert_eq!(add(&state, None, alive()), "memstorm-2", "the name of a dead one is free");
    assert_eq!(add(&state, None, alive()), "memstorm-3");
    let names: Vec<_> = state.list().unwrap().into_iter().map(|entry| entry.record.name).collect();
    assert_eq!(names, ["memstorm", "memstorm-2", "memstorm-3"]);
}

#[test]
fn a_name_is_given_once() {
    let (_directory, state) = state();
    add(&state, Some("cache"), alive());
    assert!(matches!(state.reserve(Some("cache")), Err(Error::NameTaken(_))));
    for bad in ["", ".lock", "../x", "a/b", "-a", "a b", &"x".repeat(65)] {
        assert!(state.reserve(Some(bad)).unwrap_err().is_usage(), "{bad}");
    }
}

#[test]
fn a_name_is_free_again_if_nothing_came_of_it() {
    let (_directory, state) = state();
    let reservation = state.reserve(None).unwrap();
    let directory = reservation.files.directory().to_owned();
    fs::write(directory.join("memstorm.elf"), "x").unwrap();
    drop(reservation);
    assert!(!directory.exists());
    assert_eq!(state.list().unwrap().len(), 0);
}

#[test]
fn a_taken_over_directory_is_empty() {
    let (_directory, state) = state();
    add(&state, Some("cache"), dead());
    fs::write(state.files("cache").console(), "old").unwrap();
    let reservation = state.reserve(Some("cache")).unwrap();
    assert_eq!(fs::read_dir(reservation.files.directory()).unwrap().count(), 0);
}

#[test]
fn finds_the_one_that_is_meant() {
    let (_directory, state) = state();
    assert!(state.find(None).unwrap_err().to_string().contains("memstorm run"));
    add(&state, Some("a"), dead());
    assert_eq!(state.find(None).unwrap().record.name, "a", "the only one, though it ended");
    add(&state, Some("b"), alive());
    assert_eq!(state.find(None).unwrap().record.name, "b", "the only one that runs");
    assert_eq!(state.find(Some("a")).unwrap().record.name, "a");
    add(&state, Some("c"), alive());
    assert_eq!(state.find(None).unwrap_err().to_string(), "several instances are running, name one: b, c");
    assert_eq!(state.find(Some("d")).unwrap_err().to_string(), "no instance named 'd'; there is: a, b, c");
}

#[test]
fn what_is_no_instance_is_passed_over() {
    let (_directory, state) = state();
    fs::create_dir(state.root.join("empty")).unwrap();
    fs::create_dir(state.root.join("garbage")).unwrap();
    fs::write(state.root.join("garbage/instance.json"), "{").unwrap();
    fs::write(state.root.join("file"), "").unwrap();
    add(&state, Some("a"), alive());
    fs::rename(state.root.join("a"), state.root.join("renamed")).unwrap();
    assert_eq!(state.list().unwrap().len(), 0);
}

#[test]
fn forgetting_spares_a_successor_of_the_same_name() {
    let (_directory, state) = state();
    add(&state, Some("cache"), dead());
    let first = state.find(Some("cache")).unwrap().record;
    add(&state, Some("cache"), alive());
    state.forget(&first).unwrap();
    let second = state.find(Some("cache")).unwrap().record;
    state.forget(&second).unwrap();
    assert!(state.list().unwrap().is_empty());
    state.forget(&second).unwrap();
}

#[test]
fn knows_who_has_a_port() {
    let (_directory, state) = state();
    add(&state, Some("gone"), dead());
    assert_eq!(state.user_of_port(21211), None);
    add(&state, Some("cache"), alive());
    assert_eq!(state.user_of_port(21211), Some("cache".to_owned()));
    assert_eq!(state.user_of_port(21212), None);
}

#[test]
fn an_unusable_directory_is_named() {
    let error = StateDir::at(PathBuf::from("/proc/memstorm")).unwrap_err().to_string();
    assert!(error.starts_with("cannot make /proc/memstorm: "), "{error}");
    assert!(error.ends_with("MEMSTORM_STATE_DIR"), "{error}");
}
