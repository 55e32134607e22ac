//! `nats cheat`: the commands people look for, with what they do, by topic.

use crate::error::{Error, Result};
use crate::say;

/// Cheat sheets for the commands
#[derive(clap::Args)]
pub(crate) struct CheatArgs {
    /// The topic; all of them without one
    topic: Option<String>,

    /// List the topics
    #[arg(long)]
    list: bool,

    /// Save the sheets as files in this directory
    #[arg(long, value_name = "DIRECTORY")]
    save: Option<std::path::PathBuf>,
}

/// The sheets, sorted by topic.
const SHEETS: &[(&str, &str)] = &[
    ("auth", include_str!("auth.txt")),
    ("bench", include_str!("bench.txt")),
    ("consumer", include_str!("consumer.txt")),
    ("context", include_str!("context.txt")),
    ("counter", include_str!("counter.txt")),
    ("events", include_str!("events.txt")),
    ("kv", include_str!("kv.txt")),
    ("latency", include_str!("latency.txt")),
    ("object", include_str!("object.txt")),
    ("publish", include_str!("publish.txt")),
    ("reply", include_str!("reply.txt")),
    ("server", include_str!("server.txt")),
    ("stream", include_str!("stream.txt")),
    ("subscribe", include_str!("subscribe.txt")),
];

impl CheatArgs {
    #[allow(clippy::unused_async)]
    pub(crate) async fn run(self) -> Result<()> {
        if let Some(directory) = &self.save {
            std::fs::create_dir_all(directory)?;
            for (topic, sheet) in SHEETS {
                std::fs::write(directory.join(topic), sheet)?;
            }
            return Ok(());
        }
        if self.list {
            SHEETS.iter().for_each(|(topic, _)| say!("{topic}"));
            return Ok(());
        }
        match &self.topic {
            Some(wanted) => {
                let wanted = wanted.as_str();
                let found = SHEETS
                    .iter()
                    // Short forms, and plurals.
                    .find(|(topic, _)| topic.starts_with(wanted) || wanted.starts_with(topic));
                let (_, sheet) = found.ok_or_else(|| {
                    Error::new(format!("there is no cheat sheet on {wanted:?}"))
                        .hint("`nats cheat --list` shows the topics.")
                })?;
                say!("{}", sheet.trim_end());
            }
            None => SHEETS
                .iter()
                .for_each(|(_, sheet)| say!("{}\n", sheet.trim_end())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet that names a command the tool does not have is worse than none.
    #[test]
    fn sheets_name_commands_that_exist() {
        let command = crate::cli::command();
        let known = |name: &str| command.find_subcommand(name).is_some();
        for (topic, sheet) in SHEETS {
            for line in sheet.lines().filter_map(|line| line.strip_prefix("nats ")) {
                let name = line.split_whitespace().next().unwrap_or_default();
                // The commands about streams and consumers have their own home.
                let elsewhere = ["stream", "consumer"].contains(&name);
                assert!(elsewhere || known(name), "{topic}: {line}");
            }
        }
    }
}
