//! Operator mode: whose accounts are trusted, what they claim, and who their users are.
//!
//! Accounts come from a resolver: the one in memory has what is preloaded, the full one a directory to
//! which accounts are pushed while the server runs. All of them are read and checked at start and with
//! each reload, so that a login waits for nothing. Imports that their exporters do not grant are left
//! out, as nats-server does, with a line in the log. Callers: [`crate::convert`] for the accounts, the
//! door of a connection for logins, the system account for pushes.
//!
//! Absent: resolvers that ask an account server or other servers.

mod directory;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use cognate_auth::account_spec::AccountSpec;
use cognate_auth::jwt::{Generic, Signed};
use cognate_auth::nkey::PublicKey;
use cognate_auth::proxy::ProxyCheck;
use cognate_auth::time_window::Moment;
use cognate_auth::trust::{Admission, Imported, JwtDenial, JwtLogin, Trust, TrustConfig};
use cognate_auth::trust::{TrustedAccount, UserFate};
use cognate_auth::users::{ConnectionType, User};
use cognate_config::Options;
use cognate_config::options::Resolver;
use cognate_wire::ConnectOptions;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::{Mutex, RwLock};

use self::directory::Directory;
use crate::shared::COMPATIBLE_VERSION;

/// Whom the server trusts, and the accounts it knows.
pub(crate) struct OperatorMode {
    trust: Trust,
    accounts: RwLock<BTreeMap<PublicKey, Known>>,
    /// Where accounts that are pushed are stored.
    directory: Option<Directory>,
    /// Held while something is stored or deleted.
    storing: Mutex<()>,
    /// What of the accounts' claims cannot be used.
    problems: Vec<String>,
}

/// An account and the token that says what it is.
struct Known {
    token: String,
    account: Arc<TrustedAccount>,
    /// Whether it is in the directory.
    is_stored: bool,
}

/// A client that wants to log in.
pub(crate) struct Caller<'a> {
    /// What it said.
    pub options: &'a ConnectOptions,
    /// What it was to sign.
    pub nonce: &'a [u8],
    /// How it is connected.
    pub connection_type: ConnectionType,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// Whether a trusted proxy stands in front of it.
    pub proxy: ProxyCheck,
}

/// Who a client is.
pub(crate) struct Admitted {
    /// The user.
    pub user: Arc<User>,
    /// When it must go, and what it is told then.
    pub expires: Option<(Timestamp, &'static str)>,
}

impl OperatorMode {
    /// What the options say; `None` without operators.
    ///
    /// # Errors
    /// What cannot be used, in words for the user.
    pub(crate) fn load(options: &Options) -> Result<Option<Arc<Self>>, String> {
        let operator = &options.operator;
        if !operator.is_on() {
            return Ok(None);
        }
        if options.jetstream.is_some() {
            return Err(
                "JetStream in operator mode is not supported yet: remove one of the two".to_owned(),
            );
        }
        let now = Timestamp::now().as_second();
        let config = TrustConfig {
            operators: operator.operators.iter().map(|o| o.jwt.clone()).collect(),
            trusted_keys: operator.trusted_keys.clone(),
            // The one that the server makes by itself is called `$SYS` here too.
            system_account: options
                .system_account
                .clone()
                .filter(|_| options.system_account_configured),
            pinned_accounts: operator.resolver_pinned_accounts.iter().cloned().collect(),
            default_sentinel: operator
                .default_sentinel
                .as_ref()
                .map(|token| token.expose().to_owned()),
            server_version: version(),
        };
        let trust = Trust::new(config).map_err(|error| error.to_string())?;
        let directory = match &operator.resolver {
            Some(Resolver::Full(full)) => Some(Directory::new(full)),
            _ => None,
        };
        let mut mode = OperatorMode {
            trust,
            accounts: RwLock::default(),
            directory,
            storing: Mutex::default(),
            problems: Vec::new(),
        };
        mode.read_directory(now)?;
        for (key, token) in &operator.resolver_preload {
            let key = PublicKey::parse(key).map_err(|error| format!("account {key}: {error}"))?;
            let known = mode.known(key, token, now)?;
            mode.take(key, known);
        }
        if let Some(system) = mode.trust.system_account()
            && !mode.accounts.read().contains_key(&system)
        {
            return Err(format!(
                "the system account {system} is neither in resolver_preload nor in the resolver"
            ));
        }
        Ok(Some(Arc::new(mode)))
    }

