//! What exports and imports have in common: both are lists of subjects in an account's claims.

use serde::Serialize;

use crate::commands::auth::select::{Chosen, OperatorFlag};
use crate::commands::auth::store::AccountEntity;
use crate::error::{Context, Error, Result};
use crate::output::columns::Columns;
use crate::output::{json, prompt};
use crate::say;

/// An entry of such a list.
pub(super) trait Entry: Serialize + Clone {
    /// `export` or `import`.
    const NOUN: &'static str;
    /// How the user says which one is meant.
    const BY: &'static str;

    /// The subject it is known by.
    fn subject(&self) -> &str;
    /// All of an account.
    fn all(account: &AccountEntity) -> &[Self];
    /// All of an account, to change.
    fn all_mut(account: &mut AccountEntity) -> &mut Vec<Self>;
    /// The page about one.
    fn page(&self, chosen: &Chosen) -> Result<Columns>;
}

/// Which entry to show.
#[derive(clap::Args)]
pub(super) struct InfoArgs {
    /// Subject of the one to view; a local subject for imports
    subject: Option<String>,
    /// Account to act on
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

/// Which entry to remove.
#[derive(clap::Args)]
pub(super) struct RmArgs {
    /// Subject of the one to remove; a local subject for imports
    subject: String,
    /// Account to act on
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    /// Removes without prompting
    #[arg(short, long)]
    force: bool,
}

impl InfoArgs {
    pub(super) fn run<T: Entry>(self) -> Result<()> {
        let (chosen, account) = self.operator.account(self.account.as_deref())?;
        let entry = find::<T>(&account, self.subject.as_deref())?;
        if self.json {
            return json::print(entry);
        }
        entry.page(&chosen)?.print();
        Ok(())
    }
}

impl RmArgs {
    pub(super) fn run<T: Entry>(self) -> Result<()> {
        let (chosen, mut account) = self.operator.account(self.account.as_deref())?;
        let subject = self.subject;
        find::<T>(&account, Some(&subject))?;
        let question = format!("Really remove the {} {subject}", T::NOUN);
        prompt::confirm_or_stop(&question, self.force)?;
        T::all_mut(&mut account).retain(|entry| entry.subject() != subject);
        chosen.save_account(&mut account)?;
        say!("Removed {} of subject {subject:?}", T::NOUN);
        Ok(())
    }
}

/// Adds an entry, saves the account, and shows it.
pub(super) fn add<T: Entry>(chosen: &Chosen, mut account: AccountEntity, entry: T) -> Result<()> {
    T::all_mut(&mut account).push(entry.clone());
    chosen.save_account(&mut account)?;
    entry.page(chosen)?.print();
    Ok(())
}

/// Changes an entry, saves the account, and shows it.
pub(super) fn edit<T: Entry>(
    operator: &OperatorFlag,
    account: Option<&str>,
    subject: &str,
    change: impl FnOnce(&mut T),
) -> Result<()> {
    let (chosen, mut account) = operator.account(account)?;
    find::<T>(&account, Some(subject))?;
    let mut all = T::all_mut(&mut account).iter_mut();
    let entry = all
        .find(|entry| entry.subject() == subject)
        .context(format!("the {} is gone", T::NOUN))?;
    change(entry);
    let entry = entry.clone();
    chosen.save_account(&mut account)?;
    entry.page(&chosen)?.print();
    Ok(())
}

/// The entry of a subject, or the only one.
fn find<'a, T: Entry>(account: &'a AccountEntity, subject: Option<&str>) -> Result<&'a T> {
    let all = T::all(account);
    let found = match (subject, all) {
        (Some(subject), _) => all.iter().find(|entry| entry.subject() == subject),
        (None, [only]) => Some(only),
        (None, _) => {
            return Err(
                Error::new(format!("which {}?", T::NOUN)).hint(format!("Give its {}.", T::BY))
            );
        }
    };
    found.ok_or_else(|| {
        let (noun, subject) = (T::NOUN, subject.unwrap_or_default());
        Error::new(format!("subject {subject:?} is not {noun}ed")).hint(format!(
            "`nats auth account {noun}s ls {}` shows what is.",
            account.name
        ))
    })
}
