//! `memstorm memcached` where a script would start memcached: what it listens at, what it prints, how it ends.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ci::appliance::{Memstorm, free_port};
use ci::client::Client;
use ci::host;
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long the appliance may take to serve, and to be gone.
const LIMIT: Duration = Duration::from_secs(30);
const EX_USAGE: i32 = 64;
const EX_OSERR: i32 = 71;

pub(crate) fn trials() -> Vec<Trial> {
    let kvm = host::missing_kvm();
    vec![
        crate::trial("memcached's command line: a server", kvm, server),
        crate::trial("memcached's command line: what is switched off", kvm, switched_off),
        crate::trial("memcached's command line: idle connections", kvm, idle),
        crate::trial("memcached's command line: killed", kvm, killed),
        crate::trial("memcached's command line: a daemon", kvm, daemon),
        crate::trial("memcached's command line: refusals", None, refusals),
    ]
}

/// A command that runs, and what it prints.
struct Run {
    child: Child,
    printed: TempDir,
    port: u16,
}

impl Run {
    /// Starts `memstorm memcached -p PORT` with `options`, and waits until it answers.
    fn start(memstorm: &Memstorm, options: &str) -> Result<Run> {
        let (printed, port) = (tempfile::tempdir()?, free_port()?);
        let create = |name| File::create(printed.path().join(name));
        let mut command = memstorm.command();
        command.args(["memcached", "-p", &port.to_string()]).args(options.split_ascii_whitespace());
        let child = command.stdin(Stdio::null()).stdout(create("out")?).stderr(create("err")?).spawn()?;
        let mut run = Run { child, printed, port };
        let deadline = Instant::now() + LIMIT;
        while Client::connect(run.address()).and_then(|mut client| client.exchange(b"mn\r\n", b"MN\r\n")).is_err() {
            if let Some(status) = run.child.try_wait()? {
                bail!("ended with {status}: {}", run.text("err")?);
            }
            ensure!(Instant::now() < deadline, "does not answer: {}", run.text("err")?);
            thread::sleep(Duration::from_millis(50));
        }
        Ok(run)
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn client(&self) -> Result<Client> {
        Client::connect(self.address())
    }

    fn text(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.printed.path().join(name))?)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    /// Waits for the end, which has to come with exit code 0 and without a word on standard output.
    fn end(mut self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > deadline => bail!("does not end"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        ensure!(status.code() == Some(0), "ended with {status}: {}", self.text("err")?);
        ensure!(self.text("out")?.is_empty(), "printed on standard output: {}", self.text("out")?);
        ensure!(TcpStream::connect(self.address()).is_err(), "the port is still taken");
        Ok(())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A test has failed already; its own error is the one to show.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.signal(Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

/// TCP and UDP, what `-m` and the like come to, a process id, `-vv`, and SIGTERM.
fn server() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let (udp_port, folder) = (free_port()?, tempfile::tempdir()?);
    let pid_file = folder.path().join("memcached.pid");
    let options = format!("-m 64 -U {udp_port} -c 100 -t 64 -u nobody -vv -P {} extra", pid_file.display());
    let run = Run::start(&memstorm, &options)?;
    let mut client = run.client()?;
    client.exchange(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")?;
    let settings = client.stats("settings")?;
    let expected = [
        ("tcpport", run.port.to_string()),
        ("udpport", udp_port.to_string()),
        ("maxconns", "100".to_owned()),
        ("maxbytes", (64 << 20).to_string()),
        ("evictions", "on".to_owned()),
    ];
    for (name, value) in expected {
        let told = statistic(&settings, name)?;
        ensure!(told == value, "{name} is {told}, not {value}");
    }
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.send_to(b"\0\x07\0\0\0\x01\0\0get a\r\n", ("127.0.0.1", udp_port))?;
    let mut answer = [0; 1500];
    let len = socket.recv(&mut answer).context("no answer by UDP")?;
    ensure!(answer[..len] == *b"\0\x07\0\0\0\x01\0\0VALUE a 0 1\r\n1\r\nEND\r\n", "{:?}", &answer[..len]);
    let pid = fs::read_to_string(&pid_file)?;
    ensure!(pid.trim() == run.child.id().to_string(), "the process id is {pid}");
    let said = run.text("err")?;
    ensure!(said.contains("-t 64: this machine has") && said.contains("ignored: extra"), "{said}");
    run.signal(Signal::SIGHUP)?;
    thread::sleep(Duration::from_millis(200));
    client.exchange(b"get a\r\n", b"VALUE a 0 1\r\n1\r\nEND\r\n")?;
    let said = run.text("err")?;
    ensure!(said.contains("ready:"), "-vv shows no console: {said}");
    run.signal(Signal::SIGTERM)?;
    run.end()?;
    ensure!(!pid_file.exists(), "the file of the process id is still there");
    memstorm.finish()
}

/// The value of a line of `stats`.
fn statistic(stats: &[(String, String)], name: &str) -> Result<String> {
    let line = stats.iter().find(|(known, _)| known == name);
    line.map(|(_, value)| value.clone()).with_context(|| format!("stats has no {name}"))
}

/// `-M`, `-C`, `-F`, `-B ascii`, an authentication file, and an end by a client.
fn switched_off() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let run = Run::start(&memstorm, "-MCF -B ascii -A -I 4k -m16")?;
    let mut client = run.client()?;
    client.exchange(b"set a 0 0 1\r\n1\r\ngets a\r\n", b"STORED\r\nVALUE a 0 1 0\r\n1\r\nEND\r\n")?;
    client.exchange(b"flush_all\r\n", b"CLIENT_ERROR flush_all not allowed\r\n")?;
    client.exchange(
        format!("set b 0 0 4096\r\n{}\r\n", "v".repeat(4096)).as_bytes(),
        b"SERVER_ERROR object too large for cache\r\n",
    )?;
    run.client()?.exchange(&[&[0x80; 1][..], b"get\r\n"].concat(), b"ERROR\r\n")?;
    run.signal(Signal::SIGINT)?;
    run.end()?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), "alice:secret\n")?;
    let mut command = memstorm.command();
    let port = free_port()?;
    command.args(["memcached", "-d", "-p", &port.to_string(), "-Y"]).arg(file.path());
    ensure!(command.status()?.code() == Some(0));
    let mut client = Client::connect(([127, 0, 0, 1], port).into())?;
    client.exchange(b"get a\r\n", b"CLIENT_ERROR unauthenticated\r\n")?;
    client.exchange(b"set a 0 0 12\r\nalice secret\r\nget a\r\n", b"STORED\r\nEND\r\n")?;
    ensure!(!memstorm.call(&["ps", "-o", "json"])?.contains("secret"), "the password stands in a command line");
    memstorm.finish()
}

/// Who says nothing is let go, though nobody else wakes the appliance.
fn idle() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let run = Run::start(&memstorm, "-m 16 -o idle_timeout=2,no_lru_crawler")?;
    let mut client = run.client()?;
    client.exchange(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")?;
    client.expect_closed()?;
    let kicks = statistic(&run.client()?.stats("")?, "idle_kicks")?;
    ensure!(kicks.parse::<u32>()? > 0, "idle_kicks is {kicks}");
    run.signal(Signal::SIGUSR1)?;
    run.end()?;
    memstorm.finish()
}

/// Who ends it by force finds nothing left of it: not the VMM, and the port free.
fn killed() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let mut run = Run::start(&memstorm, "-m 16")?;
    run.signal(Signal::SIGKILL)?;
    run.child.wait()?;
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(run.address()).is_ok() {
        ensure!(Instant::now() < deadline, "the VMM outlives SIGKILL");
        thread::sleep(Duration::from_millis(20));
    }
    memstorm.finish()
}

