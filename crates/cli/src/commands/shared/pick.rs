//! Which stream or consumer is meant: the one that was named, or one chosen from a list.

use crate::error::{Error, Result};
use crate::jsm::{ConsumerInfo, Jsm, StreamInfo};
use crate::output::prompt;

/// Names that belong to other features: buckets, object stores, MQTT sessions.
pub(crate) fn is_internal(stream: &str) -> bool {
    ["KV_", "OBJ_", "$MQTT_"]
        .iter()
        .any(|prefix| stream.starts_with(prefix))
}

/// Refuses names that would not arrive as one token of a subject.
pub(crate) fn check_name(kind: &str, name: &str) -> Result<()> {
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c);
    if name.is_empty() || name.contains(is_bad) {
        return Err(Error::new(format!("invalid {kind} name {name:?}"))
            .hint("A name has no blanks and none of . * > / \\"));
    }
    Ok(())
}

/// How a stream is chosen when none is named.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choice {
    /// Offer streams of other features, too.
    pub(crate) all: bool,
    /// Offer nothing: a name is required.
    pub(crate) never: bool,
}

/// The stream's name: `given`, or chosen by the user.
pub(crate) async fn stream_name(jsm: &Jsm, given: Option<&str>, choice: Choice) -> Result<String> {
    if let Some(name) = given {
        check_name("stream", name)?;
        return Ok(name.to_owned());
    }
    if choice.never {
        return Err(Error::new("a stream name is required"));
    }
    let mut names = jsm.stream_names(None).await?;
    names.retain(|name| choice.all || !is_internal(name));
    if names.is_empty() {
        return Err(Error::new("no streams are defined").hint("`nats stream add` makes one."));
    }
    let chosen = prompt::choose(
        "Select a Stream",
        &names,
        0,
        "the stream's name as argument",
    )?;
    Ok(names.into_iter().nth(chosen).unwrap_or_default())
}

/// [`stream_name`], with what the server says about the stream.
pub(crate) async fn stream(jsm: &Jsm, given: Option<&str>, choice: Choice) -> Result<StreamInfo> {
    let name = stream_name(jsm, given, choice).await?;
    jsm.stream_info(&name).await
}

/// The consumer's name: `given`, or chosen by the user.
pub(crate) async fn consumer_name(
    jsm: &Jsm,
    stream: &str,
    given: Option<&str>,
    never: bool,
) -> Result<String> {
    if let Some(name) = given {
        check_name("consumer", name)?;
        return Ok(name.to_owned());
    }
    if never {
        return Err(Error::new("a consumer name is required"));
    }
    let names = jsm.consumer_names(stream).await?;
    if names.is_empty() {
        return Err(Error::new(format!("stream {stream} has no consumers"))
            .hint("`nats consumer add` makes one."));
    }
    let flag = "the consumer's name as argument";
    let chosen = prompt::choose("Select a Consumer", &names, 0, flag)?;
    Ok(names.into_iter().nth(chosen).unwrap_or_default())
}

/// [`consumer_name`], with what the server says about the consumer.
pub(crate) async fn consumer(
    jsm: &Jsm,
    stream: &str,
    given: Option<&str>,
    never: bool,
) -> Result<ConsumerInfo> {
    let name = consumer_name(jsm, stream, given, never).await?;
    jsm.consumer_info(stream, &name).await
}