    /// Takes over what is stored; what cannot be used is reported and stays where it is.
    fn read_directory(&mut self, now: i64) -> Result<(), String> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let (tokens, mut problems) = directory
            .read()
            .map_err(|error| format!("the resolver's directory cannot be read: {error}"))?;
        for (key, token) in tokens {
            match self.known(key, &token, now) {
                Ok(known) => self.take(
                    key,
                    Known {
                        is_stored: true,
                        ..known
                    },
                ),
                Err(problem) => problems.push(problem),
            }
        }
        self.problems.append(&mut problems);
        Ok(())
    }

    /// What a token says of an account.
    fn known(&self, key: PublicKey, token: &str, now: i64) -> Result<Known, String> {
        let account = self
            .trust
            .accept_account(token, Some(&key), now)
            .map_err(|error| format!("account {key}: {error}"))?;
        if account.callout.is_some() {
            return Err(format!(
                "account {key} leaves its users to an auth callout, which is not supported yet"
            ));
        }
        Ok(Known {
            token: token.to_owned(),
            account: Arc::new(account),
            is_stored: false,
        })
    }

    /// Puts an account in the place of an older version of it.
    fn take(&mut self, key: PublicKey, known: Known) {
        let problems = known.account.problems.iter();
        self.problems
            .extend(problems.map(|problem| format!("Account {key}: {problem}")));
        let accounts = self.accounts.get_mut();
        let newer = |old: &Known| {
            old.account.issued_at > known.account.issued_at || old.token == known.token
        };
        if !accounts.get(&key).is_some_and(newer) {
            accounts.insert(key, known);
        }
    }