/// The command returns; the process id is one that a signal ends.
fn daemon() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let (port, folder) = (free_port()?, tempfile::tempdir()?);
    let pid_file = folder.path().join("memcached.pid");
    let mut command = memstorm.command();
    command.args(["memcached", "-d", "-m", "16", "-l", "127.0.0.1", "-p", &port.to_string(), "-P"]).arg(&pid_file);
    ensure!(command.status()?.code() == Some(0));
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    Client::connect(address)?.exchange(b"get a\r\n", b"END\r\n")?;
    let pid: i32 = fs::read_to_string(&pid_file)?.trim().parse()?;
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(address).is_ok() {
        ensure!(Instant::now() < deadline, "the VMM, process {pid}, outlives SIGTERM");
        thread::sleep(Duration::from_millis(20));
    }
    memstorm.finish()
}

/// Each with memcached's exit code, at once, and with a word on standard error.
fn refusals() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = format!("-p {}", taken.local_addr()?.port());
    let mut cases = vec![
        ("-x", 1, "-x"),
        ("--foo", 1, "--foo"),
        ("-m", 1, "-m"),
        ("-c 0", 1, "-c"),
        ("-t 0", 1, "-t"),
        ("-o foo", 1, "Illegal suboption \"foo\""),
        ("-o ext_path=/a:1G", 1, "no storage"),
        ("-Y /nowhere", 1, "/nowhere"),
        ("-m 0", EX_USAGE, "-m"),
        ("-p 99999", EX_USAGE, "-p"),
        ("-B foo", EX_USAGE, "auto, binary, or ascii"),
        ("-I 33m", EX_USAGE, "1/2 of memory"),
        ("-s /run/memcached.sock", EX_USAGE, "TCP or UDP"),
        ("-l nonsense.invalid", EX_OSERR, "nonsense.invalid"),
    ];
    if host::missing_program("qemu-system-x86_64", "QEMU").is_none() {
        cases.push((&taken, EX_OSERR, "in use"));
    }
    for (options, code, said) in cases {
        let output = memstorm.command().arg("memcached").args(options.split_ascii_whitespace()).output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(code), "{options}: {}, not {code}: {text}", output.status);
        ensure!(text.contains(said) && output.stdout.is_empty(), "{options}: {text}");
    }
    for (option, said) in [("-V", "memcached 1.6.18"), ("-h", "--memory-limit"), ("-i", "licensed")] {
        ensure!(memstorm.call(&["memcached", option])?.contains(said), "{option}");
    }
    memstorm.finish()
}
