//! `nats auth account push` and `query`: accounts and the servers' resolvers.

use std::path::Path;

use cognate_auth::jwt::Account;
use serde_json::Value;

use crate::app::App;
use crate::commands::auth::select::Chosen;
use crate::commands::auth::show;
use crate::commands::auth::store::{self, AccountEntity};
use crate::commands::server::sys::System;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};
use crate::output::terminal::Style;
use crate::say;

/// Brings an account to all servers.
pub(super) async fn push(app: &App, account: &AccountEntity, with_token: bool) -> Result<()> {
    if with_token {
        say!("Account JWT for {}\n\n{}\n", account.name, account.token);
    }
    let system = System::connect(app).await?;
    let expect = system.active_servers().await?;
    say!(
        "Updating account {} ({}) on {expect} server(s)\n",
        account.name,
        account.subject()
    );
    let (mut updated, mut failed) = (0, 0);
    let subject = format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.UPDATE", account.subject());
    system
        .send_each(&subject, account.token.clone().into(), expect, |answer| {
            let document: Value = serde_json::from_slice(answer).unwrap_or_default();
            let server = document.text("server.name");
            match document.get("error") {
                None if document.is_object() => {
                    updated += 1;
                    say!("{} Update completed on {server}", Style::Green.paint("✓"));
                }
                None => {
                    failed += 1;
                    let text = String::from_utf8_lossy(answer);
                    say!(
                        "{} Invalid JSON response received: {text}",
                        Style::Red.paint("X")
                    );
                }
                Some(error) => {
                    failed += 1;
                    let text = error.text("description");
                    say!(
                        "{} Update failed on {server}: {text}",
                        Style::Red.paint("X")
                    );
                }
            }
        })
        .await?;
    say!("\nSuccess {updated} Failed {failed} Expected {expect}");
    if failed > 0 {
        return Err(Error::new(format!(
            "update failed on {failed}/{expect} servers"
        )));
    }
    match updated {
        0 => Err(Error::new("no servers were updated").hint(
            "Do the servers have a full resolver, and the operator that signed the account?",
        )),
        updated if updated < expect => Err(Error::new(format!(
            "received updates from only {updated} out of {expect} servers"
        ))),
        _ => Ok(()),
    }
}

/// Shows an account as a server knows it.
pub(super) async fn query(
    app: &App,
    chosen: &Chosen,
    account: &AccountEntity,
    output: Option<&Path>,
) -> Result<()> {
    let system = System::connect(app).await?;
    let subject = format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP", account.subject());
    let mut token = String::new();
    system
        .send_each(&subject, Vec::new(), 1, |answer| {
            token = String::from_utf8_lossy(answer).into_owned();
        })
        .await?;
    if token.is_empty() {
        return Err(Error::new("did not receive a valid token from the server")
            .hint("Was the account pushed? `nats auth account push` does it."));
    }
    if let Some(path) = output {
        store::write(path, token.as_bytes())?;
    }
    let mut found =
        store::entity::<Account>(&account.name, &token).context("the server's token")?;
    found.name.clone_from(&found.claims.registered.name);
    show::account_page(chosen, &found, None).print();
    Ok(())
}
