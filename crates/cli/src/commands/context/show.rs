//! `context info` and `context validate`: what a context says, and whether it would work.

use crate::app::App;
use crate::connect::{self, ContextFile, Settings, Store, is_reference, resolve};
use crate::error::{Error, Result};
use crate::output::columns::Columns;
use crate::output::json;
use crate::output::terminal::Style;
use crate::say;

#[derive(clap::Args)]
pub(super) struct InfoArgs {
    /// The context name to show
    name: Option<String>,
    /// Show the context in JSON format
    #[arg(short, long)]
    json: bool,
    /// Attempts to connect to NATS using the context while validating
    #[arg(long)]
    connect: bool,
}

#[derive(clap::Args)]
pub(super) struct ValidateArgs {
    /// Validate a specific context, validates all when not supplied
    name: Option<String>,
    /// Attempts to connect to NATS using the context while validating
    #[arg(long)]
    connect: bool,
}

impl InfoArgs {
    pub(super) async fn run(self, store: &Store, app: &App) -> Result<()> {
        let name = self
            .name
            .or_else(|| app.flags().context.clone())
            .or_else(|| store.selected());
        let name = name.ok_or_else(|| {
            Error::new("no default context and no name supplied")
                .hint("`nats context select` chooses one.")
        })?;
        let context = store.load(&name)?;
        if self.json {
            return json::print(&context);
        }
        match show(store, app, &context, self.connect).await? {
            0 => Ok(()),
            faults if self.connect => Err(Error::new(format!("{faults} problems found"))),
            _ => Ok(()),
        }
    }
}

impl ValidateArgs {
    pub(super) async fn run(self, store: &Store, app: &App) -> Result<()> {
        let names = match self.name {
            Some(name) => vec![name],
            None => store.names()?,
        };
        let mut faults = 0;
        for name in names {
            let checked = store
                .load(&name)
                .and_then(|context| context.check().map(|()| context));
            match checked {
                Ok(context) => faults += show(store, app, &context, self.connect).await?,
                Err(error) => {
                    faults += 1;
                    say!(
                        "Could not load {name}: {}\n",
                        Style::Red.paint(&error.to_string())
                    );
                }
            }
            say!();
        }
        if faults > 0 {
            Err(Error::new("validation failed"))
        } else {
            Ok(())
        }
    }
}

/// Prints a context without trying anything.
pub(super) fn print(store: &Store, name: &str) -> Result<()> {
    let mut faults = 0;
    page(store, &store.load(name)?, &mut faults).print();
    Ok(())
}

async fn show(store: &Store, app: &App, context: &ContextFile, tries: bool) -> Result<u32> {
    let mut faults = 0;
    let mut page = page(store, context, &mut faults);
    if tries {
        let settings = Settings::of_context(context.clone(), app.settings()?.timeout);
        match connect::connect(&settings).await {
            Ok(_) => page.row("Connection", Style::Green.paint("OK")),
            Err(error) => {
                faults += 1;
                page.row("Connection", Style::Red.paint(error.message()))
            }
        };
    }
    page.print();
    Ok(faults)
}

fn page(store: &Store, context: &ContextFile, faults: &mut u32) -> Columns {
    let mut page = Columns::new(format!("NATS Configuration Context {:?}", context.name));
    let proxy = match context.socks_proxy.as_str() {
        "" => String::new(),
        proxy => connect::socks::shown(proxy),
    };
    page.row_if_set("Description", &context.description)
        .row_if_set("Server URLs", &context.url)
        .row_if_set("SOCKS5 Proxy", proxy)
        .row_if_set("Username", &context.user)
        .row_if_set("Password", "*".repeat(context.password.chars().count()))
        .row_if_set("Token", "*".repeat(context.token.chars().count()));
    let references = [
        ("Credentials", &context.creds),
        ("User JWT", &context.user_jwt),
        ("User Seed", &context.user_seed),
        ("NKey", &context.nkey),
        ("Certificate", &context.cert),
        ("Key", &context.key),
        ("CA", &context.ca),
    ];
    for (label, reference) in references {
        if !reference.is_empty() {
            page.row(label, state(reference, faults));
        }
    }
    page.row_opt("TLS First", context.tls_first.then_some("true"))
        .row_if_set("JS API Prefix", &context.jetstream_api_prefix)
        .row_if_set("JS Event Prefix", &context.jetstream_event_prefix)
        .row_if_set("JS Domain", &context.jetstream_domain)
        .row_if_set("Inbox Prefix", &context.inbox_prefix)
        .row("Path", store.path(&context.name).display())
        .row_if_set("Color Scheme", &context.color_scheme);
    page
}

/// A reference with whether it can be read.
fn state(reference: &str, faults: &mut u32) -> String {
    if reference.starts_with("data:;base64,") {
        return "embedded data".to_owned();
    }
    // A JWT or a seed may stand in the context itself; a seed is not shown.
    if reference.starts_with("eyJ") || (reference.starts_with("SU") && reference.len() > 50) {
        return "embedded data".to_owned();
    }
    let state = match resolve(reference) {
        Ok(_) => Style::Green.paint("OK"),
        Err(_) if is_reference(reference) && !reference.starts_with("file://") => {
            Style::Yellow.paint("not available here")
        }
        Err(_) => {
            *faults += 1;
            Style::Red.paint("ERROR")
        }
    };
    format!("{reference} ({state})")
}
