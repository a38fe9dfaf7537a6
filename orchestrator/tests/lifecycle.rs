//! The life of an instance, with a shell script in the place of the VMM: from the launch to its end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use abi::config::Config;
use abi::exit::Exit;
use image::{BuildId, Image};
use orchestrator::{
    Accel, Booting, Ending, Error, Lifetime, Listen, Machine, Memory, Net, NotReady, Pages, Plan, Ready, StateDir, Vmm,
    free_port, launch, stop, wait_ready,
};

const LIMIT: Duration = Duration::from_secs(10);
const READY: &str = "ready: ip=10.0.2.15 port=11211 cores=1/1 store=1 phases=platform:200,nic:500";

/// A state directory, and a VMM that does what a script says. `$console` is the file of its console.
struct Stage {
    directory: tempfile::TempDir,
    state: StateDir,
    plan: Plan,
}

impl Stage {
    fn new(script: &str) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("vmm");
        let find_console =
            r#"for a; do case $a in file,id=console,path=*) console=${a#file,id=console,path=} ;; esac; done"#;
        fs::write(&program, format!("#!/bin/sh\n{find_console}\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let state = StateDir::at(directory.path().join("state")).unwrap();
        let plan = Plan {
            vmm: Vmm::Qemu,
            program,
            accel: Accel::Tcg,
            machine: Machine::Microvm,
            net: Net::User,
            cores: 1,
            memory: Memory { mib: 64 },
            pages: Pages::Small,
            listen: Listen::on_loopback(free_port().unwrap()),
            words: String::new(),
            http: None,
            guest: Config::default(),
        };
        Stage { directory, state, plan }
    }

    /// The port of the host that is forwarded.
    fn port(&self) -> u16 {
        self.plan.listen.tcp[0].port()
    }

    fn launch(&self) -> Result<Booting, Error> {
        self.launch_for(Lifetime::Own)
    }

    fn launch_for(&self, lifetime: Lifetime) -> Result<Booting, Error> {
        let image = Image { bytes: b"an image".to_vec(), build_id: BuildId([7; 20]) };
        launch(&self.state, self.state.reserve(None)?, &self.plan, &image, lifetime)
    }

    fn wait(&self, booting: &mut Booting, limit: Duration) -> Result<Ready, NotReady> {
        wait_ready(&self.state, booting, limit, &AtomicBool::new(false))
    }

    fn stop(&self) {
        let entry = self.state.find(None).unwrap();
        stop(&self.state, &entry).unwrap();
        assert!(!entry.is_running());
        assert!(!entry.files.directory().exists());
    }
}

/// Answers `version` on the port that a VMM would forward, to all but the first `silent` clients.
fn serve(port: u16, silent: usize) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        let mut ignored = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if ignored.len() < silent {
                ignored.push(stream);
                continue;
            }
            let mut request = [0; 16];
            let length = stream.read(&mut request).unwrap();
            assert_eq!(&request[..length], b"version\r\n");
            stream.write_all(b"VERSION 1.6.18\r\n").unwrap();
        }
    });
}

#[test]
fn from_launch_to_stop() {
    let stage = Stage::new(&format!("echo info: hello >$console; echo {READY} >>$console; exec sleep 60"));
    let mut booting = stage.launch().unwrap();
    serve(stage.port(), 0);
    let ready = stage.wait(&mut booting, LIMIT).unwrap();
    assert_eq!(ready.address, SocketAddr::from(([127, 0, 0, 1], stage.port())));
    let names: Vec<_> = ready.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(names, ["vmm", "platform", "nic", "answer"]);
    assert!(ready.phases.is_sorted_by_key(|phase| phase.end_us));
    let end_ms = ready.phases.last().unwrap().end_us as f64 / 1e3;
    assert!((end_ms - ready.ready_ms).abs() < 0.01, "{end_ms} {}", ready.ready_ms);

    let entry = stage.state.find(Some("memstorm")).unwrap();
    assert!(entry.is_running());
    assert_eq!(entry.record.ready, Some(ready));
    assert_eq!(fs::read(entry.files.image()).unwrap(), b"an image");
    assert!(entry.record.command_line.contains("-kernel"));

    stage.stop();
    assert_eq!(booting.try_wait().unwrap(), Some(Ending::Stopped));
    assert_eq!(booting.console, ["info: hello", READY]);
    assert!(stage.state.list().unwrap().is_empty());
}

#[test]
fn the_vmm_has_a_session_of_its_own() {
    let stage = Stage::new("exec sleep 60");
    let booting = stage.launch().unwrap();
    let pid = booting.record.process.pid.to_string();
    let stat = fs::read_to_string(Path::new("/proc").join(&pid).join("stat")).unwrap();
    let session = stat[stat.rfind(')').unwrap()..].split(' ').nth(4).unwrap();
    assert_eq!(session, pid);
    stage.stop();
}

#[test]
fn a_vmm_ends_with_its_launcher_if_it_is_to() {
    let (lasting, bound) = (Stage::new("exec sleep 60"), Stage::new("exec sleep 60"));
    let launch = || (lasting.launch_for(Lifetime::Own).unwrap(), bound.launch_for(Lifetime::Launchers).unwrap());
    // The thread is over with that.
    let (mut lasting_one, mut bound_one) = thread::scope(|scope| scope.spawn(launch).join().unwrap());
    let deadline = Instant::now() + LIMIT;
    while bound_one.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it outlives its launcher");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(lasting_one.try_wait().unwrap(), None);
    lasting.stop();
}

