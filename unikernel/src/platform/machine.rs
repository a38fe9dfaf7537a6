//! The boot, up to the point where a NIC can be looked for.

use abi::config::Config;
use abi::console::Phase;
use abi::exit::Exit;
use abi::memory::Division;
use netstack::time::Instant;

use super::acpi::{self, Acpi};
use super::boot_info::{self, BootInfo};
use super::cores::ApicIds;
use super::entropy::{self, Seed};
use super::heap::BootHeap;
use super::interrupts::Interrupts;
use super::memory::Ram;
use super::pci::{self, ConfigSpace, Function};
use super::time::Clock;
use super::{console, cores, cpu, image, power};
use crate::{crash, log, monitor};

/// Functions on PCI that are looked at.
const MAX_FUNCTIONS: usize = 64;
/// Where KVM and PCs have their I/O APIC, for uhyve, which has no tables to say so.
const DEFAULT_IO_APIC: u32 = 0xfec0_0000;
/// Pins of that I/O APIC.
const UHYVE_FIRST_GSI: u32 = 0;
/// Least memory, in bytes, beside the image.
const LEAST_MEMORY: u64 = 4 << 20;

/// How the monitor was entered, by the number it hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootProtocol {
    /// Xen's PVH.
    Pvh,
    /// Hermit's, from uhyve.
    Hermit,
}

/// The machine after boot.
pub struct Machine {
    /// The configuration, with `conn_limit` cut to what memory allows.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    /// RAM that is left.
    pub ram: Ram,
    /// Interrupts of devices.
    pub interrupts: Interrupts,
    /// A seed.
    pub seed: Seed,
    /// Cores, those parked included.
    pub cores: u32,
    /// Their APIC ids.
    pub apic_ids: ApicIds,
    /// What ACPI says.
    pub acpi: Acpi,
    /// Functions on PCI.
    pub functions: heapless::Vec<Function, MAX_FUNCTIONS>,
    /// Boot phases so far.
    pub phases: heapless::Vec<Phase<'static>, 8>,
    /// Whether uhyve runs it.
    pub is_uhyve: bool,
}

impl Machine {
    /// Boots the machine that the monitor was entered on. Ends the appliance with a reason where it cannot go on.
    ///
    /// # Safety
    ///
    /// Called once, on the first core, with what the monitor handed over.
    #[allow(unsafe_code)]
    pub unsafe fn boot(protocol: BootProtocol, info: u64, heap: &BootHeap) -> Machine {
        let tsc_at_entry = cpu::tsc();
        match protocol {
            BootProtocol::Pvh => console::init_uart(),
            BootProtocol::Hermit => console::init_uhyve(),
        }
        // SAFETY: the caller's promise.
        let info = unsafe {
            match protocol {
                BootProtocol::Pvh => boot_info::pvh::read(info),
                BootProtocol::Hermit => boot_info::hermit::read(info),
            }
        };
        let info = info.unwrap_or_else(|error| power::exit(Exit::BadPlatform, format_args!("{error}")));
        let mut config = read_config(&info);
        console::set_level(config.console);
        crash::set_on_crash(config.on_crash);
        // SAFETY: called once; boot information is not used from here on, but for copies.
        let ram = unsafe { Ram::claim(&info.ram) }.filter(|ram| ram.total() >= LEAST_MEMORY);
        let Some(mut ram) = ram else {
            power::exit(Exit::TooLittleMemory, format_args!("too little memory: give the machine 16 MiB or more"))
        };
        let acpi = if info.uhyve.is_some() { Acpi::default() } else { acpi::read(info.rsdp) };
        let core_ids = core_ids(&info, &acpi);
        let serving = core_ids.len().clamp(1, config.threads.map_or(usize::MAX, usize::from)) as u64;
        let division = Division::of(ram.total(), &config, serving);
        config.conn_limit = division.conn_limit;
        give_heap(&mut ram, &division, heap);

        let apic = monitor::apic();
        let Some(clock) = Clock::start(tsc_at_entry, apic.timer, info.uhyve) else {
            power::exit(
                Exit::BadPlatform,
                format_args!("no clock: neither kvmclock nor CPUID nor a PIT tells its rate"),
            )
        };
        log!(Debug, "clock from {:?}", clock.source);
        if let Some((port, sleep_type)) = acpi.soft_off {
            power::set_soft_off(port, sleep_type);
        }
        let functions = scan_pci(&acpi);
        let seed = find_entropy(&acpi, &functions);
        let interrupts = interrupts(&acpi, info.uhyve.is_some(), apic.id);
        let mut phases = heapless::Vec::new();
        end_phase(&mut phases, "platform", clock.now());
        let apic_ids = cores::start(&core_ids, &mut ram, &clock, cpu::has_hypervisor());
        end_phase(&mut phases, "cores", clock.now());
        let is_uhyve = info.uhyve.is_some();
        let cores = apic_ids.len() as u32;
        Machine { config, clock, ram, interrupts, seed, cores, apic_ids, acpi, functions, phases, is_uhyve }
    }

