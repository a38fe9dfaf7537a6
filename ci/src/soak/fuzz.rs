//! Coverage-guided fuzzing by AFL++: the targets of the crate `fuzz`, each from its corpus for a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::waitpid;

use super::check_interrupted;
use crate::host::repository;

/// An input that takes longer hangs: thousands of times what one takes, and more than a busy machine keeps it waiting.
const HANG_MS: &str = "10000";

/// What becomes of the inputs that were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// They are dropped.
    Dropped,
    /// Those that reach most take the place of the corpus.
    Kept,
}

/// What to fuzz.
#[derive(Clone, Debug)]
pub struct Options {
    /// One target, or all of them.
    pub target: Option<String>,
    /// How long each is fuzzed.
    pub time: Duration,
    /// What becomes of new inputs.
    pub found: Found,
}

/// Fuzzes and prints what was found. An error names the inputs that crash or hang.
pub fn run(options: &Options) -> Result<()> {
    install_afl()?;
    // AFL++ leaves the program that it fuzzes behind, unwaited for: its CPU time is to come to us.
    prctl::set_child_subreaper(true)?;
    afl(&["build", "--quiet", "--release"])?;
    let mut broken = Vec::new();
    for name in target_names()?.into_iter().filter(|name| options.target.as_ref().is_none_or(|only| only == name)) {
        check_interrupted()?;
        let target = Target { name };
        let report = target.fuzz(options.time)?;
        println!("{report}");
        broken.extend(report.broken);
        if options.found == Found::Kept {
            target.keep()?;
        }
    }
    let list: Vec<String> = broken.iter().map(|file| file.display().to_string()).collect();
    ensure!(list.is_empty(), "inputs that crash or hang; put them into fuzz/corpus once mended:\n{}", list.join("\n"));
    Ok(())
}

