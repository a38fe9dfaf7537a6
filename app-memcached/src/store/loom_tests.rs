//! Every order of what cores do to the structures that they share. `RUSTFLAGS="--cfg loom" cargo test --release -p app-memcached
//! --lib loom`, in a target directory of its own.

mod index;
mod memory;
mod table;
mod trim;

/// Runs `test` in every order in which threads are interrupted at most `preemptions` times.
fn model(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(test);
}
