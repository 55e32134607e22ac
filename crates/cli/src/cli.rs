//! The command line: what can be asked for, and how the answer becomes an exit code.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app::App;
use crate::args;
use crate::commands;
use crate::connect::ConnectFlags;
use crate::error::{Error, Result};
use crate::output;

/// NATS Utility
///
/// NATS Server and JetStream administration. See 'nats cheat' for a quick cheatsheet of commands.
#[derive(Parser)]
#[command(
    name = "nats",
    version,
    disable_help_subcommand = false,
    subcommand_required = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    connect: ConnectFlags,

    #[command(subcommand)]
    command: Command,
}

/// One variant per top-level command; the module of the same name has its arguments and its `run`.
#[derive(Subcommand)]
enum Command {
    #[command(visible_alias = "pub")]
    Publish(commands::publish::PublishArgs),
    #[command(visible_alias = "sub")]
    Subscribe(commands::subscribe::SubscribeArgs),
    #[command(visible_alias = "req")]
    Request(commands::request::RequestArgs),
    Reply(commands::reply::ReplyArgs),
    Rtt(commands::rtt::RttArgs),
    #[command(visible_alias = "lat")]
    Latency(commands::latency::LatencyArgs),
    Bench(commands::bench::BenchArgs),
    Kv(commands::kv::KvArgs),
    #[command(visible_alias = "obj")]
    Object(commands::object::ObjectArgs),
    #[command(visible_alias = "ctr")]
    Counter(commands::counter::CounterArgs),
    #[command(visible_alias = "ctx")]
    Context(commands::context::ContextArgs),
    #[command(visible_aliases = ["str", "st", "ms", "s"])]
    Stream(commands::stream::StreamArgs),
    Schema(commands::schema::SchemaArgs),
    #[command(visible_aliases = ["err", "error"])]
    Errors(commands::errors::ErrorsArgs),
    #[command(visible_aliases = ["srv", "sys", "system"])]
    Server(commands::server::ServerArgs),
    Audit(commands::audit::AuditArgs),
    Auth(commands::auth::AuthArgs),
    #[command(visible_aliases = ["con", "obs", "c"])]
    Consumer(commands::consumer::ConsumerArgs),
    #[command(visible_aliases = ["event", "e"])]
    Events(commands::events::EventsArgs),
    Top(commands::top::TopArgs),
    #[command(visible_alias = "dash")]
    Dashboard(commands::dashboard::DashboardArgs),
    #[command(visible_alias = "a")]
    Account(commands::account::AccountArgs),
    #[command(visible_alias = "micro")]
    Service(commands::service::ServiceArgs),
    Trace(commands::trace::TraceArgs),
    Cheat(commands::cheat::CheatArgs),
    Completion(commands::completion::CompletionArgs),
    Man(commands::man::ManArgs),
    #[command(hide = true)]
    Plugins(commands::absent::Absent),
    #[command(hide = true)]
    Traffic(commands::absent::Absent),
}

impl Command {
    async fn run(self, app: &App) -> Result<()> {
        match self {
            Command::Publish(args) => args.run(app).await,
            Command::Subscribe(args) => args.run(app).await,
            Command::Request(args) => args.run(app).await,
            Command::Reply(args) => args.run(app).await,
            Command::Kv(args) => args.run(app).await,
            Command::Object(args) => args.run(app).await,
            Command::Counter(args) => args.run(app).await,
            Command::Latency(args) => args.run(app).await,
            Command::Bench(args) => args.run(app).await,
            Command::Stream(args) => args.run(app).await,
            Command::Schema(args) => args.run(app).await,
            Command::Errors(args) => args.run().await,
            Command::Server(args) => args.run(app).await,
            Command::Audit(args) => args.run(app).await,
            Command::Auth(args) => args.run(app).await,
            Command::Consumer(args) => args.run(app).await,
            Command::Events(args) => args.run(app).await,
            Command::Top(args) => args.run(app).await,
            Command::Dashboard(args) => args.run(app).await,
            Command::Account(args) => args.run(app).await,
            Command::Service(args) => args.run(app).await,
            Command::Trace(args) => args.run(app).await,
            Command::Cheat(args) => args.run().await,
            Command::Completion(args) => args.run().await,
            Command::Man(args) => args.run().await,
            Command::Plugins(absent) => absent.refuse(
                "nats plugins",
                "A script of its own can be put on the PATH beside this tool.",
            ),
            Command::Traffic(absent) => absent.refuse(
                "nats traffic",
                "`nats server report jetstream` and `nats server request raft` show what Raft groups do.",
            ),
            Command::Context(args) => args.run(app).await,
            Command::Rtt(args) => args.run(app).await,
        }
    }
}

/// The command tree, for help, completion and manual pages.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Runs what the arguments ask for and returns the exit code.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> i32 {
    let args: Vec<OsString> = args.collect();
    // How the official tool is asked, so that existing set-ups go on working.
    if let Some(shell) = args
        .get(1)
        .and_then(|arg| arg.to_str()?.strip_prefix("--completion-script-"))
    {
        commands::completion::print(shell);
        return 0;
    }
    // Nothing builds the whole tree of commands here: that takes longer than most commands.
    let command = command();
    let args = args::normalise(&command, args.into_iter());
    let cli = match command
        .try_get_matches_from(&args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &args),
    };
    match block_on(cli) {
        Ok(()) => 0,
        Err(error) => {
            if !error.message().is_empty() {
                output::remark(&format!("nats: error: {error}"));
            }
            error.exit_code()
        }
    }
}

fn block_on(cli: Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("no runtime: {error}")))?;
    let app = App::new(cli.connect);
    runtime.block_on(async {
        let result = cli.command.run(&app).await;
        app.drain().await;
        result
    })
}

/// Help goes to standard output and is no failure; everything else is one. How the command is used is
/// told as it stands in its help: clap would list what was given, the environment's share included.
fn usage(error: &clap::Error, args: &[OsString]) -> i32 {
    let kind = error.kind();
    if matches!(
        kind,
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let help = args::asked_for(command(), args, |asked| asked.render_help().to_string());
        let (help, _) = help.split_once("\nGlobal flags:").unwrap_or((&help, ""));
        output::remark(&format!(
            "nats: error: one of the commands below is needed\n\n{}\n\nPass --help to see the global flags.",
            help.trim_end()
        ));
        1
    } else if error.use_stderr() {
        let usage = args::asked_for(command(), args, |asked| asked.render_usage().to_string());
        let text = error.render().to_string();
        let line = |line: &str| match line.starts_with("Usage: ") {
            true => usage.clone(),
            false => line.to_owned(),
        };
        let text: Vec<String> = text.trim_end().lines().map(line).collect();
        output::remark(&format!("nats: {}", text.join("\n")));
        1
    } else {
        output::print(error.render().to_string().as_bytes());
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// An argument with the id of a global flag would take its place, or be taken for it.
    #[test]
    fn no_argument_is_mistaken_for_a_global_flag() {
        fn check(command: &clap::Command, globals: &[&str]) {
            for command in command.get_subcommands() {
                for argument in command.get_arguments() {
                    let id = argument.get_id().as_str();
                    let name = command.get_name();
                    assert!(!globals.contains(&id), "{name} has an argument {id}");
                }
                check(command, globals);
            }
        }
        let root = Cli::command();
        let globals: Vec<&str> = root.get_arguments().map(|a| a.get_id().as_str()).collect();
        check(&root, &globals);
    }
}
