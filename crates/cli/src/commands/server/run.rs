//! `nats server run`: a server for development, with users, accounts and contexts to reach it.
//!
//! The server is the `nats-server` next to this tool, or on the PATH. Passwords and the port are kept
//! in the contexts, so the next run has the same; the configuration is written where only its owner
//! can read it, and removed in the end.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::app::App;
use crate::commands::shared::random;
use crate::connect::{ContextFile, Store};
use crate::error::{Context, Error, Result};
use crate::say;

/// Characters of the passwords that are made up.
const PASSWORD_LENGTH: usize = 32;

/// The cost of hashing them: they are random, so there is nothing to guess.
const HASH_COST: u32 = 5;

/// Runs a local development NATS server
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// The name of the server and of the contexts to reach it
    #[arg(default_value = "nats_development")]
    name: String,

    /// Extends the NATS demo network
    #[arg(long)]
    extend_demo: bool,

    /// Extends a NATS network using a context
    #[arg(long)]
    extend: bool,

    /// Enables JetStream support
    #[arg(long)]
    jetstream: bool,

    /// Sets the local listening port
    #[arg(long)]
    port: Option<u16>,

    /// Enable HTTP based monitoring on a local listening port
    #[arg(long, value_name = "PORT")]
    monitor: Option<u16>,

    /// Remove contexts after exiting
    #[arg(long)]
    clean: bool,

    /// Log in debug mode
    #[arg(long)]
    verbose: bool,

    /// The server to run
    #[arg(
        long,
        env = "NATS_SERVER_BIN",
        value_name = "FILE",
        hide_env_values = true
    )]
    binary: Option<PathBuf>,
}

/// A user of the server: the suffix of its context, its name, its account and what it is for.
const USERS: [(&str, &str, &str, &str); 3] = [
    (
        "",
        "local",
        "USER",
        "Local user access for NATS Development instance",
    ),
    (
        "_service",
        "service",
        "SERVICE",
        "Local service access for NATS Development instance",
    ),
    (
        "_system",
        "system",
        "SYSTEM",
        "System user access for NATS Development instance",
    ),
];

/// A user, with a context of its own.
struct User {
    context: String,
    name: &'static str,
    account: &'static str,
    description: &'static str,
    password: String,
}

