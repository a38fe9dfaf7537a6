//! Clients that were not written for the appliance.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ci::appliance::{Appliance, Machine, Memstorm, succeeded};
use ci::host::{self, Missing};
use libtest_mimic::Trial;

mod rust_crate;

/// Tests that `memccapable` has for text, and for frames.
const TESTS: [(&str, usize); 2] = [("-a", 27), ("-b", 27)];

/// The cluster that clients are told of.
const CLUSTER: &str = "7:a.example|192.0.2.1|11211,b.example|192.0.2.2|11212";

pub(crate) fn trials() -> Vec<Trial> {
    let kvm = host::missing_kvm();
    let memccapable = host::missing_program("memccapable", "memccapable (libmemcached-tools)");
    vec![
        crate::trial("memccapable", kvm.or(memccapable), || with_appliance(memccapable_passes)),
        crate::trial(
            "pymemcache, many keys",
            kvm.or(missing_module("pymemcache", "pymemcache in target/venv: run ci/test")),
            || with_appliance(|appliance| script_passes(appliance, "pymemcache_keys.py", &["2000"])),
        ),
        crate::trial(
            "pymemcache, auto discovery",
            kvm.or(missing_module("pymemcache", "pymemcache in target/venv: run ci/test")),
            || {
                let machine = Machine { append: format!("cluster-nodes={CLUSTER}"), ..Machine::default() };
                with_machine(&machine, |appliance| script_passes(appliance, "pymemcache_cluster.py", &[CLUSTER]))
            },
        ),
        library("pymemcache", "pymemcache", "pymemcache in target/venv: run ci/test"),
        library("python-binary-memcached", "bmemcached", "python-binary-memcached in target/venv: run ci/test"),
        library("pylibmc", "pylibmc", "pylibmc in target/venv: run ci/test"),
        library("meta-memcache", "meta_memcache", "meta-memcache in target/venv: run ci/test"),
        crate::trial("the Rust crate memcache", kvm, || with_appliance(rust_crate::passes)),
    ]
}

/// A library for Python, whose operations a script named after its module goes through.
fn library(name: &str, module: &'static str, missing: &'static str) -> Trial {
    let missing = host::missing_kvm().or_else(|| missing_module(module, missing));
    crate::trial(name, missing, move || {
        with_appliance(|appliance| script_passes(appliance, &format!("{module}_operations.py"), &[]))
    })
}

fn with_appliance(talk: impl FnOnce(&Appliance<'_>) -> Result<()>) -> Result<()> {
    with_machine(&Machine::default(), talk)
}

fn with_machine(machine: &Machine, talk: impl FnOnce(&Appliance<'_>) -> Result<()>) -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(machine)?;
    talk(&appliance)?;
    appliance.stop()?;
    memstorm.finish()
}

fn memccapable_passes(appliance: &Appliance<'_>) -> Result<()> {
    let (host, port) = (appliance.address().ip().to_string(), appliance.address().port().to_string());
    for (protocol, count) in TESTS {
        let output = Command::new("memccapable").args(["-h", &host, "-p", &port, protocol]).output()?;
        let printed = succeeded("memccapable", &output)?;
        let passed = printed.lines().filter(|line| line.ends_with("[pass]")).count();
        ensure!(passed == count && printed.contains("All tests passed"), "{protocol}: {passed} passed:\n{printed}");
    }
    Ok(())
}

/// The interpreter of the virtual environment that `ci/test` makes.
fn python() -> PathBuf {
    host::repository().join("target/venv/bin/python")
}

/// Whether the virtual environment has a module.
fn missing_module(module: &str, what: &'static str) -> Missing {
    let imported = Command::new(python()).args(["-c", &format!("import {module}")]).output();
    if imported.is_ok_and(|output| output.status.success()) { None } else { Some(what) }
}

/// Runs a script of `ci/clients` against the appliance: HOST PORT, then `more`.
fn script_passes(appliance: &Appliance<'_>, script: &str, more: &[&str]) -> Result<()> {
    let path = host::repository().join("ci/clients").join(script);
    let (host, port) = (appliance.address().ip().to_string(), appliance.address().port().to_string());
    let output = Command::new(python()).arg(path).args([&host, &port]).args(more).output().context("python")?;
    succeeded(script, &output).map(drop)
}
