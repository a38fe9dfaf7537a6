//! The layers: which of Memstorm's crates may use which, and what the guest may link.
//!
//! Acyclic by the order of the table: a crate uses only crates above its own line.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use cargo_metadata::{Dependency, Metadata, MetadataCommand, Package};

use super::SourceFile;
use crate::host::repository;

/// Where a crate runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In the appliance, without std.
    Guest,
    /// On the host.
    Host,
}

/// A crate of the workspace.
#[derive(Clone, Copy, Debug)]
pub struct Crate {
    /// Its name, and that of its folder.
    pub name: &'static str,
    /// Where it runs.
    pub side: Side,
    /// The crates of the workspace that it may use, in tests too.
    pub uses: &'static [&'static str],
}

/// Every crate, and all that it may use.
pub const CRATES: &[Crate] = &[
    Crate { name: "abi", side: Side::Guest, uses: &[] },
    Crate { name: "netdrv", side: Side::Guest, uses: &[] },
    Crate { name: "netstack", side: Side::Guest, uses: &["netdrv"] },
    Crate { name: "app-echo", side: Side::Guest, uses: &["netdrv", "netstack"] },
    Crate { name: "app-memcached", side: Side::Guest, uses: &["netdrv", "netstack"] },
    Crate { name: "unikernel", side: Side::Guest, uses: &["abi", "app-echo", "app-memcached", "netdrv", "netstack"] },
    Crate { name: "image", side: Side::Host, uses: &["abi"] },
    Crate { name: "orchestrator", side: Side::Host, uses: &["abi", "image"] },
    Crate {
        name: "bench",
        side: Side::Host,
        uses: &["app-echo", "app-memcached", "image", "netdrv", "netstack", "orchestrator"],
    },
    Crate { name: "cli", side: Side::Host, uses: &["abi", "bench", "image", "orchestrator"] },
    Crate { name: "fuzz", side: Side::Host, uses: &["app-memcached", "netdrv", "netstack"] },
    Crate { name: "ci", side: Side::Host, uses: &["abi", "bench"] },
];

/// Whether a package runs without std as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defaults {
    /// Its default features need no std.
    Fit,
    /// Its default features need std, or bring in what nothing uses.
    Off,
}

/// The packages that the guest may link. Those of a crate's tests are not restricted.
const GUEST_PACKAGES: &[(&str, Defaults)] = &[
    ("bitflags", Defaults::Fit),
    ("fdt", Defaults::Fit),
    ("heapless", Defaults::Fit),
    ("hermit-entry", Defaults::Off),
    ("linked_list_allocator", Defaults::Off),
    ("pci_types", Defaults::Fit),
    ("siphasher", Defaults::Off),
    ("smoltcp", Defaults::Off),
    ("virtio-drivers", Defaults::Off),
    ("x86_64", Defaults::Off),
];

/// Modules that must not know a crate or a module above them: folder or file, and the words it must not contain.
const MODULES: &[(&str, &[&str])] = &[
    ("app-memcached/src/protocol", &["netstack", "crate::service"]),
    ("app-memcached/src/store", &["netstack", "crate::service", "crate::protocol"]),
    ("app-memcached/src/watch", &["netstack", "crate::service", "crate::protocol", "crate::store"]),
    ("netdrv/src/pktbuf", &["crate::nic", "crate::virtio_net"]),
    ("netdrv/src/nic", &["crate::virtio_net"]),
    ("unikernel/src/platform", &["netstack::tcp", "netstack::app", "app_memcached", "crate::runtime"]),
];

/// The dependencies of the workspace that break the layers, a line each.
pub fn collect_violations() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(repository().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata")?;
    Ok(violations_in(&metadata, CRATES))
}

fn violations_in(metadata: &Metadata, table: &[Crate]) -> Vec<String> {
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut violations = Vec::new();
    for package in &metadata.packages {
        match table.iter().find(|krate| krate.name == package.name.as_str()) {
            Some(krate) => violations.extend(edges_not_allowed(package, krate, &ours)),
            None => violations.push(format!("{}: not in the table of layers", package.name)),
        }
    }
    violations
}

fn edges_not_allowed(package: &Package, krate: &Crate, ours: &BTreeSet<&str>) -> Vec<String> {
    let from = krate.name;
    let refused = |dependency: &Dependency| {
        let to = dependency.name.as_str();
        if ours.contains(to) {
            return (!krate.uses.contains(&to)).then(|| format!("{from} -> {to}: no such edge in the table of layers"));
        }
        let tested_only = dependency.kind == cargo_metadata::DependencyKind::Development;
        if krate.side == Side::Host || tested_only {
            return None;
        }
        match GUEST_PACKAGES.iter().find(|(name, _)| *name == to) {
            None => Some(format!("{from} -> {to}: not among the packages that the guest may link")),
            Some((_, Defaults::Off)) if dependency.uses_default_features => {
                Some(format!("{from} -> {to}: with its default features, which the guest must not have"))
            }
            Some(_) => None,
        }
    };
    package.dependencies.iter().filter_map(refused).collect()
}

/// The lines of `files` in which a module names what is above it.
pub fn collect_module_violations(files: &[SourceFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for (module, above) in MODULES {
        for file in files.iter().filter(|file| lies_in(&file.path, module) && !file.is_test()) {
            let code = file.text.lines().enumerate().take_while(|(_, line)| *line != "#[cfg(test)]");
            for (index, line) in code.filter(|(_, line)| !line.trim_start().starts_with("//")) {
                if let Some(word) = above.iter().find(|word| line.contains(**word)) {
                    violations.push(format!("{}:{}: {module} must not know {word}", file.path, index + 1));
                }
            }
        }
    }
    violations
}

fn lies_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        MetadataCommand::new().manifest_path(repository().join("Cargo.toml")).no_deps().exec().unwrap()
    }

    #[test]
    fn each_edge_needs_its_line() {
        let mut table = CRATES.to_vec();
        let cli = table.iter_mut().find(|krate| krate.name == "cli").unwrap();
        cli.uses = &["abi", "image"];
        let found = violations_in(&metadata(), &table);
        assert!(found.contains(&"cli -> orchestrator: no such edge in the table of layers".to_owned()), "{found:?}");
        table.retain(|krate| krate.name != "cli");
        let found = violations_in(&metadata(), &table);
        assert!(found.contains(&"cli: not in the table of layers".to_owned()), "{found:?}");
    }

    #[test]
    fn the_guest_links_only_what_is_listed() {
        let mut table = CRATES.to_vec();
        table.iter_mut().find(|krate| krate.name == "image").unwrap().side = Side::Guest;
        let found = violations_in(&metadata(), &table);
        assert!(
            found.contains(&"image -> toml: not among the packages that the guest may link".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn the_table_is_acyclic() {
        for (line, krate) in CRATES.iter().enumerate() {
            for used in krate.uses {
                assert!(CRATES[..line].iter().any(|above| above.name == *used), "{} -> {used}", krate.name);
            }
        }
    }

    #[test]
    fn modules_must_not_look_up() {
        let path = "app-memcached/src/store/item.rs".to_owned();
        let text = "// netstack\nuse netstack::app;\n#[cfg(test)]\nuse netstack::app;\n".to_owned();
        let found = collect_module_violations(&[SourceFile { path, text }]);
        assert_eq!(found, ["app-memcached/src/store/item.rs:2: app-memcached/src/store must not know netstack"]);
        assert!(!lies_in("app-memcached/src/storeroom.rs", "app-memcached/src/store"));
    }
}
