//! Operator mode: whose accounts are trusted, what they claim, and who their users are.
//!
//! ```text
//!             known                       in force
//! resolver ──▶ token, checked ──bring──▶ claims decoded, account on the data path
//! ```
//!
//! Accounts come from a resolver: the one in memory has what is preloaded, the full one a directory to
//! which accounts are pushed, the caching one a directory of what it was sent by others, and the URL
//! resolver an account server. Their tokens are *known* when they were read and checked; an account is
//! *in force*, with an interest and imports of its own, from the first login of one of its users or
//! the first import from it on ([`bring`]). So thousands of accounts that nobody uses cost a few
//! hundred bytes each. A login waits for its account where it disturbs nobody. Imports that their
//! exporters do not grant are left out, as nats-server does, with a line in the log. Callers:
//! [`crate::convert`] for the accounts, the door of a connection for logins, the system account for
//! pushes.

mod account_server;
mod book;
mod bring;
mod directory;
mod exchange;
mod specs;
mod store;

pub(crate) use bring::{begin, bring, follow_up, is_at_hand, tick};
pub(crate) use exchange::others_listen;
pub(crate) use store::Pushed;

use std::net::IpAddr;
use std::sync::Arc;

use cognate_auth::nkey::PublicKey;
use cognate_auth::proxy::ProxyCheck;
use cognate_auth::time_window::Moment;
use cognate_auth::trust::{Admission, ClaimedUser, JwtDenial, JwtLogin, Trust, TrustConfig};
use cognate_auth::trust::{TrustedAccount, UserFate};
use cognate_auth::users::{ConnectionType, User};
use cognate_config::Options;
use cognate_config::options::Resolver;
use cognate_wire::{ConnectOptions, error_text};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use self::account_server::AccountServer;
use self::book::{Book, Known};
use self::directory::Directory;
use self::exchange::Lookups;
use self::specs::Imports;
use crate::shared::COMPATIBLE_VERSION;

/// Whom the server trusts, and the accounts it knows.
pub(crate) struct OperatorMode {
    trust: Trust,
    /// What is known of accounts.
    book: RwLock<Book>,
    /// Where they come from.
    source: Source,
    /// The same as the options have it.
    resolver: Option<Resolver>,
    /// Held while something is stored or deleted.
    storing: Mutex<()>,
    /// What of the accounts' claims cannot be used.
    problems: Vec<String>,
    /// Who imports what from whom, of the accounts in force.
    imports: Mutex<Imports>,
    /// Accounts that are being fetched, and those that were not there.
    lookups: Lookups,
}

/// Where accounts come from.
enum Source {
    /// What was preloaded.
    Memory,
    /// An account server.
    Server(Arc<AccountServer>),
    /// A directory that has all of them.
    Full(Directory),
    /// A directory that has some of them; others are asked for the rest.
    Cache(Directory),
}

impl Source {
    fn directory(&self) -> Option<&Directory> {
        match self {
            Source::Full(directory) | Source::Cache(directory) => Some(directory),
            Source::Memory | Source::Server(_) => None,
        }
    }
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

impl<'a> Caller<'a> {
    fn login(&self) -> JwtLogin<'a> {
        JwtLogin {
            jwt: &self.options.jwt,
            mqtt_password: "",
            sig: &self.options.sig,
            nonce: self.nonce,
            connection_type: self.connection_type,
            address: self.address,
            proxy: self.proxy,
        }
    }
}

