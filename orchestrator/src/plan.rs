//! From what the user asks and what the host offers to what is run.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::PathBuf;

use abi::config::Config;

use crate::host::{Host, KvmState};
use crate::spec::{Accel, Listen, Machine, Memory, Net, Pages, Spec, Validation, Vmm};
use crate::{Error, pages};

/// uhyve loads images of its first interface below this much memory.
const UHYVE_MOST_MIB: u32 = 3 << 10;
/// uhyve refuses less.
const UHYVE_LEAST_MIB: u32 = 16;

/// An appliance about to be run: nothing is left to choose.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The VMM.
    pub vmm: Vmm,
    /// Its program.
    pub program: PathBuf,
    /// The accelerator.
    pub accel: Accel,
    /// QEMU's machine.
    pub machine: Machine,
    /// The network.
    pub net: Net,
    /// Cores.
    pub cores: u32,
    /// Memory.
    pub memory: Memory,
    /// What that consists of.
    pub pages: Pages,
    /// With [`Net::User`]: what is forwarded.
    pub listen: Listen,
    /// With [`Net::User`]: what is forwarded to the port for HTTP, if there is one.
    pub http: Option<SocketAddrV4>,
    /// The guest's command line.
    pub words: String,
    /// What the guest will make of its baked configuration and its command line.
    pub guest: Config,
}

/// Chooses what `spec` leaves open. `baked` is the configuration in the image.
pub fn plan(spec: &Spec, host: &Host, baked: &str) -> Result<Plan, Error> {
    let vmm = spec.vmm.unwrap_or(Vmm::Qemu);
    let accel = choose_accel(spec, vmm, host)?;
    let (found, advice) = match vmm {
        Vmm::Qemu => (&host.qemu, "install it with `apt-get install qemu-system-x86`"),
        Vmm::Uhyve => (&host.uhyve, "install it with `cargo install --locked uhyve`"),
    };
    if vmm == Vmm::Uhyve {
        check_uhyve(spec)?;
    }
    let missing = || Error::Missing { what: format!("{vmm} is not on this host"), advice: advice.to_owned() };
    let guest = guest_config(spec, baked)?;
    Ok(Plan {
        vmm,
        program: found.clone().ok_or_else(missing)?,
        accel,
        machine: spec.machine.unwrap_or_default(),
        net: spec.net.clone(),
        cores: spec.cores,
        memory: spec.memory,
        pages: pages::choose(spec, vmm, accel, host)?,
        listen: spec.listen.clone(),
        http: if spec.net == Net::User { http_address(guest.http_port)? } else { None },
        words: spec.append.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
        guest,
    })
}

/// Where the host listens for HTTP: on loopback, at the port that the guest has for it, or another if that is taken.
fn http_address(guest_port: u16) -> Result<Option<SocketAddrV4>, Error> {
    if guest_port == 0 {
        return Ok(None);
    }
    let same = SocketAddrV4::new(Ipv4Addr::LOCALHOST, guest_port);
    match TcpListener::bind(same) {
        Ok(_) => Ok(Some(same)),
        Err(_) => Ok(Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, crate::free_port()?))),
    }
}

fn choose_accel(spec: &Spec, vmm: Vmm, host: &Host) -> Result<Accel, Error> {
    let wanted = match (vmm, spec.accel) {
        (Vmm::Uhyve, Some(Accel::Tcg)) => {
            return Err(Error::Usage("--vmm uhyve runs on KVM only: leave out --accel tcg".to_owned()));
        }
        (Vmm::Uhyve, None) => Some(Accel::Kvm),
        (_, accel) => accel,
    };
    match (wanted, &host.kvm) {
        (Some(Accel::Kvm), KvmState::Fails(why)) => Err(Error::Missing {
            what: format!("KVM does not work here ({why})"),
            advice: "see `memstorm doctor`, or leave out --accel kvm to run under QEMU's translator".to_owned(),
        }),
        (Some(accel), _) => Ok(accel),
        (None, KvmState::Works) => Ok(Accel::Kvm),
        (None, KvmState::Fails(_)) => Ok(Accel::Tcg),
    }
}

fn check_uhyve(spec: &Spec) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::Usage(why));
    if !matches!(spec.net, Net::Tap(_)) {
        return refuse(format!("--vmm uhyve needs --net tap:NAME, not {}", spec.net));
    }
    if spec.machine.is_some() {
        return refuse("--machine is QEMU's: leave it out with --vmm uhyve".to_owned());
    }
    if !(UHYVE_LEAST_MIB..UHYVE_MOST_MIB).contains(&spec.memory.mib) || !spec.memory.mib.is_multiple_of(2) {
        return refuse(format!("--memory {}: uhyve takes an even number of MiB from 16M to below 3G", spec.memory));
    }
    Ok(())
}