#[test]
fn the_vmm_gets_none_of_our_files() {
    let (reader, writer) = std::io::pipe().unwrap();
    // A file without close-on-exec, as a shell hands them down.
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
    let stage = Stage::new("exec sleep 60");
    let booting = stage.launch().unwrap();
    let pipe = fs::read_link(format!("/proc/self/fd/{}", reader.as_raw_fd())).unwrap();
    let files = fs::read_dir(format!("/proc/{}/fd", booting.record.process.pid)).unwrap();
    for file in files.flatten() {
        assert_ne!(fs::read_link(file.path()).ok().as_ref(), Some(&pipe));
    }
    stage.stop();
}

#[test]
fn a_server_that_is_slow_to_answer_is_asked_again() {
    let stage = Stage::new(&format!("echo {READY} >$console; exec sleep 60"));
    let mut booting = stage.launch().unwrap();
    serve(stage.port(), 2);
    assert!(stage.wait(&mut booting, LIMIT).unwrap().ready_ms >= 500.0, "two requests got no answer");
    stage.stop();
}

#[test]
fn a_guest_that_refuses_to_start_says_why() {
    let stage = Stage::new("printf 'error: no\\r\\nexit: code=10 unknown key' >$console; exit 21");
    let mut booting = stage.launch().unwrap();
    let Err(NotReady::Ended(ending)) = stage.wait(&mut booting, LIMIT) else { panic!("not ended") };
    assert_eq!(ending, Ending::Guest(Exit::BadConfig));
    assert_eq!(booting.console, ["error: no", "exit: code=10 unknown key"]);
    assert!(!stage.state.find(None).unwrap().is_running(), "its console can still be read");
    stage.stop();
}

#[test]
fn a_vmm_that_fails_at_once_is_quoted() {
    let stage = Stage::new("echo 'qemu: no such machine' >&2; exit 1");
    let mut booting = stage.launch().unwrap();
    let Err(NotReady::Ended(ending)) = stage.wait(&mut booting, LIMIT) else { panic!("not ended") };
    assert_eq!(ending.to_string(), "qemu ended with status 1: qemu: no such machine");
}

#[test]
fn a_silent_guest_is_given_up_in_time() {
    let stage = Stage::new("exec sleep 60");
    let mut booting = stage.launch().unwrap();
    let begin = Instant::now();
    let Err(NotReady::TimedOut(what)) = stage.wait(&mut booting, Duration::from_millis(100)) else { panic!() };
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(what.contains("did not say"), "{what}");
    stage.stop();
}

#[test]
fn a_guest_that_says_ready_but_does_not_serve_is_given_up() {
    let stage = Stage::new(&format!("echo {READY} >$console; exec sleep 60"));
    let mut booting = stage.launch().unwrap();
    let Err(NotReady::TimedOut(what)) = stage.wait(&mut booting, Duration::from_millis(300)) else { panic!() };
    assert!(what.contains(&format!("127.0.0.1:{} does not answer", stage.port())), "{what}");
    stage.stop();
}

#[test]
fn waiting_can_be_interrupted() {
    let stage = Stage::new("exec sleep 60");
    let mut booting = stage.launch().unwrap();
    let result = wait_ready(&stage.state, &mut booting, LIMIT, &AtomicBool::new(true));
    assert!(matches!(result, Err(NotReady::Interrupted)));
    stage.stop();
}

#[test]
fn what_is_deaf_to_signals_is_killed() {
    let stage = Stage::new("trap '' TERM; echo deaf >$console; while :; do sleep 1; done");
    let mut booting = stage.launch().unwrap();
    while booting.console.is_empty() {
        booting.read_console().unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    stage.stop();
}

#[test]
fn a_port_in_use_is_named_with_its_user() {
    let stage = Stage::new("exec sleep 60");
    let taken = TcpListener::bind(("127.0.0.1", stage.port())).unwrap();
    let error = stage.launch().unwrap_err().to_string();
    assert!(error.starts_with(&format!("port {} on 127.0.0.1 is in use: ", stage.port())), "{error}");
    assert!(stage.state.list().unwrap().is_empty(), "the name is free again");
    drop(taken);
}

#[test]
fn what_is_missing_is_named_before_the_vmm_starts() {
    let mut stage = Stage::new("exec sleep 60");
    stage.plan.net = Net::Tap("nosuchtap0".to_owned());
    assert!(stage.launch().unwrap_err().to_string().contains("ip tuntap add nosuchtap0"));
    stage.plan.net = Net::VhostUser(stage.directory.path().join("none.sock"));
    assert!(stage.launch().unwrap_err().to_string().contains("none.sock"));
    stage.plan.net = Net::User;
    stage.plan.program = "/nowhere/qemu".into();
    assert!(stage.launch().unwrap_err().to_string().starts_with("cannot start /nowhere/qemu: "));
    assert!(stage.state.list().unwrap().is_empty());
}

#[test]
fn with_vhost_user_the_console_decides() {
    let mut stage = Stage::new(&format!("echo {READY} >$console; exec sleep 60"));
    let socket = stage.directory.path().join("vhost.sock");
    fs::write(&socket, "").unwrap();
    stage.plan.net = Net::VhostUser(socket);
    let mut booting = stage.launch().unwrap();
    let ready = stage.wait(&mut booting, LIMIT).unwrap();
    assert_eq!(ready.address.to_string(), "10.0.2.15:11211");
    assert_eq!(ready.phases.last().unwrap().name, "nic");
    stage.stop();
}
