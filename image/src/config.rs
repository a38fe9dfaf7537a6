//! `appliance.toml`: the configuration that `build` bakes in.
//!
//! A flat table whose keys are those of the kernel command line ([`abi::config::KEYS`]):
//!
//! ```toml
//! port = 11300
//! memory-limit = 512
//! max-item-size = "512k"
//! disable-evictions = true
//! ip = "192.0.2.7/24"
//! ```

use std::path::Path;

use abi::config::{Config, KEYS};
use toml::Value;

use crate::ImageError;

/// Reads and checks a configuration file. Returns its words as they stand on a kernel command line.
pub fn read(path: &Path) -> Result<String, ImageError> {
    let text = std::fs::read_to_string(path).map_err(|cause| ImageError::Read { path: path.to_owned(), cause })?;
    words(&text).map_err(|error| match error {
        ImageError::Config(why) => ImageError::Config(format!("{}: {why}", path.display())),
        other => other,
    })
}

/// Checks the text of a configuration file. Returns its words as they stand on a kernel command line.
pub fn words(text: &str) -> Result<String, ImageError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        ImageError::Config(format!("not valid TOML: {}", error.to_string().trim_end()))
    })?;
    let words = table.iter().map(|(key, value)| word(key, value)).collect::<Result<Vec<_>, _>>()?;
    Ok(words.join(" "))
}

/// Checks words of a kernel command line.
pub fn check(words: &str) -> Result<Config, ImageError> {
    let mut config = Config::default();
    config.apply(words).map_err(|error| ImageError::Config(error.to_string()))?;
    Ok(config)
}

/// One entry as a word.
fn word(key: &str, value: &Value) -> Result<String, ImageError> {
    let blank = |text: &str| text.contains(char::is_whitespace);
    if key.is_empty() || key.contains('=') || blank(key) {
        return Err(ImageError::Config(format!("unknown key '{key}'")));
    }
    if !KEYS.contains(&key) {
        // The error names the nearest key.
        check(key)?;
    }
    let value = match value {
        Value::String(text) if blank(text) => {
            return Err(ImageError::Config(format!("key '{key}': '{text}' has a blank in it")));
        }
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(true) => "yes".to_owned(),
        Value::Boolean(false) => "no".to_owned(),
        other => {
            let kind = other.type_str();
            return Err(ImageError::Config(format!(
                "key '{key}': expected text, a number or a boolean, found: {kind}"
            )));
        }
    };
    let word = format!("{key}={value}");
    check(&word)?;
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_the_words_of_a_command_line() {
        let text = "port = 11300\nip = \"192.0.2.7/24\"\nmax-item-size = \"512k\"\ndisable-evictions = true\n";
        let words = words(text).unwrap();
        assert_eq!(words, "disable-evictions=yes ip=192.0.2.7/24 max-item-size=512k port=11300");
        let config = check(&words).unwrap();
        assert_eq!((config.port, config.max_item_size), (11300, 512 << 10));
        assert_eq!(super::words("").unwrap(), "");
    }

    #[test]
    fn errors_name_the_key() {
        for (text, expected) in [
            ("prt = 1", "configuration: unknown key 'prt': did you mean 'port'?"),
            ("[memory-limits]\nport = 1", "configuration: unknown key 'memory-limits': did you mean 'memory-limit'?"),
            ("port = 0", "configuration: key 'port': '0' is not a port from 1 to 65535"),
            ("port = 1.5", "configuration: key 'port': expected text, a number or a boolean, found: float"),
            ("port = [1]", "configuration: key 'port': expected text, a number or a boolean, found: array"),
            ("ip = \"dhcp port=1\"", "configuration: key 'ip': 'dhcp port=1' has a blank in it"),
            ("\"port=1 batch\" = 2", "configuration: unknown key 'port=1 batch'"),
            ("\"\" = 2", "configuration: unknown key ''"),
            ("console = \"inf\"", "configuration: key 'console': unknown value 'inf': did you mean 'info'?"),
        ] {
            assert_eq!(words(text).unwrap_err().to_string(), expected, "{text}");
        }
        assert!(words("port = ").unwrap_err().to_string().starts_with("configuration: not valid TOML"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nowhere/appliance.toml")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/appliance.toml: "), "{error}");
    }
}
