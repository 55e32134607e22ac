//! The rules of this repository. Each file is a family of rules; each failure gives the reason.
//!
//! A rule that does not fit a case is changed here, with its reason, or the case is marked with
//! `// tidy: <rule>: <reason>` where the rule says that it can be.

mod dependencies;
mod habits;
mod layers;
mod module_docs;
mod purity;
mod sizes;
mod test_manners;

use std::sync::OnceLock;

use cognate_tidy::SourceFile;

/// All Rust sources, read once.
fn sources() -> &'static [SourceFile] {
    static SOURCES: OnceLock<Vec<SourceFile>> = OnceLock::new();
    let sources = SOURCES.get_or_init(cognate_tidy::sources);
    // A walk that finds nothing would make every rule pass.
    assert!(
        sources
            .iter()
            .any(|file| file.path == "crates/subject/src/lib.rs")
    );
    sources
}

/// Fails with all violations of a rule at once, and the reason for the rule.
fn expect_none(rule: &str, reason: &str, violations: impl IntoIterator<Item = String>) {
    let violations: Vec<String> = violations.into_iter().collect();
    let list = violations.join("\n  ");
    assert!(
        violations.is_empty(),
        "\n{rule}\n\n  {list}\n\nWhy: {reason}\n"
    );
}
