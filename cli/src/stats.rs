//! `memstorm stats`: the `stats` command over the wire.

use std::time::Duration;

use anyhow::anyhow;
use orchestrator::{Error, StateDir};
use serde_json::{Map, Value};

use crate::args::Output;
use crate::output;

/// How long the appliance may take for a step.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn stats(name: Option<&str>, section: Option<&str>, format: Output) -> anyhow::Result<u8> {
    let entry = StateDir::resolve()?.find(name)?;
    if !entry.is_running() {
        let name = &entry.record.name;
        return Err(anyhow!("{name} has ended: `memstorm logs {name}` shows its console"));
    }
    let ready = entry.record.ready.as_ref();
    let address =
        ready.map(|ready| ready.address).ok_or_else(|| anyhow!("{} does not serve yet", entry.record.name))?;
    let stats = orchestrator::stats(address, section, PATIENCE).map_err(|cause| Error::Wire { address, cause })?;
    match format {
        Output::Json => output::json(&object(stats))?,
        Output::Table => {
            let rows = stats.into_iter().map(|(name, value)| vec![name, value]).collect();
            output::table(&["STATISTIC", "VALUE"], rows, &[1])?;
        }
    }
    Ok(0)
}

/// One object, whose numbers are numbers.
fn object(stats: Vec<(String, String)>) -> Map<String, Value> {
    let value = |text: String| match text.parse::<u64>() {
        Ok(number) => Value::from(number),
        Err(_) => Value::from(text),
    };
    stats.into_iter().map(|(name, text)| (name, value(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers() {
        let stats = [("cmd_get", "18446744073709551615"), ("version", "1.6.18"), ("offset", "-1")];
        let object = object(stats.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        assert_eq!(object["cmd_get"], u64::MAX);
        assert_eq!(object["version"], "1.6.18");
        assert_eq!(object["offset"], "-1");
    }
}
