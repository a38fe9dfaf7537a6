//! uhyve's command line. It prints the console on its standard output.

use crate::{CommandLine, Files, Plan};

/// See [`super::command_line`].
pub(super) fn command_line(plan: &Plan, files: &Files) -> CommandLine {
    let mut line = CommandLine::new(&plan.program);
    line.option("--memory-size", format!("{}MiB", plan.memory.mib));
    line.option("--cpu-count", plan.cores.to_string());
    line.option("--net", plan.net.to_string());
    line.arg(files.image());
    // What stands before a second `--` becomes the kernel's command line (`/chosen/bootargs`).
    if !plan.words.is_empty() {
        line.arg("--");
        plan.words.split_ascii_whitespace().for_each(|word| line.arg(word));
    }
    line
}

#[cfg(test)]
mod tests {
    use abi::config::Config;

    use super::*;
    use crate::{Accel, Listen, Machine, Memory, Net, Pages, Vmm};

    #[test]
    fn words_follow_the_kernel() {
        let mut plan = Plan {
            vmm: Vmm::Uhyve,
            program: "uhyve".into(),
            accel: Accel::Kvm,
            machine: Machine::Microvm,
            net: Net::Tap("tap7".to_owned()),
            cores: 2,
            memory: Memory { mib: 64 },
            pages: Pages::Small,
            listen: Listen::on_loopback(11211),
            words: String::new(),
            http: None,
            guest: Config::default(),
        };
        let line = |plan: &Plan| command_line(plan, &Files::new("/run/m".into())).to_string();
        let bare = "uhyve --memory-size 64MiB --cpu-count 2 --net tap:tap7 /run/m/memstorm.elf";
        assert_eq!(line(&plan), bare);
        plan.words = "ip=192.0.2.7/24 batch=8".to_owned();
        assert_eq!(line(&plan), format!("{bare} -- ip=192.0.2.7/24 batch=8"));
    }
}