    /// Notes that a boot phase has ended.
    pub fn end_phase(&mut self, name: &'static str) {
        end_phase(&mut self.phases, name, self.clock.now());
    }
}

fn end_phase(phases: &mut heapless::Vec<Phase<'static>, 8>, name: &'static str, now: Instant) {
    let _ = phases.push(Phase { name, end_us: now.as_micros() }); // a ninth phase would not be shown
}

/// The configuration: what the image was built with, then the command line.
fn read_config(info: &BootInfo) -> Config {
    let mut config = Config::default();
    let header = image::header();
    let Some(built_in) = header.config() else {
        power::exit(Exit::BadConfig, format_args!("the image header is damaged: build the image again"))
    };
    // uhyve separates its own arguments from the application's by `--`; here they are the same.
    let command_line = info.command_line.split(" -- ").flat_map(|part| part.split("-- "));
    for part in core::iter::once(built_in).chain(command_line) {
        if let Err(error) = config.apply(part) {
            power::exit(Exit::BadConfig, format_args!("{error}"));
        }
    }
    config
}

#[allow(unsafe_code)]
fn give_heap(ram: &mut Ram, division: &Division, heap: &BootHeap) {
    let Some(range) = ram.take(division.heap_bytes, super::memory::PAGE) else {
        power::exit(Exit::TooLittleMemory, format_args!("too little memory for {} connections", division.conn_limit))
    };
    // SAFETY: just taken, and mapped by `Ram::claim`; the heap is the caller's, still empty.
    unsafe { heap.init(range) };
}

fn scan_pci(acpi: &Acpi) -> heapless::Vec<Function, MAX_FUNCTIONS> {
    let mut functions = heapless::Vec::new();
    if let Some(config) = ConfigSpace::find(acpi.ecam) {
        pci::for_each_function(config, &mut |function| {
            let _ = functions.push(function); // the machine has more than we look at
        });
    }
    functions
}

fn find_entropy(acpi: &Acpi, functions: &[Function]) -> Seed {
    let seed = entropy::from_cpu()
        .or_else(|| acpi.virtio_mmio.iter().find_map(entropy::from_virtio_mmio))
        .or_else(|| functions.iter().find_map(entropy::from_virtio_pci));
    seed.unwrap_or_else(|| {
        let reason = "no entropy: the CPU has neither RDSEED nor RDRAND, and there is no virtio-rng device";
        power::exit(Exit::NoEntropy, format_args!("{reason}"))
    })
}

fn interrupts(acpi: &Acpi, is_uhyve: bool, apic_id: u32) -> Interrupts {
    let default = [acpi::madt::IoApicEntry { address: DEFAULT_IO_APIC, first_gsi: UHYVE_FIRST_GSI }];
    match &acpi.madt {
        Some(madt) => Interrupts::new(&madt.io_apics, apic_id),
        None if is_uhyve => Interrupts::new(&default, apic_id),
        None => Interrupts::new(&[], apic_id),
    }
}

/// The cores that ACPI or uhyve names, by their APIC ids; uhyve numbers its cores from 0.
fn core_ids(info: &BootInfo, acpi: &Acpi) -> ApicIds {
    match (&acpi.madt, info.uhyve) {
        (Some(madt), _) => madt.cores.clone(),
        (None, Some(uhyve)) => (0..uhyve.cores).take(acpi::madt::MAX_CORES).collect(),
        (None, None) => ApicIds::new(),
    }
}
