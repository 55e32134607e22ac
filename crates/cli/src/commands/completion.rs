//! `nats completion`: what a shell needs to complete commands and flags.

use clap_complete::Shell;

use crate::cli;
use crate::error::Result;
use crate::output;

/// Generate shell completion
///
///   bash:  source <(nats completion bash)
///   zsh:   nats completion zsh > "${fpath[1]}/_nats"
///   fish:  nats completion fish > ~/.config/fish/completions/nats.fish
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionArgs {
    /// The shell to complete in
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl CompletionArgs {
    #[allow(clippy::unused_async)]
    pub(crate) async fn run(self) -> Result<()> {
        print(&self.shell);
        Ok(())
    }
}

/// Prints the script for a shell.
pub(crate) fn print(shell: &str) {
    let shell = match shell {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "nats", &mut script);
    output::print(&script);
}