/// Who a client is.
pub(crate) struct Admitted {
    /// The user.
    pub user: Arc<User>,
    /// When it must go, and what it is told then.
    pub expires: Option<(Timestamp, &'static str)>,
    /// Who decides instead, if its account leaves that to a service.
    pub delegated: Option<Delegated>,
}

/// A user whose account asks a service about it.
pub(crate) struct Delegated {
    /// The account.
    pub account: PublicKey,
    /// The token that counted: the client's, or the default one.
    pub token: Zeroizing<String>,
}

impl OperatorMode {
    /// What the options say; `None` without operators. `old` is what was in force, of which what
    /// cannot be read again is kept.
    ///
    /// # Errors
    /// What cannot be used, in words for the user.
    pub(crate) fn load(options: &Options, old: Option<&Self>) -> Result<Option<Arc<Self>>, String> {
        let operator = &options.operator;
        if !operator.is_on() {
            return Ok(None);
        }
        let trust = Trust::new(trust_config(options)).map_err(|error| error.to_string())?;
        let source = match &operator.resolver {
            Some(Resolver::Full(full)) => Source::Full(Directory::full(full)),
            Some(Resolver::Cache(cache)) => Source::Cache(Directory::cache(cache)),
            Some(Resolver::Url(url)) => {
                let tls = operator.resolver_tls.as_ref();
                Source::Server(Arc::new(AccountServer::new(url, tls)?))
            }
            Some(Resolver::Memory) | None => Source::Memory,
        };
        let mut mode = OperatorMode {
            trust,
            book: RwLock::default(),
            source,
            resolver: operator.resolver.clone(),
            storing: Mutex::default(),
            problems: Vec::new(),
            imports: Mutex::default(),
            lookups: Lookups::default(),
        };
        mode.read_directory()?;
        if let Some(old) = old {
            mode.inherit(old);
        }
        for (key, token) in &operator.resolver_preload {
            let key = PublicKey::parse(key).map_err(|error| format!("account {key}: {error}"))?;
            match mode.known(key, token) {
                Ok(known) => mode.take(key, known),
                // Its users are not let in; all others are.
                Err(problem) => mode.problems.push(problem),
            }
        }
        mode.ensure_system_account()?;
        Ok(Some(Arc::new(mode)))
    }

    /// Takes over what is stored; what cannot be used is reported and stays where it is.
    fn read_directory(&mut self) -> Result<(), String> {
        let Some(directory) = self.source.directory() else {
            return Ok(());
        };
        let (stored, mut problems) = directory
            .read()
            .map_err(|error| format!("the resolver's directory cannot be read: {error}"))?;
        for (key, token) in stored {
            match self.known(key, &token) {
                Ok(known) => self.take(key, known.stored()),
                Err(problem) => problems.push(problem),
            }
        }
        self.problems.append(&mut problems);
        Ok(())
    }

    /// Takes over what others sent, which is asked for again only when it is needed, and what is in
    /// use, if accounts come from elsewhere now. What is in memory is only what the options say.
    fn inherit(&mut self, old: &Self) {
        let mut tokens = Vec::new();
        if matches!(self.source, Source::Server(_) | Source::Cache(_)) {
            tokens = old.book.read().kept_tokens();
        }
        if !matches!(self.source, Source::Memory) && self.resolver != old.resolver {
            let used = old.book.read().used();
            let book = self.book.get_mut();
            let unknown = used.into_iter().filter(|key| !book.contains(key));
            tokens.extend(unknown.filter_map(|key| Some((key, old.token(&key.to_string())?))));
        }
        for (key, token) in tokens {
            if let Ok(known) = self.known(key, &token) {
                self.take(key, known);
            }
        }
    }

    /// What a token says of an account.
    fn known(&self, key: PublicKey, token: &str) -> Result<Known, String> {
        let now = Timestamp::now().as_second();
        let account = self
            .trust
            .accept_account(token, Some(&key), now)
            .map_err(|error| format!("account {key}: {error}"))?;
        Ok(Known::new(token, account))
    }

    /// Puts an account in the place of an older version of it.
    fn take(&mut self, key: PublicKey, known: Known) {
        let problems = known.problems.iter();
        self.problems
            .extend(problems.map(|problem| format!("Account {key}: {problem}")));
        self.book.get_mut().take(key, known.at_rest());
    }

    /// Somebody must be able to push the system account where it is not known yet: until then it is
    /// one that its own key alone speaks for, as in nats-server.
    fn ensure_system_account(&mut self) -> Result<(), String> {
        let Some(system) = self.trust.system_account() else {
            return Ok(());
        };
        let book = self.book.get_mut();
        if book.contains(&system) {
            return Ok(());
        }
        if matches!(self.source, Source::Memory) {
            return Err(format!(
                "the system account {system} is not in resolver_preload"
            ));
        }
        if let Some(account) = self.trust.provisional_account(system) {
            book.insert(system, Known::provisional(account));
        }
        Ok(())
    }

