//! Notes what compiles: instructions of a request are compared under the same compiler only.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_INCREMENTAL");
    let rustc = env::var_os("RUSTC").expect("cargo names the compiler");
    let output = Command::new(rustc).arg("--version").output().expect("the compiler says its version");
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut compiler = printed.trim().trim_start_matches("rustc ").to_owned();
    // Its options are part of it.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().replace('\u{1f}', " ");
    let level = env::var("OPT_LEVEL").unwrap_or_default();
    if !flags.is_empty() {
        compiler = format!("{compiler} {flags}");
    }
    if level != "3" {
        compiler = format!("{compiler} -Copt-level={level}");
    }
    // It cuts crates into other units, which are optimised each by itself.
    if env::var("CARGO_INCREMENTAL").is_ok_and(|incremental| incremental == "1") {
        compiler.push_str(" -Cincremental");
    }
    println!("cargo::rustc-env=BENCH_COMPILER={compiler}");
}
