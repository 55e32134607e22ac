//! `stream add` by questions: whatever flags did not say is asked for, or takes its default.

use super::flags::{ConfigFlags, NewFlags, age_arg, retention};
use super::source;
use crate::commands::shared::describe::split_list;
use crate::error::{Error, Result};
use crate::jsm::StreamConfig;
use crate::output::prompt::or_defaults;
use crate::output::{duration, number, prompt};

/// Nanoseconds of the usual window for duplicates.
const DUPLICATE_WINDOW: i64 = 120_000_000_000;

/// Who answers: the user, or the defaults.
pub(super) struct Questions<'a> {
    pub(super) flags: &'a ConfigFlags,
    pub(super) new: &'a NewFlags,
    /// Take every default.
    pub(super) defaults: bool,
    /// The account allows no stream without a size.
    pub(super) size_required: bool,
}

impl Questions<'_> {
    /// The whole configuration of a new stream.
    pub(super) fn config(&self, name: Option<&str>) -> Result<StreamConfig> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => {
                prompt::ask_valid("Stream Name", "", "the stream's name as argument", |name| {
                    crate::commands::shared::pick::check_name("stream", name)?;
                    Ok(name.to_owned())
                })?
            }
        };
        let mut config = StreamConfig {
            allow_direct: true,
            compression: "none".into(),
            ..StreamConfig::named(name)
        };
        self.subjects(&mut config)?;
        self.policies(&mut config)?;
        self.limits(&mut config)?;
        self.flags.apply(&mut config)?;
        self.new.apply(&mut config);
        self.window(&mut config)?;
        self.permissions(&mut config)?;
        self.sources(&mut config)?;
        Ok(config)
    }

    fn subjects(&self, config: &mut StreamConfig) -> Result<()> {
        let flags = self.flags;
        if flags.mirror.is_some() && !flags.subjects.is_empty() {
            return Err(Error::new(
                "mirrors cannot listen for messages on subjects: leave out --subjects",
            ));
        }
        if flags.mirror.is_none() && flags.source.is_empty() && flags.subjects.is_empty() {
            config.subjects = prompt::ask_valid("Subjects", "", "--subjects", |answer| {
                let subjects = split_list(&[answer.to_owned()]);
                match subjects.is_empty() {
                    true => Err(Error::new("a stream listens to at least one subject")),
                    false => Ok(subjects),
                }
            })?;
        }
        Ok(())
    }

    fn choose(
        &self,
        question: &str,
        options: &[&str],
        default: usize,
        flag: &str,
    ) -> Result<String> {
        match self.defaults {
            true => Ok(options.get(default).copied().unwrap_or_default().to_owned()),
            false => prompt::choose_name(question, options, default, &or_defaults(flag)),
        }
    }

    fn policies(&self, config: &mut StreamConfig) -> Result<()> {
        if self.new.storage.is_none() {
            let storage = self.choose("Storage", &["file", "memory"], 0, "--storage")?;
            config.storage = storage.as_str().into();
        }
        if self.flags.replicas.is_none() {
            config.num_replicas = self.value("Replication", "1", "--replicas", |answer| {
                answer
                    .parse()
                    .ok()
                    .filter(|replicas| *replicas >= 1)
                    .ok_or_else(|| Error::new("replicas should be >= 1"))
            })?;
        }
        if self.flags.retention.is_none() {
            let options = ["Limits", "Interest", "Work Queue"];
            let word = self.choose("Retention Policy", &options, 0, "--retention")?;
            config.retention = retention(&word).into();
        }
        if self.flags.discard.is_none() {
            let word = self.choose("Discard Policy", &["New", "Old"], 1, "--discard")?;
            config.discard = word.to_ascii_lowercase().as_str().into();
        }
        Ok(())
    }

    fn value<T>(
        &self,
        question: &str,
        default: &str,
        flag: &str,
        read: impl Fn(&str) -> Result<T>,
    ) -> Result<T> {
        match self.defaults {
            true => read(default),
            false => prompt::ask_valid(question, default, &or_defaults(flag), read),
        }
    }

    fn limits(&self, config: &mut StreamConfig) -> Result<()> {
        let count = |answer: &str| {
            let value: i64 = answer
                .parse()
                .map_err(|_| Error::new("a limit is a number; -1 is unlimited"))?;
            Ok(if value <= 0 { -1 } else { value })
        };
        let size = |answer: &str| match number::parse_bytes(answer)? {
            size if size <= 0 => Ok(-1),
            size => Ok(size),
        };
        let flags = self.flags;
        if flags.max_msgs.is_none() {
            config.max_msgs = self.value("Stream Messages Limit", "-1", "--max-msgs", count)?;
        }
        if flags.max_msgs_per_subject.is_none() && flags.mirror.is_none() {
            let flag = "--max-msgs-per-subject";
            config.max_msgs_per_subject =
                self.value("Per Subject Messages Limit", "-1", flag, count)?;
        }
        if flags.max_bytes.is_none() {
            let default = if self.size_required { "256MB" } else { "-1" };
            config.max_bytes = self.value(
                "Total Stream Size",
                default,
                "--max-bytes",
                |answer| match size(answer)? {
                    -1 if self.size_required => Err(Error::new(
                        "the account's limits ask for a size: -1 is not allowed",
                    )),
                    size => Ok(size),
                },
            )?;
        }
        if flags.max_age.is_none() {
            config.max_age = self.value("Message TTL", "-1", "--max-age", |answer| {
                age_arg(answer).map_err(Error::new)
            })?;
        }
        if flags.max_msg_size.is_none() {
            config.max_msg_size = self.value("Max Message Size", "-1", "--max-msg-size", size)?;
        }
        Ok(())
    }

    /// The window for duplicates is no longer than messages live.
    fn window(&self, config: &mut StreamConfig) -> Result<()> {
        if self.flags.dupe_window.is_some() || self.flags.mirror.is_some() {
            return Ok(());
        }
        let default = match config.max_age {
            age @ 1..DUPLICATE_WINDOW => age,
            _ => DUPLICATE_WINDOW,
        };
        let shown = duration::human_nanos(default, "0s");
        let question = "Duplicate tracking time window";
        config.duplicate_window = match self.defaults {
            true => default,
            false => self.value(question, &shown, "--dupe-window", |answer| {
                Ok(duration::nanos(duration::parse(answer)?))
            })?,
        };
        Ok(())
    }

    fn permissions(&self, config: &mut StreamConfig) -> Result<()> {
        if self.defaults {
            return Ok(());
        }
        let given = |name: &str| self.flags.switches.given(name).is_some();
        let ask = |question: &str, default: bool, flag: &str| {
            prompt::yes_or_no(question, default, &or_defaults(flag))
        };
        if !given("allow-rollup") {
            config.allow_rollup_hdrs = ask("Allow message Roll-ups", false, "--allow-rollup")?;
        }
        if !given("deny-delete") {
            config.deny_delete = !ask("Allow message deletion", true, "--deny-delete")?;
        }
        if !given("deny-purge") {
            let question = "Allow purging subjects or the entire stream";
            config.deny_purge = !ask(question, true, "--deny-purge")?;
        }
        Ok(())
    }

    fn sources(&self, config: &mut StreamConfig) -> Result<()> {
        if let Some(mirror) = &self.flags.mirror {
            config.mirror = Some(source::read("mirror", mirror, self.defaults)?);
        }
        for given in &self.flags.source {
            config
                .sources
                .push(source::read("source", given, self.defaults)?);
        }
        Ok(())
    }
}
