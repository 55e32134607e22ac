//! Configurations in files: bare, or inside what `nats stream info --json` prints.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ConsumerConfig, StreamConfig};
use crate::error::{Context, Error, Result};

/// Bytes of a file that is still read.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Reads a stream's configuration: `{"config": {…}, …}` or `{…}`.
pub(crate) fn read_stream_config(path: &Path) -> Result<StreamConfig> {
    read(path)
}

/// Reads a consumer's configuration: `{"config": {…}, …}` or `{…}`.
pub(crate) fn read_consumer_config(path: &Path) -> Result<ConsumerConfig> {
    read(path)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    if std::fs::metadata(path).context(path.display())?.len() > MAX_FILE_BYTES {
        return Err(Error::new(format!(
            "{} is too large for a configuration",
            path.display()
        )));
    }
    let text = std::fs::read(path).context(path.display())?;
    parse(&text).context(path.display())
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    let mut value: Value = serde_json::from_slice(text)?;
    if !value.is_object() {
        return Err(Error::new("a configuration is a JSON object"));
    }
    if let Some(config) = value.get_mut("config").filter(|config| config.is_object()) {
        value = config.take();
    }
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_and_bare_configurations_say_the_same() {
        let bare =
            r#"{"name": "CHARGING", "subjects": ["c.>"], "max_msgs": -1, "from_the_future": 1}"#;
        let info = format!(
            r#"{{"config": {bare}, "created": "2026-01-01T00:00:00Z", "state": {{"messages": 1}}}}"#
        );
        let parse = |text: &str| parse::<StreamConfig>(text.as_bytes()).expect("it parses");
        assert_eq!(parse(bare), parse(&info));
        assert_eq!(parse(bare).other["from_the_future"], 1);
        assert!(super::parse::<StreamConfig>(b"[]").is_err());
    }
}
