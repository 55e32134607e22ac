//! Where secrets come from: files, `file://`, `env://`, `data:;base64,`, and what a creds file holds.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Context, Error, Result};

/// Bytes of a file with a secret that is still read.
const MAX_SECRET_BYTES: u64 = 1 << 20;

/// Proof of who the user is.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// None at all.
    None,
    /// User and password.
    User(String, String),
    /// A token.
    Token(String),
    /// The seed of a user nkey.
    Nkey(String),
    /// A user JWT, with the seed that signs for it unless it is a bearer token.
    Jwt(String, Option<String>),
}

impl Credentials {
    /// Reads the contents of a creds file: a decorated JWT and a decorated seed.
    pub(crate) fn from_creds(text: &str) -> Result<Self> {
        let jwt = decorated(text, "NATS USER JWT").context("there is no user JWT in it")?;
        Ok(Credentials::Jwt(jwt, decorated(text, "USER NKEY SEED")))
    }

    /// Reads a seed, alone or decorated.
    pub(crate) fn from_seed(text: &str) -> Result<Self> {
        let seed = decorated(text, "NKEY SEED").or_else(|| {
            let line = text
                .lines()
                .map(str::trim)
                .find(|line| line.starts_with('S'))?;
            Some(line.to_owned())
        });
        Ok(Credentials::Nkey(
            seed.context("there is no nkey seed in it")?,
        ))
    }
}

/// The first line between `-----BEGIN … <label>-----` and the line that ends it.
fn decorated(text: &str, label: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("---") && line.contains("BEGIN") && line.contains(label))?;
    lines
        .find(|line| !line.is_empty())
        .filter(|line| !line.starts_with("---"))
        .map(str::to_owned)
}

/// Whether a setting names a place instead of being the secret.
pub(crate) fn is_reference(text: &str) -> bool {
    ["file://", "env://", "data:;base64,", "op://", "nsc://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}

/// The contents of what a setting names; a bare value is a path.
pub(crate) fn resolve(reference: &str) -> Result<String> {
    if let Some(name) = reference.strip_prefix("env://") {
        return std::env::var(name)
            .ok()
            .context(format!("environment variable {name} is not set"));
    }
    if let Some(data) = reference.strip_prefix("data:;base64,") {
        let bytes = STANDARD.decode(data.trim())?;
        return Ok(String::from_utf8(bytes)?);
    }
    if reference.starts_with("op://") || reference.starts_with("nsc://") {
        return Err(Error::new(format!(
            "{reference}: password managers and nsc are not asked by this tool"
        ))
        .hint("Put the credentials into a file and name that, or use env://NAME."));
    }
    let path = expand_home(reference.strip_prefix("file://").unwrap_or(reference));
    let shown = path.display().to_string();
    if fs::metadata(&path).context(&shown)?.len() > MAX_SECRET_BYTES {
        return Err(Error::new(format!(
            "{shown} is too large to be a credential"
        )));
    }
    fs::read_to_string(&path).context(&shown)
}

/// A path with `~` replaced by the home directory.
pub(crate) fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix('~'), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creds_files_are_read() {
        let text = "-----BEGIN NATS USER JWT-----\neyJ.x.y\n------END NATS USER JWT------\n\n\
                    -----BEGIN USER NKEY SEED-----\nSUABC\n------END USER NKEY SEED------\n";
        let read = Credentials::from_creds(text).expect("creds parse");
        assert!(
            matches!(read, Credentials::Jwt(jwt, Some(seed)) if jwt == "eyJ.x.y" && seed == "SUABC")
        );
        assert!(Credentials::from_creds("nothing").is_err());
    }

    #[test]
    fn secrets_may_be_embedded() {
        assert_eq!(resolve("data:;base64,aGk=").ok().as_deref(), Some("hi"));
        assert!(resolve("env://A_NAME_THAT_IS_NOT_SET").is_err());
        assert!(resolve("op://a/b").is_err());
    }
}
