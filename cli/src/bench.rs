//! `memstorm bench`.

mod budgets;
mod compare;
mod evict;
mod load;
mod longest;
mod memory;
mod replay;
mod report;
mod stack;

use crate::args::BenchCommand;

pub(crate) fn bench(command: BenchCommand) -> anyhow::Result<u8> {
    match command {
        BenchCommand::Stack(options) => stack::bench_stack(&options),
        BenchCommand::Budgets(options) => budgets::bench_budgets(&options),
        BenchCommand::Load(options) => load::bench_load(&options),
        BenchCommand::Compare(options) => compare::bench_compare(&options),
        BenchCommand::Memory(options) => memory::bench_memory(&options),
        BenchCommand::Longest(options) => longest::bench_longest(&options),
        BenchCommand::Evict(options) => evict::bench_evict(&options),
        BenchCommand::Replay(options) => replay::bench_replay(&options),
        BenchCommand::Report(options) => report::bench_report(&options),
    }
}