/// The configuration that the guest will have. If the guest is to check its words itself, those that would be refused
/// count as absent here.
fn guest_config(spec: &Spec, baked: &str) -> Result<Config, Error> {
    let mut config = Config::default();
    let applied = config.apply(baked).and_then(|()| config.apply(&spec.append));
    match (applied, spec.validation) {
        (Ok(()), _) | (Err(_), Validation::Guest) => Ok(config),
        (Err(error), Validation::Host) => Err(Error::Usage(format!("--append: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(kvm: KvmState) -> Host {
        Host { qemu: Some("/usr/bin/qemu".into()), uhyve: Some("/usr/bin/uhyve".into()), kvm, free_huge_pages: 0 }
    }

    fn spec() -> Spec {
        Spec {
            vmm: None,
            accel: None,
            machine: None,
            net: Net::User,
            cores: 1,
            memory: Memory { mib: 64 },
            pages: None,
            listen: Listen::on_loopback(11211),
            append: String::new(),
            validation: Validation::Host,
        }
    }

    fn refusal(spec: &Spec, host: &Host) -> String {
        plan(spec, host, "").unwrap_err().to_string()
    }

    #[test]
    fn takes_kvm_where_it_works_and_the_translator_elsewhere() {
        let chosen = |kvm| {
            let plan = plan(&spec(), &host(kvm), "").unwrap();
            (plan.vmm, plan.machine, plan.accel)
        };
        assert_eq!(chosen(KvmState::Works), (Vmm::Qemu, Machine::Microvm, Accel::Kvm));
        assert_eq!(chosen(KvmState::Fails("no".to_owned())), (Vmm::Qemu, Machine::Microvm, Accel::Tcg));
        let spec = Spec { accel: Some(Accel::Tcg), ..spec() };
        assert_eq!(plan(&spec, &host(KvmState::Works), "").unwrap().accel, Accel::Tcg);
    }

    #[test]
    fn says_what_is_missing_and_what_to_do() {
        let no_kvm = host(KvmState::Fails("/dev/kvm: Permission denied".to_owned()));
        let wants_kvm = Spec { accel: Some(Accel::Kvm), ..spec() };
        assert!(refusal(&wants_kvm, &no_kvm).contains("/dev/kvm: Permission denied"));
        let bare = Host { qemu: None, uhyve: None, ..host(KvmState::Works) };
        assert!(refusal(&spec(), &bare).contains("apt-get install qemu-system-x86"));
        let uhyve = Spec { vmm: Some(Vmm::Uhyve), net: Net::Tap("tap0".to_owned()), ..spec() };
        assert!(refusal(&uhyve, &bare).contains("cargo install --locked uhyve"));
        assert!(refusal(&uhyve, &no_kvm).contains("KVM does not work"));
    }

    #[test]
    fn uhyve_has_its_conditions() {
        let works = host(KvmState::Works);
        let uhyve = Spec { vmm: Some(Vmm::Uhyve), net: Net::Tap("tap0".to_owned()), ..spec() };
        assert_eq!(plan(&uhyve, &works, "").unwrap().accel, Accel::Kvm);
        assert!(refusal(&Spec { net: Net::User, ..uhyve.clone() }, &works).contains("--net tap:NAME"));
        assert!(refusal(&Spec { accel: Some(Accel::Tcg), ..uhyve.clone() }, &works).contains("KVM only"));
        assert!(refusal(&Spec { machine: Some(Machine::Pc), ..uhyve.clone() }, &works).contains("--machine"));
        for mib in [8, 63, 3072] {
            assert!(refusal(&Spec { memory: Memory { mib }, ..uhyve.clone() }, &works).contains("even number"));
        }
    }

    #[test]
    fn http_has_a_port_of_its_own() {
        let works = host(KvmState::Works);
        assert_eq!(plan(&spec(), &works, "").unwrap().http, None);
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let spec = Spec { append: format!("http-port={port}"), ..spec() };
        let other = plan(&spec, &works, "").unwrap().http.unwrap();
        assert!(other.ip().is_loopback() && other.port() != port);
        let tap = Spec { net: Net::Tap("tap0".to_owned()), ..spec };
        assert_eq!(plan(&tap, &works, "").unwrap().http, None);
    }

    #[test]
    fn knows_what_the_guest_will_do_with_its_words() {
        let works = host(KvmState::Works);
        let mut spec = Spec { append: " port=11300   batch=8 ".to_owned(), ..spec() };
        let planned = plan(&spec, &works, "port=11400 conn-limit=7").unwrap();
        assert_eq!((planned.guest.port, planned.guest.conn_limit), (11300, 7));
        assert_eq!(planned.words, "port=11300 batch=8");
        spec.append = "prt=1".to_owned();
        assert_eq!(refusal(&spec, &works), "--append: unknown key 'prt': did you mean 'port'?");
        assert!(plan(&spec, &works, "").unwrap_err().is_usage());
        spec.validation = Validation::Guest;
        assert_eq!(plan(&spec, &works, "").unwrap().words, "prt=1");
    }
}
