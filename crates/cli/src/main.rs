//! `nats`, the command-line tool: reads the arguments, runs one command, ends with its exit code.
//!
//! Everything else is in the modules: [`cli`] is what can be asked for, [`connect`] how a server is
//! reached, [`jsm`] how JetStream is managed, [`output`] what people see, and `commands` has a
//! module per command. Exit codes: 0 it worked, 1 it did not, others as a command documents.

mod app;
mod args;
mod cli;
mod commands;
mod connect;
mod error;
#[allow(
    dead_code,
    unused_imports,
    reason = "a whole API, of which each command uses a part"
)]
mod jsm;
#[allow(
    dead_code,
    reason = "a whole set of tools, of which each command uses a part"
)]
mod output;

fn main() {
    std::process::exit(cli::run(std::env::args_os()));
}
