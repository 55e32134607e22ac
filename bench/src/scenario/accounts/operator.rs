//! The start of a server with thousands of accounts of an operator.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::conn::Login;
use crate::failure::{Context, Result};
use crate::scenario::Settings;
use crate::server::Server;
use crate::tokens::{Key, Role, token, user};

const ACCOUNTS: u64 = 10_000;
/// How long the server may tidy up after starting before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

/// Starts it and waits for a user of the system account to get in.
pub(super) fn start(binary: &Path, settings: &Settings) -> Result<Server> {
    let operator = Key::new(Role::Operator, "operator")?;
    let system = Key::new(Role::Account, "system")?;
    let login = Login::Token(user(&system, "admin")?);
    let accounts = settings.count(ACCOUNTS);
    Server::start_configured(binary, login, |scratch| {
        let dir = scratch.join("accounts");
        fs::create_dir(&dir).context("making the resolver's directory")?;
        store(&operator, &system, "", &dir)?;
        for number in 0..accounts {
            let account = Key::new(Role::Account, &format!("account {number}"))?;
            store(&operator, &account, WHAT_IT_HAS, &dir)?;
        }
        let nats = format!(
            r#"{{"system_account":"{}","type":"operator","version":2}}"#,
            system.public()
        );
        Ok(format!(
            "operator: \"{}\"\nsystem_account: {}\nresolver: {{ type: full, dir: \"{}\" }}\n",
            token(&operator, operator.public(), &nats)?,
            system.public(),
            dir.display()
        ))
    })
}

/// Seconds to start, CPU seconds for it, resident memory then.
pub(super) fn run(server: &Server) -> Result<Vec<f64>> {
    std::thread::sleep(SETTLE);
    Ok(vec![
        server.start_to_ready().as_secs_f64(),
        server.cpu()?.total_seconds(),
        server.memory()?.resident_kib as f64 / 1024.0,
    ])
}

const WHAT_IT_HAS: &str = r#""exports":[{"name":"events","subject":"events.>","type":"stream"},{"name":"help","subject":"help.*","type":"service"}],"default_permissions":{"pub":{"deny":["admin.>"]},"sub":{}},"#;

fn store(operator: &Key, account: &Key, what: &str, dir: &Path) -> Result<()> {
    let limits = r#""limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1}"#;
    let nats = format!(r#"{{{what}{limits},"type":"account","version":2}}"#);
    let token = token(operator, account.public(), &nats)?;
    fs::write(dir.join(format!("{}.jwt", account.public())), token).context("writing a token")
}
