//! The budgets, as they are recorded.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{CASES, Tools};

const HEADING: &str = "\
# Instructions that a request may cost the server, from the receive ring to the doorbell, counted by Callgrind.
# `ci/test` fails when one costs over 2 % more, if the tools are those named here. Written, after a change that is worth its
# price or saves something, by: ./memstorm bench budgets --update
";

/// What requests may cost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// What they were measured with.
    pub tools: Tools,
    /// Instructions of a request, for each of the [`CASES`].
    pub instructions: BTreeMap<String, u64>,
}

/// Why there are no budgets.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no file of budgets.
    #[error("{0}")]
    Syntax(String),
    /// A case has no budget.
    #[error("no budget for '{0}': record it with `memstorm bench budgets --update`")]
    Missing(&'static str),
    /// A budget is for nothing that is measured.
    #[error(
        "a budget for '{0}', which is not measured: correct it, or record all with `memstorm bench budgets --update`"
    )]
    Unknown(String),
    /// A request costs something.
    #[error("the budget of '{0}' is 0: record it with `memstorm bench budgets --update`")]
    Zero(String),
    /// It cannot be written down.
    #[error(transparent)]
    Unwritable(#[from] toml::ser::Error),
}

impl Budgets {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Budgets, FileError> {
        Budgets::parse(&std::fs::read_to_string(path)?)
    }

    /// Writes a file.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        Ok(std::fs::write(path, self.text()?)?)
    }

    /// Reads and checks the text of a file.
    fn parse(text: &str) -> Result<Budgets, FileError> {
        let budgets: Budgets = toml::from_str(text)
            .map_err(|error: toml::de::Error| FileError::Syntax(error.to_string().trim_end().to_owned()))?;
        if let Some(case) = CASES.iter().find(|case| !budgets.instructions.contains_key(case.name)) {
            return Err(FileError::Missing(case.name));
        }
        for (name, budget) in &budgets.instructions {
            if !CASES.iter().any(|case| case.name == name) {
                return Err(FileError::Unknown(name.clone()));
            }
            if *budget == 0 {
                return Err(FileError::Zero(name.clone()));
            }
        }
        Ok(budgets)
    }

    fn text(&self) -> Result<String, FileError> {
        Ok(format!("{HEADING}\n{}", toml::to_string(self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> Budgets {
        let tools = Tools { rustc: "1.95.0".into(), valgrind: "3.19.0".into(), libc: "glibc 2.36".into() };
        let instructions = CASES.iter().zip(1500..).map(|(case, budget)| (case.name.to_owned(), budget)).collect();
        Budgets { tools, instructions }
    }

    fn refusal(text: &str) -> String {
        Budgets::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let text = budgets().text().unwrap();
        assert!(text.starts_with("# Instructions") && text.contains("memstorm bench budgets --update"), "{text}");
        assert_eq!(Budgets::parse(&text).unwrap(), budgets());
    }

    #[test]
    fn every_case_has_a_budget_and_nothing_else_has() {
        let text = budgets().text().unwrap();
        assert!(refusal(&text.replace("get-etc = 1503\n", "")).contains("no budget for 'get-etc'"));
        assert!(refusal(&format!("{text}get-all = 7\n")).contains("'get-all', which is not measured"));
        assert!(refusal(&text.replace("get-etc = 1503", "get-etc = 0")).contains("'get-etc' is 0"));
    }

    #[test]
    fn what_is_no_file_of_budgets_is_refused_with_its_place() {
        let text = budgets().text().unwrap();
        let twice = refusal(&format!("{text}echo = 7\n"));
        assert!(twice.contains("line") && twice.contains("duplicate"), "{twice}");
        let word = refusal(&text.replace("get-etc = 1503", "get-etc = \"cheap\""));
        assert!(word.contains("get-etc") && word.contains("line 14"), "{word}");
        let negative = refusal(&text.replace("get-etc = 1503", "get-etc = -1"));
        assert!(negative.contains("get-etc"), "{negative}");
        let nameless = refusal(&text.replace("valgrind = \"3.19.0\"\n", ""));
        assert!(nameless.contains("missing field `valgrind`"), "{nameless}");
        let unknown = refusal(&text.replace("valgrind =", "vlagrind ="));
        assert!(unknown.contains("vlagrind"), "{unknown}");
        assert!(refusal("").contains("missing field"));
    }
}
