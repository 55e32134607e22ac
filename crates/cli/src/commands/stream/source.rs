//! Mirrors and sources: a name, a source as JSON, or a name and questions.

use jiff::Timestamp;

use crate::error::{Context, Error, Result};
use crate::jsm::{ExternalStream, StreamSource, SubjectTransform};
use crate::output::prompt;

/// What to use where nobody can be asked.
const FLAG: &str = "--defaults, or with a source as JSON: {\"name\": …, \"filter_subject\": …}";

/// Reads `--mirror` or `--source`; a bare name is asked about, unless `defaults`.
pub(super) fn read(kind: &str, given: &str, defaults: bool) -> Result<StreamSource> {
    if given.trim_start().starts_with('{') {
        let source: StreamSource =
            serde_json::from_str(given).context(format!("--{kind} is not a source"))?;
        if source.name.is_empty() {
            return Err(Error::new(format!("--{kind}: name is required")));
        }
        return Ok(source);
    }
    let mut source = StreamSource {
        name: given.to_owned(),
        ..StreamSource::default()
    };
    if !defaults {
        ask(kind, &mut source)?;
    }
    Ok(source)
}

fn ask(kind: &str, source: &mut StreamSource) -> Result<()> {
    let name = source.name.clone();
    if prompt::yes_or_no(&format!("Adjust {kind} {name} start"), false, FLAG)? {
        start(source)?;
    }
    let question = format!("Adjust {kind} {name} filter and transform");
    if prompt::yes_or_no(&question, false, FLAG)? {
        source.subject_transforms = transforms()?;
    }
    let question = format!("Import {name} from a different JetStream domain");
    if prompt::yes_or_no(&question, false, FLAG)? {
        let domain = required("Foreign JetStream domain name")?;
        source.external = Some(ExternalStream {
            api: format!("$JS.{domain}.API"),
            deliver: prompt::ask("Delivery prefix", "", FLAG)?,
        });
        return Ok(());
    }
    let question = format!("Import {name} from a different account");
    if prompt::yes_or_no(&question, false, FLAG)? {
        source.external = Some(ExternalStream {
            api: required("Foreign account API prefix")?,
            deliver: required("Foreign account delivery prefix")?,
        });
    }
    Ok(())
}

fn start(source: &mut StreamSource) -> Result<()> {
    source.opt_start_seq = prompt::ask_valid("Start Sequence", "0", FLAG, |answer| {
        answer.parse().context("a sequence is a number")
    })?;
    if source.opt_start_seq > 0 {
        return Ok(());
    }
    let question = "UTC Time Stamp (YYYY-MM-DD HH:MM:SS)";
    source.opt_start_time = prompt::ask_valid(question, "", FLAG, start_time)?;
    Ok(())
}

fn start_time(answer: &str) -> Result<Option<String>> {
    if answer.is_empty() {
        return Ok(None);
    }
    let at: Timestamp = format!("{}Z", answer.replacen(' ', "T", 1))
        .parse()
        .context("not a time")?;
    Ok(Some(at.to_string()))
}

fn transforms() -> Result<Vec<SubjectTransform>> {
    let mut transforms = Vec::new();
    loop {
        let question = "Filter by subject (hit enter to finish)";
        let src = prompt::ask(question, "", FLAG)?;
        if src.is_empty() {
            return Ok(transforms);
        }
        let question = "Subject transform destination (hit enter for none)";
        let dest = prompt::ask(question, "", FLAG)?;
        transforms.push(SubjectTransform { src, dest });
    }
}

fn required(question: &str) -> Result<String> {
    prompt::ask_valid(question, "", FLAG, |answer| match answer {
        "" => Err(Error::new("an answer is required")),
        answer => Ok(answer.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_names_or_json() {
        let source = read("source", "ORDERS", true).expect("a name");
        assert_eq!(source.name, "ORDERS");
        let json = r#"{"name": "X", "filter_subject": "a.>", "consumer": {"name": "c"}}"#;
        let source = read("source", json, false).expect("a source");
        assert_eq!(source.filter_subject, "a.>");
        assert_eq!(source.other["consumer"]["name"], "c");
        assert!(read("source", "{}", true).is_err());
        assert_eq!(
            start_time("2026-01-02 03:04:05")
                .expect("a time")
                .as_deref(),
            Some("2026-01-02T03:04:05Z")
        );
    }
}