    /// What of the accounts' claims cannot be used, for the log.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The system account.
    pub(crate) fn system_account(&self) -> Option<PublicKey> {
        self.trust.system_account()
    }

    /// Reads the token of a client.
    ///
    /// # Errors
    /// Why it counts for nothing.
    pub(crate) fn claim(&self, caller: &Caller<'_>) -> Result<ClaimedUser, JwtDenial> {
        self.trust
            .begin(&caller.login(), Timestamp::now().as_second())
    }

    /// Decides about a client's login, `claimed` being what its token says.
    ///
    /// # Errors
    /// Why it is not let in.
    pub(crate) fn admit(
        &self,
        claimed: &ClaimedUser,
        caller: &Caller<'_>,
    ) -> Result<Admitted, JwtDenial> {
        let zone = TimeZone::system();
        let moment = Moment {
            now: Timestamp::now(),
            zone: &zone,
        };
        let unknown = || JwtDenial::AccountLookup("account missing".to_owned());
        let account = self.account(&claimed.account()).ok_or_else(unknown)?;
        let Admission {
            user,
            expires,
            delegated,
        } = claimed.admit(&self.trust, &account, &caller.login(), moment)?;
        let delegated = delegated.then(|| Delegated {
            account: account.id,
            token: Zeroizing::new(claimed.token().to_owned()),
        });
        Ok(Admitted {
            user,
            expires: end_of(expires, &account),
            delegated,
        })
    }

    /// Whether the account of this name leaves its users to a service.
    pub(crate) fn asks_service(&self, name: &str) -> bool {
        let key = PublicKey::parse(name);
        key.is_ok_and(|key| self.asks_service_of(&key))
    }

    /// Whether an account leaves its users to a service.
    pub(crate) fn asks_service_of(&self, key: &PublicKey) -> bool {
        let account = self.account(key);
        account.is_some_and(|account| account.callout.is_some())
    }

    /// What an account claims that was needed before: those in force are among them.
    pub(crate) fn account(&self, key: &PublicKey) -> Option<Arc<TrustedAccount>> {
        self.book.read().decoded(key)
    }

    /// When a user with a token must go, and what it is told then.
    pub(crate) fn end_for(&self, user: &User) -> Option<(Timestamp, &'static str)> {
        let key = PublicKey::parse(user.account.as_deref()?).ok()?;
        let own = user.token.as_ref().and_then(|token| token.ends);
        end_of(own, &*self.account(&key)?)
    }

    /// What the accounts' present claims mean for a user who is connected.
    pub(crate) fn fate_of(&self, user: &Arc<User>) -> Option<UserFate> {
        let key = PublicKey::parse(user.account.as_deref()?).ok()?;
        let account = self.account(&key)?;
        Some(account.fate_of(user, Timestamp::now().as_second()))
    }
}

fn trust_config(options: &Options) -> TrustConfig {
    let operator = &options.operator;
    TrustConfig {
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
    }
}

/// When a user must go whose own time ends at `expires`, and what it is told then.
pub(crate) fn end_of(
    expires: Option<Timestamp>,
    account: &TrustedAccount,
) -> Option<(Timestamp, &'static str)> {
    let user_end = expires.map(|at| (at, error_text::USER_AUTHENTICATION_EXPIRED));
    let account_end = account
        .expires
        .and_then(|at| Timestamp::from_second(at).ok());
    let account_end = account_end.map(|at| (at, error_text::ACCOUNT_AUTHENTICATION_EXPIRED));
    user_end
        .into_iter()
        .chain(account_end)
        .min_by_key(|(at, _)| *at)
}

/// The version of NATS that is followed, as numbers.
fn version() -> [u32; 3] {
    let mut numbers = COMPATIBLE_VERSION
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}