impl RunArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        crate::connect::check_name(&self.name)?;
        let binary = self.binary()?;
        let store = Store::open()?;
        let users = self.users(&store)?;
        let port = self.free_port(&store)?;
        let text = self.configuration(app, &users, port)?;
        let path =
            std::env::temp_dir().join(format!("nats-server-run-{}.conf", std::process::id()));
        write_private(&path, &text)?;
        let url = format!("nats://127.0.0.1:{port}");
        self.save_contexts(&store, &users, &url)?;
        self.introduce(&users, &url);
        let ended = supervise(&binary, &path).await;
        // Both go whatever happened.
        let _ = std::fs::remove_file(&path);
        if self.clean {
            for user in &users {
                store.remove(&user.context)?;
            }
        }
        ended
    }

    fn binary(&self) -> Result<PathBuf> {
        if let Some(binary) = &self.binary {
            return match binary.is_file() {
                true => Ok(binary.clone()),
                false => Err(Error::new(format!("there is no file {}", binary.display()))),
            };
        }
        let own = std::env::current_exe().ok();
        let beside = own.and_then(|own| Some(own.parent()?.to_owned()));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = beside.into_iter().chain(std::env::split_paths(&path));
        let mut found = dirs.map(|dir| dir.join("nats-server"));
        found.find(|binary| binary.is_file()).ok_or_else(|| {
            Error::new("there is no nats-server beside this tool or on the PATH")
                .hint("Say where it is with --binary or NATS_SERVER_BIN.")
        })
    }

    fn users(&self, store: &Store) -> Result<Vec<User>> {
        let user = |&(suffix, name, account, description): &(
            &str,
            &'static str,
            &'static str,
            &'static str,
        )| {
            let context = format!("{}{suffix}", self.name);
            let known = match store.is_known(&context) {
                true => store.load(&context)?.password,
                false => String::new(),
            };
            let password = match known.is_empty() {
                true => random::password(PASSWORD_LENGTH)?,
                false => known,
            };
            Ok(User {
                context,
                name,
                account,
                description,
                password,
            })
        };
        USERS.iter().map(user).collect()
    }

    /// The port of the flag, else that of an earlier run, else one that is free.
    fn free_port(&self, store: &Store) -> Result<u16> {
        if let Some(port) = self.port {
            return Ok(port);
        }
        if store.is_known(&self.name) {
            let url = store.load(&self.name)?.url;
            if let Some(port) = url.rsplit(':').next().and_then(|port| port.parse().ok()) {
                return Ok(port);
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        Ok(listener.local_addr()?.port())
    }

    fn domain(&self) -> String {
        match self.jetstream && (self.extend || self.extend_demo) {
            true => self.name.to_uppercase(),
            false => String::new(),
        }
    }

    fn configuration(&self, app: &App, users: &[User], port: u16) -> Result<String> {
        let mut text = format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: \"{}\"\ndebug: {}\ntrace: {}\nsystem_account: SYSTEM\nlogtime: false\n",
            self.name,
            self.verbose,
            app.flags().trace
        );
        if let Some(port) = self.monitor {
            text.push_str(&format!("http: \"127.0.0.1:{port}\"\n"));
        }
        let mut jetstream = "";
        if self.jetstream {
            jetstream = "jetstream: enabled";
            let dir = data_dir()?.join("nats").join(&self.name);
            text.push_str(&format!(
                "jetstream {{\n  store_dir: {}\n",
                quoted(&dir.display().to_string())
            ));
            if !self.domain().is_empty() {
                text.push_str(&format!("  domain: \"{}\"\n", self.domain()));
            }
            text.push_str("}\n");
        }
        text.push_str("accounts {\n");
        for user in users {
            let hash = super::passwd::hash(&user.password, HASH_COST)?;
            let more = match user.account {
                "USER" => format!(
                    "    {jetstream}\n    imports: [{{service: {{account: SERVICE, subject: \"service.>\"}}, to: \"imports.SERVICE.>\"}}]\n"
                ),
                "SERVICE" => {
                    format!("    {jetstream}\n    exports: [{{service: \"service.>\"}}]\n")
                }
                _ => String::new(),
            };
            text.push_str(&format!(
                "  {}: {{\n{more}    users: [{{user: {}, password: \"{hash}\"}}]\n  }}\n",
                user.account, user.name
            ));
        }
        text.push_str("}\n");
        text.push_str(&self.remotes(app)?);
        Ok(text)
    }

    fn remotes(&self, app: &App) -> Result<String> {
        let mut remotes = String::new();
        if self.extend_demo {
            remotes.push_str("    {url: \"nats://demo.nats.io:7422\", account: USER}\n");
        }
        if self.extend {
            let context = &app.settings()?.context;
            if context.url.is_empty() {
                return Err(Error::new(
                    "extending using a context requires a server url in the context",
                )
                .hint("Choose one with --context, or give --server."));
            }
            let credentials = match context.creds.as_str() {
                "" => String::new(),
                creds => format!(", credentials: {}", quoted(creds)),
            };
            remotes.push_str(&format!(
                "    {{url: {}{credentials}, account: USER}}\n",
                quoted(&context.url)
            ));
        }
        Ok(match remotes.is_empty() {
            true => String::new(),
            false => format!("leafnodes {{\n  remotes = [\n{remotes}  ]\n}}\n"),
        })
    }

    fn save_contexts(&self, store: &Store, users: &[User], url: &str) -> Result<()> {
        for user in users {
            let is_system = user.account == "SYSTEM";
            let context = ContextFile {
                description: user.description.to_owned(),
                url: url.to_owned(),
                user: user.name.to_owned(),
                password: user.password.clone(),
                jetstream_domain: if is_system {
                    String::new()
                } else {
                    self.domain()
                },
                ..ContextFile::default()
            };
            store.save(&user.context, &context)?;
        }
        Ok(())
    }

    fn introduce(&self, users: &[User], url: &str) {
        say!(
            "Starting local development NATS Server instance: {}\n",
            self.name
        );
        for (title, user) in ["User", "Service", "System"].iter().zip(users) {
            say!(
                "{:>24}: User: {:<7} Password: {} Context: {}",
                format!("{title} Credentials"),
                user.name,
                user.password,
                user.context
            );
        }
        if !self.domain().is_empty() {
            say!("{:>24}: {}", "JetStream Domain", self.domain());
        }
        say!("{:>24}: {}", "Extending Demo Network", self.extend_demo);
        say!("{:>24}: {}", "Extending Remote NATS", self.extend);
        say!("{:>24}: {url}", "URL");
        say!("{:>24}: {}\n", "Clean on Exit", self.clean);
        say!("NOTE: This is not a supported way to run a production NATS Server.\n");
    }
}

/// Runs the server until it ends or the tool is interrupted.
async fn supervise(binary: &Path, configuration: &Path) -> Result<()> {
    let mut server = tokio::process::Command::new(binary)
        .arg("-c")
        .arg(configuration)
        .kill_on_drop(true)
        .spawn()
        .context(binary.display())?;
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        status = server.wait() => {
            let status = status?;
            match status.success() {
                true => Ok(()),
                false => Err(Error::new(format!("the server ended: {status}"))),
            }
        }
        _ = tokio::signal::ctrl_c() => stop(&mut server).await,
        _ = terminated.recv() => stop(&mut server).await,
    }
}

/// Asks the server to end, and waits until it has.
async fn stop(server: &mut tokio::process::Child) -> Result<()> {
    let pid = server
        .id()
        .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // At a terminal the server was interrupted as well, and may be gone.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
    server.wait().await?;
    Ok(())
}

/// Where data of programs is kept.
fn data_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(dir.into());
    }
    let home = std::env::var_os("HOME").context("cannot determine home directory")?;
    Ok(PathBuf::from(home).join(".local").join("share"))
}

/// A string of the server's configuration.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.context(path.display())?;
    file.write_all(text.as_bytes()).context(path.display())?;
    Ok(())
}
