//! The exit codes of an appliance.
//!
//! The appliance hands its code to the VMM when it powers off (QEMU: the `isa-debug-exit` device; uhyve: its exit
//! port), and `memstorm run` exits with the same number. Codes 1 and 2 belong to the host: a failure of `memstorm`
//! itself, and a wrong command line.

/// Port of QEMU's `isa-debug-exit` device. Writing `code` ends QEMU with status `code << 1 | 1`.
pub const DEBUG_EXIT_PORT: u16 = 0x501;

macro_rules! exit_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// Why an appliance ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Exit { $($(#[doc = $doc])+ $name = $code,)+ }

        impl Exit {
            /// Every code, in ascending order.
            pub const ALL: &[Exit] = &[$(Exit::$name,)+];

            /// What happened, as a phrase for people.
            pub const fn describe(self) -> &'static str {
                match self { $(Exit::$name => $text,)+ }
            }
        }
    };
}

exit_codes! {
    /// Powered off on request.
    PowerOff = 0, "powered off";
    /// A key of the configuration is unknown or malformed.
    BadConfig = 10, "the configuration has an unknown or malformed key";
    /// Too little memory to serve.
    TooLittleMemory = 11, "too little memory";
    /// No supported network device.
    NoNic = 12, "no network device";
    /// No address: none configured and no DHCP answer in time.
    NoAddress = 13, "no IP address";
    /// Neither RDRAND, RDSEED nor a virtio-rng device.
    NoEntropy = 14, "no source of entropy";
    /// The platform lacks something essential; the console names it.
    BadPlatform = 15, "the platform lacks something essential";
    /// #DE.
    DivideError = 40, "crash: divide error";
    /// #UD outside the monitor's gate.
    InvalidOpcode = 41, "crash: invalid opcode";
    /// A Rust panic.
    Panic = 42, "crash: panic";
    /// An access to page 0.
    NullAccess = 43, "crash: access through a null pointer";
    /// An access to the guard page below a stack.
    StackOverflow = 44, "crash: stack overflow";
    /// A write to read-only memory.
    WriteProtected = 45, "crash: write to read-only memory";
    /// An instruction fetch from memory that is not text.
    ExecuteData = 46, "crash: execution of data";
    /// #GP.
    GeneralProtection = 47, "crash: general protection fault";
    /// A page fault of another kind.
    PageFault = 48, "crash: page fault";
    /// Any other exception.
    Exception = 49, "crash: exception";
    /// A fault inside the fault handler.
    CrashInCrash = 50, "crash: a second fault while reporting the first";
}

impl Exit {
    /// The exit code with this number.
    pub fn from_code(code: u8) -> Option<Exit> {
        Exit::ALL.iter().copied().find(|exit| *exit as u8 == code)
    }

    /// The number that `memstorm run` exits with.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Whether this is a crash, so that a crash report precedes it on the console.
    pub const fn is_crash(self) -> bool {
        self.code() >= Exit::DivideError.code()
    }

    /// Decodes QEMU's exit status; `None` if the appliance did not choose it.
    pub fn from_qemu_status(status: i32) -> Option<Exit> {
        let status = u8::try_from(status).ok()?;
        if status & 1 == 1 { Exit::from_code(status >> 1) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ascending_and_survive_qemu() {
        for pair in Exit::ALL.windows(2) {
            assert!(pair[0].code() < pair[1].code());
        }
        for exit in Exit::ALL {
            assert!(exit.code() < 128, "QEMU shifts the code left by one");
            assert_eq!(Exit::from_qemu_status(i32::from(exit.code()) << 1 | 1), Some(*exit));
        }
        assert_eq!(Exit::from_qemu_status(0), None);
        assert_eq!(Exit::from_qemu_status(-1), None);
    }
}
