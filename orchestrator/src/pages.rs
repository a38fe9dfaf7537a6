//! Pages that guest memory consists of.
//!
//! A guest's memory is translated twice, so with small pages a cache that is large misses the TLB at every item. Linux gives huge
//! pages of its own accord to memory that is private to the VMM (`transparent_hugepage`). Memory that is shared with a vhost-user back end
//! gets them where they were set aside: `sysctl vm.nr_hugepages`.

use crate::host::{HUGE_PAGE_MIB, Host};
use crate::spec::{Accel, Net, Pages, Spec, Vmm};
use crate::{Error, Memory};

/// Chooses, where `spec` does not say.
pub(crate) fn choose(spec: &Spec, vmm: Vmm, accel: Accel, host: &Host) -> Result<Pages, Error> {
    let is_shared = matches!(spec.net, Net::VhostUser(_));
    match spec.pages {
        Some(Pages::Small) => Ok(Pages::Small),
        Some(Pages::Huge) => check(spec.memory, vmm, host).map(|()| Pages::Huge),
        None if is_shared && accel == Accel::Kvm && check(spec.memory, vmm, host).is_ok() => Ok(Pages::Huge),
        None => Ok(Pages::Small),
    }
}

/// Whether there are huge pages for so much memory.
fn check(memory: Memory, vmm: Vmm, host: &Host) -> Result<(), Error> {
    if vmm != Vmm::Qemu {
        return Err(Error::Usage("--huge-pages on is for QEMU: leave it out with --vmm uhyve".to_owned()));
    }
    if !memory.mib.is_multiple_of(HUGE_PAGE_MIB) {
        return Err(Error::Usage(format!("--memory {memory}: huge pages are of {HUGE_PAGE_MIB}M each")));
    }
    let wanted = memory.mib / HUGE_PAGE_MIB;
    if host.free_huge_pages < wanted {
        return Err(Error::Missing {
            what: format!("{memory} are {wanted} huge pages, and {} are free", host.free_huge_pages),
            advice: format!("set some aside with `sudo sysctl vm.nr_hugepages={wanted}`, or leave out --huge-pages on"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::KvmState;
    use crate::spec::{Listen, Validation};

    fn host(free_huge_pages: u32) -> Host {
        Host { qemu: None, uhyve: None, kvm: KvmState::Works, free_huge_pages }
    }

    fn spec(net: Net, pages: Option<Pages>, mib: u32) -> Spec {
        Spec {
            vmm: None,
            accel: None,
            machine: None,
            net,
            cores: 1,
            memory: Memory { mib },
            pages,
            listen: Listen::on_loopback(11211),
            append: String::new(),
            validation: Validation::Host,
        }
    }

    #[test]
    fn shared_memory_has_huge_pages_where_there_are_enough() {
        let shared = |mib| spec(Net::VhostUser("/tmp/a".into()), None, mib);
        let chosen = |spec: &Spec, accel, free| choose(spec, Vmm::Qemu, accel, &host(free)).unwrap();
        assert_eq!(chosen(&shared(64), Accel::Kvm, 32), Pages::Huge);
        assert_eq!(chosen(&shared(64), Accel::Kvm, 31), Pages::Small);
        assert_eq!(chosen(&shared(63), Accel::Kvm, 99), Pages::Small);
        assert_eq!(chosen(&shared(64), Accel::Tcg, 99), Pages::Small);
        assert_eq!(chosen(&spec(Net::User, None, 64), Accel::Kvm, 99), Pages::Small, "not shared");
        let off = Spec { pages: Some(Pages::Small), ..shared(64) };
        assert_eq!(chosen(&off, Accel::Kvm, 99), Pages::Small);
    }

    #[test]
    fn who_wants_them_hears_why_not() {
        let wanted = |mib| spec(Net::User, Some(Pages::Huge), mib);
        let chosen =
            |spec: &Spec, vmm, free| choose(spec, vmm, Accel::Kvm, &host(free)).map_err(|error| error.to_string());
        assert_eq!(chosen(&wanted(64), Vmm::Qemu, 32), Ok(Pages::Huge));
        let too_few = chosen(&wanted(64), Vmm::Qemu, 31).unwrap_err();
        assert!(
            too_few.contains("32 huge pages, and 31 are free") && too_few.contains("vm.nr_hugepages=32"),
            "{too_few}"
        );
        assert!(chosen(&wanted(63), Vmm::Qemu, 99).unwrap_err().contains("2M each"));
        assert!(chosen(&wanted(64), Vmm::Uhyve, 99).unwrap_err().contains("--vmm uhyve"));
    }
}
