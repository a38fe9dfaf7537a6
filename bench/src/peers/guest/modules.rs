//! Kernel modules in the order in which they must be loaded, from what each says of itself.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::PeerError;

/// What stands before the names of the modules that a module needs, in its section `.modinfo`: strings that end with a
/// zero (Linux `include/linux/module.h`, `MODULE_INFO`; written by `modpost`).
const DEPENDS: &[u8] = b"\0depends=";
const SUFFIX: &str = "ko";

/// The files of the modules named, and of those that they need, each after those that it needs itself. A module that is
/// not below `folder` is taken for one that is built in.
pub(super) fn collect_in_order(folder: &Path, wanted: &[&str]) -> Result<Vec<PathBuf>, PeerError> {
    let mut found = HashMap::new();
    collect_modules(folder, &mut found).map_err(|error| PeerError::file("cannot list", folder, error))?;
    let mut order = Vec::new();
    wanted.iter().try_for_each(|name| append(name, &found, &mut order))?;
    Ok(order)
}

fn collect_modules(folder: &Path, found: &mut HashMap<String, PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_modules(&path, found)?;
        } else if path.extension().is_some_and(|suffix| suffix == SUFFIX)
            && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
        {
            found.insert(canonical(stem), path.clone());
        }
    }
    Ok(())
}

fn append(name: &str, found: &HashMap<String, PathBuf>, order: &mut Vec<PathBuf>) -> Result<(), PeerError> {
    let Some(path) = found.get(&canonical(name)).filter(|path| !order.contains(path)) else { return Ok(()) };
    let bytes = fs::read(path).map_err(|error| PeerError::file("cannot read", path, error))?;
    needed(&bytes).iter().try_for_each(|needed| append(needed, found, order))?;
    order.push(path.clone());
    Ok(())
}

/// The modules that a module says it needs.
fn needed(module: &[u8]) -> Vec<String> {
    let Some(begin) = module.windows(DEPENDS.len()).position(|window| window == DEPENDS) else { return Vec::new() };
    let names = module[begin + DEPENDS.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(names);
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// File names have hyphens where modules' names have underscores, or not.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_those_that_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let module = |path: &str, depends: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("\x7fELF\0license=GPL\0depends={depends}\0name=x\0")).unwrap();
        };
        module("drivers/net/virtio-net.ko", "virtio,virtio_ring,net_failover");
        module("drivers/net/net_failover.ko", "failover");
        module("net/failover.ko", "");
        module("drivers/virtio/virtio.ko", "virtio_ring");
        module("drivers/virtio/virtio_ring.ko", "");
        fs::write(folder.path().join("modules.order"), "").unwrap();
        let order = collect_in_order(folder.path(), &["virtio_net", "virtio", "built_in"]).unwrap();
        let names: Vec<_> = order.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["virtio_ring", "virtio", "failover", "net_failover", "virtio-net"]);
    }
}
