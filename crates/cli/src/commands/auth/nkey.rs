//! `nats auth nkey`: keys on their own: making, signing, checking, sealing.

use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use cognate_auth::nkey::{
    CurveKeyPair, KeyPair, Kind, PublicKey, decode_signature, encode_signature,
};

use super::backup::curve_key;
use super::store;
use crate::commands::shared::random;
use crate::error::{Context, Error, Result};
use crate::{output, say};

/// Create and Use NKeys
#[derive(clap::Args)]
pub(crate) struct NkeyArgs {
    #[command(subcommand)]
    command: NkeyCommand,
}

#[derive(clap::Subcommand)]
enum NkeyCommand {
    /// Generates NKeys
    Gen {
        /// Type of key to generate
        #[arg(value_enum, value_name = "TYPE")]
        kind: KeyType,
        /// Output the public key
        #[arg(long)]
        public: bool,
        /// Source of entropy eg. /dev/urandom
        #[arg(long, value_name = "FILE")]
        entropy: Option<PathBuf>,
        /// Write the key to a file
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show the public key
    Show {
        /// File containing NKey to act on
        key: PathBuf,
    },
    /// Signs data using NKeys
    Sign {
        /// File to sign
        file: PathBuf,
        /// File containing NKey to sign with
        key: PathBuf,
    },
    /// Verify signed data
    Verify {
        /// File containing the data to check
        file: PathBuf,
        /// File containing the signature
        signature: PathBuf,
        /// File containing NKey to use for verification
        key: PathBuf,
    },
    /// Encrypts a file using NKeys
    #[command(visible_aliases = ["encrypt", "enc"])]
    Seal(SealArgs),
    /// Decrypts a file using NKeys
    #[command(visible_aliases = ["open", "decrypt", "dec"])]
    Unseal(SealArgs),
}

#[derive(clap::Args)]
struct SealArgs {
    /// File to act on
    file: PathBuf,
    /// File containing the NKey to use
    key: PathBuf,
    /// Public XKey of the other side
    #[arg(value_name = "XKEY")]
    other: String,
    /// Write the result to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The sealed data is not base64
    #[arg(long)]
    no_b64: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeyType {
    User,
    Account,
    Server,
    Cluster,
    Operator,
    #[value(alias = "x25519")]
    Curve,
}

impl NkeyArgs {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            NkeyCommand::Gen {
                kind,
                public,
                entropy,
                output,
            } => generate(kind, public, entropy.as_deref(), output.as_deref()),
            NkeyCommand::Show { key } => {
                let text = store::read_text(&key)?;
                say!("{}", public_of(seed_in(&text).context(key.display())?)?);
                Ok(())
            }
            NkeyCommand::Sign { file, key } => {
                let text = store::read_text(&key)?;
                let seed = seed_in(&text).context(key.display())?;
                let key = KeyPair::from_seed(seed).context(key.display())?;
                let data = std::fs::read(&file).context(file.display())?;
                say!("{}", encode_signature(&key.sign(&data)));
                Ok(())
            }
            NkeyCommand::Verify {
                file,
                signature,
                key,
            } => verify(&file, &signature, &key),
            NkeyCommand::Seal(args) => args.seal(),
            NkeyCommand::Unseal(args) => args.unseal(),
        }
    }
}

fn generate(
    kind: KeyType,
    public: bool,
    entropy: Option<&Path>,
    output: Option<&Path>,
) -> Result<()> {
    let bytes = match entropy {
        None => random::bytes::<32>()?,
        Some(path) => {
            let mut bytes = [0; 32];
            let mut file =
                std::fs::File::open(path).context("could not use custom entropy source")?;
            file.read_exact(&mut bytes)
                .context("could not use custom entropy source")?;
            bytes
        }
    };
    let kind = match kind {
        KeyType::User => Kind::User,
        KeyType::Account => Kind::Account,
        KeyType::Server => Kind::Server,
        KeyType::Cluster => Kind::Cluster,
        KeyType::Operator => Kind::Operator,
        KeyType::Curve => Kind::Curve,
    };
    let (seed, key) = match kind {
        Kind::Curve => {
            let pair = CurveKeyPair::from_bytes(bytes)?;
            (pair.seed(), pair.public_key())
        }
        kind => {
            let pair = KeyPair::from_bytes(kind, bytes)?;
            (pair.seed(), pair.public_key())
        }
    };
    let mut text = format!("{}\n", seed.as_str());
    if public {
        text.push_str(&format!("{key}\n"));
    }
    match output {
        Some(path) => store::write(path, text.as_bytes()),
        None => {
            output::show(&text);
            Ok(())
        }
    }
}

/// The first line that looks like a seed.
fn seed_in(text: &str) -> Result<&str> {
    let mut lines = text.lines().map(str::trim);
    lines
        .find(|line| line.len() == 58 && line.starts_with('S'))
        .context("there is no seed in it")
}

fn public_of(seed: &str) -> Result<PublicKey> {
    Ok(match seed.starts_with("SX") {
        true => CurveKeyPair::from_seed(seed)?.public_key(),
        false => KeyPair::from_seed(seed)?.public_key(),
    })
}

fn verify(file: &Path, signature: &Path, key: &Path) -> Result<()> {
    let text = store::read_text(key)?;
    // A public key does, and so does a seed.
    let public = match PublicKey::parse(text.trim()) {
        Ok(public) => public,
        Err(_) => public_of(seed_in(&text).context(key.display())?)?,
    };
    let data = std::fs::read(file).context(file.display())?;
    let text = store::read_text(signature)?;
    let signature = decode_signature(text.trim())
        .context(format!("{}: this is no signature", signature.display()))?;
    public
        .verify(&data, &signature)
        .map_err(|_| Error::new("the signature is not that of this key over this file"))?;
    say!("Verified OK");
    Ok(())
}

impl SealArgs {
    fn other(&self) -> Result<PublicKey> {
        let key = PublicKey::parse(&self.other).context("invalid public key provided")?;
        match key.kind() {
            Kind::Curve => Ok(key),
            _ => Err(Error::new("invalid public key provided")
                .hint("Sealing takes the public half of a curve key, which begins with X.")),
        }
    }

    fn seal(&self) -> Result<()> {
        let key = curve_key(&self.key)?;
        let data = std::fs::read(&self.file).context(self.file.display())?;
        let mut sealed = key.seal(&data, &self.other()?, random::bytes::<24>()?)?;
        if !self.no_b64 {
            sealed = STANDARD.encode(sealed).into_bytes();
        }
        self.put(&sealed)
    }

    fn unseal(&self) -> Result<()> {
        let key = curve_key(&self.key)?;
        let mut sealed = std::fs::read(&self.file).context(self.file.display())?;
        if !self.no_b64 {
            let text = String::from_utf8_lossy(&sealed);
            sealed = STANDARD
                .decode(text.trim())
                .context("the data is not base64")?;
        }
        let opened = key.open(&sealed, &self.other()?)?;
        self.put(&opened)
    }

    fn put(&self, data: &[u8]) -> Result<()> {
        match &self.output {
            Some(path) => store::write(path, data),
            None => {
                output::print(data);
                output::print(b"\n");
                Ok(())
            }
        }
    }
}
