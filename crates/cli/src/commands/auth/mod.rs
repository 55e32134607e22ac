//! `nats auth`: decentralised security without another tool: operators, accounts, users and keys.
//!
//! [`store`] keeps tokens and keys where the official tool keeps them, [`select`] finds out what a
//! command is about, and a module per kind has its commands. Tokens and keys themselves are
//! `cognate-auth`'s.

mod account;
mod backup;
mod nkey;
mod operator;
pub(crate) mod select;
mod show;
pub(crate) mod store;
mod user;

use crate::app::App;
use crate::error::Result;

/// NATS Decentralized Authentication
#[derive(clap::Args)]
pub(crate) struct AuthArgs {
    #[command(subcommand)]
    command: AuthCommand,
}

#[derive(clap::Subcommand)]
enum AuthCommand {
    #[command(visible_aliases = ["o", "op"])]
    Operator(operator::OperatorArgs),
    #[command(visible_aliases = ["a", "acct", "act"])]
    Account(account::AccountArgs),
    #[command(visible_aliases = ["u", "usr", "users"])]
    User(user::UserArgs),
    #[command(visible_alias = "nk")]
    Nkey(nkey::NkeyArgs),
}

impl AuthArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            AuthCommand::Operator(args) => args.run(),
            AuthCommand::Account(args) => args.run(app).await,
            AuthCommand::User(args) => args.run(),
            AuthCommand::Nkey(args) => args.run(),
        }
    }
}