    /// Stores what was preloaded where pushed accounts are, so that it is there without the file.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        for (key, known) in self
            .accounts
            .read()
            .iter()
            .filter(|(_, known)| !known.is_stored)
        {
            directory
                .store(key, &known.token)
                .map_err(|error| format!("account {key} cannot be stored: {error}"))?;
        }
        Ok(())
    }

    /// Whether accounts can be pushed here.
    pub(crate) fn takes_pushes(&self) -> bool {
        self.directory.is_some()
    }

    /// Stores an account and puts it in force for logins. Returns which it is.
    ///
    /// # Errors
    /// The account, as far as it is known, and the answer's text.
    pub(crate) fn push(
        &self,
        token: &str,
        account: Option<&str>,
    ) -> Result<PublicKey, (String, String)> {
        let token = token.trim();
        let pushed = self
            .trust
            .check_push(token, account)
            .map_err(|error| (error.account.clone(), error.to_string()))?;
        let name = pushed.claims().registered.subject.clone();
        let failed = |problem: String| {
            (
                name.clone(),
                format!("jwt update resulted in error - {problem}"),
            )
        };
        let key = pushed
            .subject()
            .ok_or_else(|| failed("no account key".to_owned()))?;
        let known = self
            .known(key, token, Timestamp::now().as_second())
            .map_err(failed)?;
        let directory = self.directory.as_ref();
        let directory = directory.ok_or_else(|| failed("nothing is stored here".to_owned()))?;
        // Logins go on while the disk works.
        let _turn = self.storing.lock();
        let (is_new, count) = {
            let accounts = self.accounts.read();
            (!accounts.contains_key(&key), accounts.len())
        };
        if is_new && !directory.has_room(count) {
            return Err(failed("jwt store is full".to_owned()));
        }
        directory
            .store(&key, token)
            .map_err(|error| failed(error.to_string()))?;
        self.accounts.write().insert(key, known);
        Ok(key)
    }

    /// Deletes accounts, and returns which.
    ///
    /// # Errors
    /// The answer's text.
    pub(crate) fn delete(&self, token: &str) -> Result<Vec<PublicKey>, String> {
        let directory = self.directory.as_ref().filter(|d| d.allows_deletion());
        let Some(directory) = directory else {
            let request = Signed::<Generic>::decode(token.trim()).ok();
            let by = request.map(|request| request.claims().registered.subject.clone());
            return Err(format!(
                "delete accounts request by {} failed - delete must be enabled in server config",
                by.unwrap_or_default()
            ));
        };
        let keys = self.trust.check_delete(token.trim())?;
        let _turn = self.storing.lock();
        for key in &keys {
            let removed = self.accounts.write().remove(key);
            if removed.is_some() {
                directory
                    .delete(key)
                    .map_err(|error| format!("delete accounts request failed - {key}: {error}"))?;
            }
        }
        Ok(keys)
    }

    /// The names of all accounts.
    pub(crate) fn names(&self) -> Vec<String> {
        self.accounts
            .read()
            .keys()
            .map(PublicKey::to_string)
            .collect()
    }

    /// The token of an account.
    pub(crate) fn token(&self, name: &str) -> Option<String> {
        let key = PublicKey::parse(name).ok()?;
        Some(self.accounts.read().get(&key)?.token.clone())
    }

    /// What of the accounts' claims cannot be used, for the log.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The name of the system account.
    pub(crate) fn system_account(&self) -> Option<String> {
        self.trust.system_account().map(|key| key.to_string())
    }

    /// The accounts with the imports that they are granted, and what is left out.
    pub(crate) fn specs(&self) -> (Vec<AccountSpec>, Vec<String>) {
        let now = Timestamp::now().as_second();
        let mut left_out = Vec::new();
        let accounts = self.accounts.read();
        let mut granted = |importer: &TrustedAccount, import: Imported<'_>| {
            let exporter = PublicKey::parse(import.account).ok();
            let exporter = exporter.and_then(|key| accounts.get(&key));
            let denial =
                match exporter.map(|exporter| exporter.account.grants(&importer.id, import, now)) {
                    Some(Ok(_)) => return true,
                    Some(Err(denial)) => denial.to_string(),
                    None => "the account is not known".to_owned(),
                };
            let (id, account, subject) = (&importer.id, import.account, import.subject);
            left_out.push(format!(
                "Account {id}: the import of {subject:?} from {account} is left out: {denial}"
            ));
            false
        };
        let mut specs = Vec::with_capacity(accounts.len());
        for Known { account, .. } in accounts.values() {
            let mut spec = account.spec.clone();
            spec.stream_imports
                .retain(|import| granted(account, Imported::from(import)));
            spec.service_imports
                .retain(|import| granted(account, Imported::from(import)));
            specs.push(spec);
        }
        (specs, left_out)
    }

    /// Decides about a client's login.
    ///
    /// # Errors
    /// Why it is not let in.
    pub(crate) fn admit(&self, caller: &Caller<'_>) -> Result<Admitted, JwtDenial> {
        let now = Timestamp::now();
        let zone = TimeZone::system();
        let moment = Moment { now, zone: &zone };
        let login = JwtLogin {
            jwt: &caller.options.jwt,
            mqtt_password: "",
            sig: &caller.options.sig,
            nonce: caller.nonce,
            connection_type: caller.connection_type,
            address: caller.address,
            proxy: caller.proxy,
        };
        let claimed = self.trust.begin(&login, now.as_second())?;
        let unknown = || JwtDenial::AccountLookup("account missing".to_owned());
        let account = self.account(&claimed.account()).ok_or_else(unknown)?;
        let Admission { user, expires, .. } =
            claimed.admit(&self.trust, &account, &login, moment)?;
        let user_end =
            expires.map(|at| (at, cognate_wire::error_text::USER_AUTHENTICATION_EXPIRED));
        let account_end = account
            .expires
            .and_then(|at| Timestamp::from_second(at).ok());
        let account_end =
            account_end.map(|at| (at, cognate_wire::error_text::ACCOUNT_AUTHENTICATION_EXPIRED));
        Ok(Admitted {
            user,
            expires: user_end
                .into_iter()
                .chain(account_end)
                .min_by_key(|(at, _)| *at),
        })
    }

    fn account(&self, key: &PublicKey) -> Option<Arc<TrustedAccount>> {
        Some(Arc::clone(&self.accounts.read().get(key)?.account))
    }

    /// What the accounts' present claims mean for a user who is connected.
    pub(crate) fn fate_of(&self, user: &Arc<User>) -> Option<UserFate> {
        let key = PublicKey::parse(user.account.as_deref()?).ok()?;
        let account = self.account(&key)?;
        Some(account.fate_of(user, Timestamp::now().as_second()))
    }
}

/// The version of NATS that is followed, as numbers.
fn version() -> [u32; 3] {
    let mut numbers = COMPATIBLE_VERSION
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}
