//! `nats server passwd`: hashes of passwords for a server's configuration.

use crate::commands::shared::random;
use crate::error::{Error, Result};
use crate::output::prompt;
use crate::say;

/// Characters of a password, at least.
const SHORTEST: usize = 10;

/// Characters of a password that is made up.
const GENERATED: usize = 22;

/// Creates encrypted passwords for use in NATS Server
#[derive(clap::Args)]
pub(crate) struct PasswdArgs {
    /// The password to encrypt
    #[arg(short, long = "pass", env = "PASSWORD", hide_env_values = true)]
    pass: Option<String>,

    /// The cost to use in the bcrypt argument
    #[arg(short, long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(4..=31))]
    cost: u32,

    /// Generates a secure passphrase and encrypt it
    #[arg(short, long)]
    generate: bool,
}

impl PasswdArgs {
    pub(crate) fn run(self) -> Result<()> {
        let password = match self.pass.filter(|pass| !pass.is_empty()) {
            Some(password) => password,
            None if self.generate => {
                let password = random::password(GENERATED)?;
                say!("Generated password: {password}");
                password
            }
            None => asked()?,
        };
        if password.chars().count() < SHORTEST {
            return Err(Error::new(format!(
                "password should be at least {SHORTEST} characters long"
            )));
        }
        let hash = hash(&password, self.cost)?;
        match self.generate {
            true => say!("       bcrypt hash: {hash}"),
            false => say!("{hash}"),
        }
        Ok(())
    }
}

/// The password's hash, in the form Go's bcrypt writes.
pub(crate) fn hash(password: &str, cost: u32) -> Result<String> {
    // Bytes beyond the 72nd would be left out silently.
    if password.len() > 72 {
        return Err(Error::new("bcrypt takes passwords of at most 72 bytes"));
    }
    let parts = bcrypt::hash_with_salt(password, cost, random::bytes::<16>()?)?;
    Ok(parts.format_for_version(bcrypt::Version::TwoA))
}

fn asked() -> Result<String> {
    let first = prompt::password("Enter password", "--pass or --generate")?;
    let second = prompt::password("Re-enter password", "--pass or --generate")?;
    match first == second {
        true => Ok(first),
        false => Err(Error::new("entered and re-entered passwords do not match")),
    }
}
