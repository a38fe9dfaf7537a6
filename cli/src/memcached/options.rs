//! The options of memcached 1.6.18, by its names. Values are words here: what they may be is for [`super::settings`].

use clap::{ArgAction, Parser};

const AFTER: &str = "\
`docs/options.md` says of each option what becomes of it.

Exit codes, memcached's: 0 ended by a signal, or by a client's `shutdown`; 1 and 64 a wrong option; 71 an address that
cannot be listened at. And those of `memstorm run`: 10 - 15 the appliance refused to start, 40 - 50 it crashed.";

/// Boot an appliance that behaves as memcached would with these options, on 127.0.0.1 if -l names no other address
#[derive(Debug, Parser)]
#[command(name = "memstorm memcached", after_help = AFTER, disable_help_flag = true, disable_version_flag = true)]
#[command(no_binary_name = true, infer_long_args = true, allow_negative_numbers = true, args_override_self = true)]
pub(crate) struct Options {
    /// TCP port to listen on; 0 is off
    #[arg(short = 'p', long, value_name = "NUM", default_value = "11211")]
    pub(crate) port: String,
    /// UDP port to listen on; 0 is off
    #[arg(short = 'U', long, value_name = "NUM", default_value = "0")]
    pub(crate) udp_port: String,
    /// Refused: clients come by TCP or UDP
    #[arg(short = 's', long, value_name = "FILE")]
    pub(crate) unix_socket: Option<String>,
    /// Accepted
    #[arg(short = 'a', long, value_name = "MASK")]
    unix_mask: Option<String>,
    /// Enable the command `shutdown`
    #[arg(short = 'A', long)]
    pub(crate) enable_shutdown: bool,
    /// Addresses of this host to listen on, as ADDR or ADDR:PORT, separated by commas
    #[arg(short = 'l', long, value_name = "ADDR", value_delimiter = ',', default_value = "127.0.0.1")]
    pub(crate) listen: Vec<String>,
    /// Return once the appliance serves, and leave it running
    #[arg(short = 'd', long)]
    pub(crate) daemon: bool,
    /// Accepted
    #[arg(short = 'r', long)]
    enable_coredumps: bool,
    /// Accepted: the appliance runs as the caller
    #[arg(short = 'u', long, value_name = "USER")]
    user: Option<String>,
    /// Item memory in MiB
    #[arg(short = 'm', long, value_name = "NUM", default_value = "64")]
    pub(crate) memory_limit: String,
    /// Return an error when memory is exhausted, instead of evicting
    #[arg(short = 'M', long)]
    pub(crate) disable_evictions: bool,
    /// Connections at a time
    #[arg(short = 'c', long, value_name = "NUM", default_value = "1024")]
    pub(crate) conn_limit: String,
    /// Accepted
    #[arg(short = 'k', long)]
    lock_memory: bool,
    /// Show the appliance's console on standard error; twice shows more of it
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print this help and exit
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the license and exit
    #[arg(short = 'i', long)]
    pub(crate) license: bool,
    /// Print the version and exit
    #[arg(short = 'V', long)]
    pub(crate) version: bool,
    /// Save a process id whose end ends the appliance: this one's, with -d the VMM's
    #[arg(short = 'P', long, value_name = "FILE")]
    pub(crate) pidfile: Option<String>,
    /// Accepted: there are no slabs
    #[arg(short = 'f', long, value_name = "NUM", default_value = "1.25")]
    pub(crate) slab_growth_factor: String,
    /// Accepted: there are no slabs
    #[arg(short = 'n', long, value_name = "BYTES", default_value = "48")]
    pub(crate) slab_min_size: String,
    /// Use huge pages that were set aside, if there are enough
    #[arg(short = 'L', long)]
    pub(crate) enable_largepages: bool,
    /// Accepted: nothing is counted by prefix
    #[arg(short = 'D', value_name = "CHAR")]
    prefix_delimiter: Option<String>,
    /// Cores, at most as many as this machine has [default: 1]
    #[arg(short = 't', long, value_name = "NUM")]
    pub(crate) threads: Option<String>,
    /// Accepted: a turn of a core takes a bounded number of packets
    #[arg(short = 'R', long, value_name = "NUM", default_value = "20")]
    pub(crate) max_reqs_per_event: String,
    /// Disable use of CAS
    #[arg(short = 'C', long)]
    pub(crate) disable_cas: bool,
    /// Half-open connections that a core keeps
    #[arg(short = 'b', long, value_name = "NUM", default_value = "1024")]
    pub(crate) listen_backlog: String,
    /// Protocol: ascii, binary, or auto
    #[arg(short = 'B', long, value_name = "NAME", default_value = "auto")]
    pub(crate) protocol: String,
    /// Largest item in bytes, with k or m
    #[arg(short = 'I', long, value_name = "NUM", default_value = "1m")]
    pub(crate) max_item_size: String,
    /// Refused: there is no SASL
    #[arg(short = 'S', long)]
    pub(crate) enable_sasl: bool,
    /// Disable the command flush_all
    #[arg(short = 'F', long)]
    pub(crate) disable_flush_all: bool,
    /// Disable the listings of keys
    #[arg(short = 'X', long)]
    pub(crate) disable_dumping: bool,
    /// Disable the command watch
    #[arg(short = 'W', long)]
    pub(crate) disable_watch: bool,
    /// Ask clients for the user and password in this file
    #[arg(short = 'Y', long, value_name = "FILE")]
    pub(crate) auth_file: Option<String>,
    /// Refused: memory is not kept
    #[arg(short = 'e', long, value_name = "FILE")]
    pub(crate) memory_file: Option<String>,
    /// Refused: there is no TLS
    #[arg(short = 'Z', long)]
    pub(crate) enable_ssl: bool,
    /// Extended options, separated by commas
    #[arg(short = 'o', long, value_name = "NAME[=VALUE]", value_delimiter = ',')]
    pub(crate) extended: Vec<String>,
    /// Accepted
    #[arg(short = 'N', long = "napi_ids", value_name = "NUM")]
    napi_ids: Option<String>,
    /// Ignored, as by memcached
    #[arg(hide = true)]
    pub(crate) others: Vec<String>,
}
