//! `nats context`: named connection settings, in the official tool's files.

mod edit;
mod show;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::app::App;
use crate::connect::{ContextFile, Store, check_name, is_reference, resolve};
use crate::error::{Error, Result};
use crate::output::prompt;
use crate::output::{json, table::Table};
use crate::say;

/// Manage nats configuration contexts
#[derive(clap::Args)]
pub(crate) struct ContextArgs {
    #[command(subcommand)]
    command: ContextCommand,
}

#[derive(clap::Subcommand)]
enum ContextCommand {
    /// Update or create a context from the connection flags
    ///
    /// --creds, --nkey, --jwt and --seed take a path, file://path, env://NAME or
    /// data:;base64,<data>; --embed stores the contents of files in the context.
    #[command(visible_alias = "create", visible_alias = "save")]
    Add(AddArgs),
    /// Copies an existing context
    #[command(visible_alias = "cp")]
    Copy(CopyArgs),
    /// Edit a context in your EDITOR
    #[command(visible_alias = "vi")]
    Edit {
        /// The context name to edit
        name: String,
    },
    /// List known contexts
    #[command(visible_alias = "list", visible_alias = "l")]
    Ls {
        /// Show the list in JSON format
        #[arg(short, long)]
        json: bool,
        /// List just the names of known contexts
        #[arg(long, alias = "completion")]
        names: bool,
    },
    /// Remove a context
    #[command(visible_alias = "remove")]
    Rm {
        /// The context name to remove
        name: String,
        /// Force remove without prompting
        #[arg(short, long)]
        force: bool,
    },
    /// Select the default context
    #[command(visible_alias = "switch", visible_alias = "set")]
    Select {
        /// The context name to select
        name: Option<String>,
    },
    /// Ensures that no context is the default context
    Unselect,
    /// Display information on the current or named context
    #[command(visible_alias = "show", visible_alias = "v", visible_alias = "view")]
    Info(show::InfoArgs),
    /// Validate one or all contexts
    Validate(show::ValidateArgs),
    /// Switch to the previous context
    #[command(visible_alias = "-")]
    Previous,
}

#[derive(clap::Args)]
struct AddArgs {
    /// The context name to act on
    name: String,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(clap::Args)]
struct CopyArgs {
    /// The name of the context to copy from
    source: String,
    /// The name of the context to create
    name: String,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(clap::Args)]
struct CommonArgs {
    /// Set a friendly description for this context
    #[arg(long)]
    description: Option<String>,
    /// Select the saved context as the default one
    #[arg(long)]
    select: bool,
    /// Embeds credential content in the body of the context
    #[arg(long)]
    embed: bool,
    /// Refused: needs the tool nsc at every connection
    #[arg(long, hide = true)]
    nsc: Option<String>,
}

impl ContextArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let store = Store::open()?;
        match self.command {
            ContextCommand::Add(args) => {
                let base = match store.is_known(&args.name) {
                    true => store.load(&args.name)?,
                    false => ContextFile::default(),
                };
                save(app, &store, &args.name, base, &args.common)
            }
            ContextCommand::Copy(args) => {
                let base = store.load(&args.source)?;
                if store.is_known(&args.name) {
                    return Err(Error::new(format!(
                        "context {:?} already exists",
                        args.name
                    )));
                }
                save(app, &store, &args.name, base, &args.common)
            }
            ContextCommand::Edit { name } => {
                edit::edit(&store, &name)?;
                show::print(&store, &name)
            }
            ContextCommand::Ls { json, names } => list(&store, json, names),
            ContextCommand::Rm { name, force } => {
                store.load(&name)?;
                prompt::confirm_or_stop(&format!("Really remove context {name:?}"), force)?;
                store.remove(&name)
            }
            ContextCommand::Select { name } => select(&store, name),
            ContextCommand::Unselect => {
                let selected = store.selected();
                store.unselect()?;
                if let Some(name) = selected {
                    crate::note!("Unselected the {name:?} context");
                }
                Ok(())
            }
            ContextCommand::Info(args) => args.run(&store, app).await,
            ContextCommand::Validate(args) => args.run(&store, app).await,
            ContextCommand::Previous => {
                let previous = store
                    .previous()
                    .ok_or_else(|| Error::new("there is no previous context"))?;
                store.select(&previous)?;
                show::print(&store, &previous)
            }
        }
    }
}

fn save(app: &App, store: &Store, name: &str, base: ContextFile, args: &CommonArgs) -> Result<()> {
    check_name(name)?;
    if args.nsc.is_some() {
        return Err(Error::new("--nsc is not built into this tool")
            .hint("`nsc generate creds` writes a file for --creds."));
    }
    let mut context = app.flags().applied_to(base);
    if let Some(description) = &args.description {
        context.description.clone_from(description);
    }
    // As the official tool: a user without a password is a token.
    if context.password.is_empty() && !context.user.is_empty() {
        context.token = std::mem::take(&mut context.user);
    }
    if args.embed {
        for reference in [
            &mut context.creds,
            &mut context.nkey,
            &mut context.user_jwt,
            &mut context.user_seed,
        ] {
            let is_path = !reference.is_empty()
                && (!is_reference(reference) || reference.starts_with("file://"));
            if is_path {
                *reference = format!("data:;base64,{}", STANDARD.encode(resolve(reference)?));
            }
        }
    }
    store.save(name, &context)?;
    if args.select {
        store.select(name)?;
    }
    show::print(store, name)
}

fn select(store: &Store, name: Option<String>) -> Result<()> {
    let name = match name {
        Some(name) => name,
        None => {
            let names = store.names()?;
            let selected = store.selected();
            let current = names
                .iter()
                .position(|name| Some(name) == selected.as_ref())
                .unwrap_or(0);
            let chosen = prompt::choose(
                "Select a Context",
                &names,
                current,
                "`nats context select NAME`",
            )?;
            names.into_iter().nth(chosen).unwrap_or_default()
        }
    };
    store.select(&name)?;
    show::print(store, &name)
}

fn list(store: &Store, as_json: bool, only_names: bool) -> Result<()> {
    let names = store.names()?;
    if only_names {
        names.iter().for_each(|name| say!("{name}"));
        return Ok(());
    }
    let load = |name: &String| match store.load(name) {
        Ok(context) => Some(context),
        Err(error) => {
            crate::note!("Could not load context {name}: {error}");
            None
        }
    };
    let contexts: Vec<ContextFile> = names.iter().filter_map(load).collect();
    if as_json {
        return json::print(&contexts);
    }
    if contexts.is_empty() {
        say!("No known contexts");
        return Ok(());
    }
    let selected = store.selected();
    let mut table = Table::new("Known Contexts", &["Name", "Description"]);
    for context in contexts {
        let mark = if selected.as_ref() == Some(&context.name) {
            "*"
        } else {
            ""
        };
        table.row([format!("{}{mark}", context.name), context.description]);
    }
    table.print();
    Ok(())
}
