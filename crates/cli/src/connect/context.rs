//! Contexts: named connection settings, in the files and folders of the official tool.
//!
//! ```text
//! ~/.config/nats/context/<name>.json    one context ([`ContextFile`])
//! ~/.config/nats/context.txt            the selected one
//! ~/.config/nats/previous-context.txt   the one selected before
//! ```
//!
//! Keys that this tool doesn't know are kept when a file is written again. Files may hold secrets:
//! they are readable by their owner only, and replaced as a whole.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Context, Error, Result};

/// Bytes of a context file that is still read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The contents of a context file. Empty means not set.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
#[allow(missing_docs)]
pub(crate) struct ContextFile {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) url: String,
    pub(crate) socks_proxy: String,
    pub(crate) token: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) creds: String,
    pub(crate) nkey: String,
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) ca: String,
    pub(crate) nsc: String,
    pub(crate) jetstream_domain: String,
    pub(crate) jetstream_api_prefix: String,
    pub(crate) jetstream_event_prefix: String,
    pub(crate) inbox_prefix: String,
    pub(crate) user_jwt: String,
    pub(crate) user_seed: String,
    pub(crate) color_scheme: String,
    pub(crate) tls_first: bool,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

impl ContextFile {
    /// What is contradictory in it.
    pub(crate) fn check(&self) -> Result<()> {
        let users = !self.user.is_empty() || !self.token.is_empty();
        let kinds = [
            users,
            !self.creds.is_empty(),
            !self.nkey.is_empty(),
            !self.nsc.is_empty(),
        ];
        if kinds.iter().filter(|given| **given).count() > 1 {
            return Err(Error::new(
                "too many types of credentials: choose one of user or token, creds, nkey, nsc",
            ));
        }
        Ok(())
    }

    /// Removes every credential.
    pub(crate) fn clear_credentials(&mut self) {
        let fields = [
            &mut self.token,
            &mut self.user,
            &mut self.password,
            &mut self.creds,
            &mut self.nkey,
            &mut self.nsc,
            &mut self.user_jwt,
            &mut self.user_seed,
        ];
        fields.into_iter().for_each(String::clear);
    }
}

/// The folder of contexts.
pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    /// The user's folder: `$XDG_CONFIG_HOME/nats` or `~/.config/nats`.
    pub(crate) fn open() -> Result<Self> {
        let given = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".config"));
        let root = given
            .map(PathBuf::from)
            .or_else(home)
            .context("neither XDG_CONFIG_HOME nor HOME is set")?;
        Ok(Store {
            root: root.join("nats"),
        })
    }

    /// Where a context is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join("context").join(format!("{name}.json"))
    }

    /// Whether there is such a context.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        check_name(name).is_ok() && self.path(name).is_file()
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let folder = self.root.join("context");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::from(error)).context(folder.display()),
        };
        let name = |entry: fs::DirEntry| {
            let file = entry.file_name();
            file.to_str()?
                .strip_suffix(".json")
                .filter(|name| check_name(name).is_ok())
                .map(str::to_owned)
        };
        let mut names: Vec<String> = entries.filter_map(|entry| name(entry.ok()?)).collect();
        names.sort();
        Ok(names)
    }

    /// Reads a context.
    pub(crate) fn load(&self, name: &str) -> Result<ContextFile> {
        check_name(name)?;
        let path = self.path(name);
        if !path.is_file() {
            return Err(Error::new(format!("unknown context {name:?}")).hint(
                "`nats context ls` shows the contexts there are, `nats context add` makes one.",
            ));
        }
        if fs::metadata(&path)?.len() > MAX_FILE_BYTES {
            return Err(Error::new(format!(
                "{} is too large for a context",
                path.display()
            )));
        }
        let text = fs::read(&path).context(path.display())?;
        let mut context = parse(&text).context(path.display())?;
        context.name = name.to_owned();
        Ok(context)
    }

    /// Writes a context.
    pub(crate) fn save(&self, name: &str, context: &ContextFile) -> Result<()> {
        check_name(name)?;
        context.check()?;
        let mut context = context.clone();
        context.name = String::new();
        let mut text = serde_json::to_vec_pretty(&context)?;
        text.push(b'\n');
        write_private(&self.path(name), &text)
    }

    /// Removes a context. The selected one is refused.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        if self.selected().as_deref() == Some(name) {
            return Err(Error::new(format!("{name:?} is the current context")).hint(
                "Select another with `nats context select`, or none with `nats context unselect`.",
            ));
        }
        let path = self.path(name);
        fs::remove_file(&path).context(path.display())
    }

    /// The selected context.
    pub(crate) fn selected(&self) -> Option<String> {
        self.read_name("context.txt")
    }

    /// The context that was selected before.
    pub(crate) fn previous(&self) -> Option<String> {
        self.read_name("previous-context.txt")
    }

    /// Selects a context and remembers the one before it.
    pub(crate) fn select(&self, name: &str) -> Result<()> {
        self.load(name)?;
        if let Some(before) = self.selected().filter(|before| before != name) {
            write_private(&self.root.join("previous-context.txt"), before.as_bytes())?;
        }
        write_private(&self.root.join("context.txt"), name.as_bytes())
    }

    /// Selects none.
    pub(crate) fn unselect(&self) -> Result<()> {
        if let Some(before) = self.selected() {
            write_private(&self.root.join("previous-context.txt"), before.as_bytes())?;
        }
        match fs::remove_file(self.root.join("context.txt")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn read_name(&self, file: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(file)).ok()?;
        let name = text.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }
}

/// Reads the contents of a context file.
pub(crate) fn parse(text: &[u8]) -> Result<ContextFile> {
    Ok(serde_json::from_slice(text)?)
}

/// A context's name is a file's name: nothing that leads elsewhere.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let bad = name.is_empty()
        || name.starts_with('.')
        || name.contains(['/', '\\', '\0'])
        || name.len() > 200;
    if bad {
        Err(Error::new(format!("invalid context name {name:?}")))
    } else {
        Ok(())
    }
}

fn write_private(path: &Path, contents: &[u8]) -> Result<()> {
    let folder = path.parent().context("a context is in a folder")?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .context(folder.display())?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().context(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_survive() {
        let text =
            br#"{"url":"nats://127.0.0.1:4222","tls_first":true,"windows_cert_store":"user"}"#;
        let context = parse(text).expect("a context file parses");
        assert!(context.tls_first);
        let again = serde_json::to_value(&context).expect("a context serialises");
        assert_eq!(again["windows_cert_store"], "user");
        assert_eq!(again["user"], "");
    }

    #[test]
    fn names_stay_in_the_folder() {
        for name in ["", "../x", "a/b", ".hidden"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("a b@c.d").is_ok());
    }

    #[test]
    fn one_kind_of_credentials() {
        let context = ContextFile {
            user: "a".into(),
            creds: "b".into(),
            ..ContextFile::default()
        };
        assert!(context.check().is_err());
    }
}