/// The targets are named after the folders of their corpora.
fn target_names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(repository().join("fuzz/corpus"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

struct Target {
    name: String,
}

impl Target {
    fn corpus(&self) -> PathBuf {
        repository().join("fuzz/corpus").join(&self.name)
    }

    fn output(&self) -> PathBuf {
        repository().join("target/afl/found").join(&self.name)
    }

    /// What AFL++ starts.
    fn program(&self) -> Vec<String> {
        let binary = repository().join("target/afl/release/fuzz-afl");
        vec!["--".to_owned(), binary.display().to_string(), self.name.clone()]
    }

    fn fuzz(&self, time: Duration) -> Result<Report> {
        let output = self.output();
        let _ = fs::remove_dir_all(&output); // there may be none
        fs::create_dir_all(&output)?;
        let cpu_before = children_cpu()?;
        let seconds = time.as_secs().max(1).to_string();
        let (corpus, folder) = (self.corpus().display().to_string(), output.display().to_string());
        let program = self.program();
        let fixed = ["fuzz", "-V", &seconds, "-t", HANG_MS, "-i", &corpus, "-o", &folder];
        afl(&fixed.into_iter().chain(program.iter().map(String::as_str)).collect::<Vec<_>>())?;
        let cpu = children_cpu()?.saturating_sub(cpu_before);
        Report::read(&self.name, &output.join("default"), cpu)
    }

    /// The inputs found take the place of the corpus, as few of them as reach the same edges.
    fn keep(&self) -> Result<()> {
        let queue = self.output().join("default/queue");
        let maps = self.output().join("maps");
        let (from, to, program) = (queue.display().to_string(), maps.display().to_string(), self.program());
        let fixed = ["showmap", "-q", "-e", "-t", HANG_MS, "-i", &from, "-o", &to];
        afl(&fixed.into_iter().chain(program.iter().map(String::as_str)).collect::<Vec<_>>())?;
        let mut inputs = Vec::new();
        for map in files(&maps)? {
            let content = fs::read(queue.join(map.file_name().unwrap_or_default()))?;
            inputs.push(Traced { content, edges: edges(&fs::read_to_string(map)?) });
        }
        let kept = cover(inputs);
        ensure!(!kept.is_empty(), "none of the inputs in {} reaches anything", queue.display());
        fs::remove_dir_all(self.corpus())?;
        fs::create_dir(self.corpus())?;
        for (number, input) in kept.iter().enumerate() {
            fs::write(self.corpus().join(format!("{number:04}")), input)?;
        }
        println!("  {:<24}{:>12}", "inputs kept", kept.len());
        Ok(())
    }
}

/// An input and the edges of the program that it reaches.
struct Traced {
    content: Vec<u8>,
    edges: BTreeSet<u32>,
}

/// Reads a map of `afl-showmap`: a line an edge, `edge:count`.
fn edges(map: &str) -> BTreeSet<u32> {
    map.lines().filter_map(|line| line.split(':').next()?.parse().ok()).collect()
}

/// A few inputs that reach together what all do, the smallest first: for each edge, the rarest first, the smallest input that
/// reaches it, unless one that was taken does.
fn cover(mut inputs: Vec<Traced>) -> Vec<Vec<u8>> {
    inputs.sort_by(|a, b| a.content.len().cmp(&b.content.len()).then_with(|| a.content.cmp(&b.content)));
    let mut reached: BTreeMap<u32, (usize, usize)> = BTreeMap::new(); // how many inputs do, and the smallest
    for (index, input) in inputs.iter().enumerate() {
        for edge in &input.edges {
            reached.entry(*edge).or_insert((0, index)).0 += 1;
        }
    }
    let mut by_rarity: Vec<(usize, u32, usize)> =
        reached.iter().map(|(edge, (count, first))| (*count, *edge, *first)).collect();
    by_rarity.sort_unstable();
    let mut covered: BTreeSet<u32> = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for (_, edge, smallest) in by_rarity {
        if !covered.contains(&edge) && taken.insert(smallest) {
            covered.extend(&inputs[smallest].edges);
        }
    }
    taken.into_iter().map(|index| std::mem::take(&mut inputs[index].content)).collect()
}

/// What came of fuzzing a target.
struct Report {
    name: String,
    /// AFL++'s own figures.
    stats: HashMap<String, String>,
    cpu: Duration,
    /// Inputs that crash or hang.
    broken: Vec<PathBuf>,
}

impl Report {
    fn read(name: &str, folder: &Path, cpu: Duration) -> Result<Report> {
        let file = folder.join("fuzzer_stats");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        let stats = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
        let broken = [files(&folder.join("crashes"))?, files(&folder.join("hangs"))?].concat();
        Ok(Report { name: name.to_owned(), stats, cpu, broken })
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "fuzz: {}", self.name)?;
        let figures = [
            ("seconds", "run_time"),
            ("executions", "execs_done"),
            ("inputs", "corpus_count"),
            ("edges reached", "edges_found"),
            ("edges", "total_edges"),
            ("crashes", "saved_crashes"),
            ("hangs", "saved_hangs"),
        ];
        for (name, key) in figures {
            writeln!(f, "  {name:<24}{:>12}", self.stats.get(key).map_or("?", String::as_str))?;
        }
        write!(f, "  {:<24}{:>12.1}", "CPU time, s", self.cpu.as_secs_f64())
    }
}

/// Inputs in a folder of AFL++'s, which puts a README beside them.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_file() && path.file_name().is_some_and(|name| name != "README.txt") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// CPU time of all child processes, those left behind included. Waits for them to end.
fn children_cpu() -> Result<Duration> {
    while waitpid(None, None).is_ok() {}
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros((us[0] + us[1]).try_into().unwrap_or(0)))
}

fn install_afl() -> Result<()> {
    let found =
        Command::new("cargo").args(["afl", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !found.success() {
        println!("installing cargo-afl, which builds AFL++");
        let status = Command::new("cargo").args(["install", "--quiet", "--locked", "cargo-afl"]).status()?;
        ensure!(status.success(), "cannot install cargo-afl: it needs a C compiler and make");
    }
    Ok(())
}

/// Runs `cargo afl` in the folder of the instrumented build.
fn afl(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.arg("afl").args(arguments).current_dir(repository().join("fuzz/afl"));
    command.env_remove("CARGO_TARGET_DIR");
    // No screen, no say in how the machine runs or reports crashes, and no core of its own.
    for variable in
        ["AFL_NO_UI", "AFL_SKIP_CPUFREQ", "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "AFL_NO_AFFINITY", "AFL_QUIET"]
    {
        command.env(variable, "1");
    }
    let status = command.stdout(Stdio::null()).status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo afl {}: {status}", arguments.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_inputs_reach_what_all_do() {
        let traced = |content: &[u8], map: &str| Traced { content: content.to_vec(), edges: edges(map) };
        let inputs = vec![
            traced(b"long, and reaches nothing of its own", "1:1\n2:1\n"),
            traced(b"rare", "1:1\n2:3\n7:1\n"),
            traced(b"b", "1:1\n"),
            traced(b"other", "9:1\n"),
        ];
        assert_eq!(cover(inputs), [b"rare".to_vec(), b"other".to_vec()]);
    }
}
