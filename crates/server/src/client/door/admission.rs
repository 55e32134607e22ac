//! A login from CONNECT to its outcome: one shape for every way in.
//!
//! ```text
//! configured user ─┬──────────────▶ known ─┬────────────────▶ outcome
//!                  └─▶ hashing ───▶ known ─┤ a service decides?
//! token ───────────┬──────────────▶ known ─┴─▶ asking ─────▶ outcome
//!                  └─▶ finding ───▶ known
//! ```
//!
//! A login that is not decided at once is kept by the door and polled by the connection's task, which
//! works through nothing meanwhile. Dropping it ends it: a hash that was not begun is not computed,
//! a question is forgotten. Bound: a connection has one login at a time.
//!
//! Absent: what an outcome brings about, which is the door's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use cognate_auth::callout::CalloutDenial;
use cognate_auth::nkey::PublicKey;
use cognate_auth::trust::JwtDenial;
use cognate_auth::users::{Authenticator, BcryptLogin, DenyCause, User};
use cognate_process::{Logger, debug, error, warn};
use cognate_wire::CloseReason;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::callout::Question;
use super::configured::Applicant;

/// Who is let in.
pub(super) struct Admitted {
    /// The user.
    pub(super) user: Arc<User>,
    /// When it must go, and what it is told then.
    pub(super) expires: Option<(Timestamp, &'static str)>,
    /// The configuration's users as they were when it was judged.
    pub(super) authenticator: Arc<Authenticator>,
    /// What a service let it in for, if it is to be asked again at a reload.
    pub(super) question: Option<Box<Question>>,
}

/// Why somebody is not let in. The client is told the same of all of them.
#[derive(Debug)]
pub(super) enum Refusal {
    /// As the configuration's users say.
    User(DenyCause),
    /// The server is in operator mode no more.
    NoOperator,
    /// As a token says, or what its account claims.
    Token(JwtDenial),
    /// The same of a token of this account, which leaves its users to a service.
    DelegatedToken(JwtDenial, PublicKey),
    /// As a service says, or because of how it said it. In operator mode: whose token it was.
    Callout(CalloutDenial, Option<Arc<User>>),
    /// The service of this account did not answer in time.
    Unanswered(String, Option<Arc<User>>),
}

/// What came of a login.
pub(super) type Outcome = Result<Admitted, Refusal>;

/// Something that is waited for; dropping it ends it.
pub(super) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a login stands.
pub(super) enum Login {
    /// At its end.
    Decided(Outcome),
    /// A hash is being computed, or waits its turn.
    Hashing(Hashing),
    /// The account of a token is being fetched, or brought in force.
    Finding(Waiting<Box<Login>>),
    /// A service is asked.
    Asking(Waiting<Outcome>),
}

/// A comparison with a hash, and for whom it is made.
pub(super) struct Hashing {
    job: Waiting<Result<Arc<User>, DenyCause>>,
    /// Whether it had its turn.
    has_begun: Arc<AtomicBool>,
    applicant: Option<Box<Applicant>>,
}

impl Hashing {
    /// Has the hash computed where it disturbs nobody, `permits` of them at a time.
    pub(super) fn begin(
        permits: &Arc<Semaphore>,
        login: BcryptLogin,
        applicant: Applicant,
    ) -> Self {
        let permits = Arc::clone(permits);
        let has_begun = Arc::<AtomicBool>::default();
        Hashing {
            job: Box::pin(compute(permits, login, Arc::clone(&has_begun))),
            has_begun,
            applicant: Some(Box::new(applicant)),
        }
    }
}

async fn compute(
    permits: Arc<Semaphore>,
    login: BcryptLogin,
    has_begun: Arc<AtomicBool>,
) -> Result<Arc<User>, DenyCause> {
    // Nobody closes it.
    let permit = permits.acquire_owned().await;
    has_begun.store(true, Relaxed);
    let job = tokio::task::spawn_blocking(move || {
        // Kept while the thread is busy, even if nobody waits for the result any more.
        let _permit = permit;
        login.run()
    });
    // It ends early only if the runtime is shut down.
    job.await.unwrap_or(Err(DenyCause::WrongUserOrPassword))
}

impl Login {
    /// Goes on, and returns the outcome or what is still to be waited for.
    pub(super) fn poll(self, cx: &mut Context<'_>) -> Result<Outcome, Login> {
        let mut login = self;
        loop {
            login = match login {
                Login::Decided(outcome) => return Ok(outcome),
                Login::Hashing(mut hashing) => match hashing.job.as_mut().poll(cx) {
                    Poll::Ready(result) => match hashing.applicant.take() {
                        Some(applicant) => applicant.judged(result),
                        None => Login::Decided(Err(Refusal::User(DenyCause::NoCredentials))),
                    },
                    Poll::Pending => return Err(Login::Hashing(hashing)),
                },
                Login::Finding(mut finding) => match finding.as_mut().poll(cx) {
                    Poll::Ready(found) => *found,
                    Poll::Pending => return Err(Login::Finding(finding)),
                },
                Login::Asking(mut asking) => match asking.as_mut().poll(cx) {
                    Poll::Ready(outcome) => Login::Decided(outcome),
                    Poll::Pending => return Err(Login::Asking(asking)),
                },
            }
        }
    }

    /// Whether a service is asked.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self, Login::Asking(_))
    }

    /// Whether nothing needs to be found out any more if the client goes away. (Where the answer comes
    /// by itself soon, a client may have said all it has to say and closed its sending side.)
    pub(super) fn may_be_given_up(&self) -> bool {
        match self {
            Login::Decided(_) | Login::Finding(_) => false,
            Login::Hashing(hashing) => !hashing.has_begun.load(Relaxed),
            Login::Asking(_) => true,
        }
    }
}

impl Refusal {
    /// Writes it to the log, as loud as nats-server does. `label` is the connection's.
    pub(super) fn report(&self, log: &Logger, label: &str) {
        match self {
            Refusal::Token(denial) | Refusal::DelegatedToken(denial, _)
                if denial.is_logged_as_error() =>
            {
                error!(log, "{label} - {denial}");
            }
            Refusal::Callout(denial, _) => warn!(log, "{label} - {denial}"),
            other => debug!(log, "{label} - {other}"),
        }
    }

    /// Why the connection is closed.
    pub(super) fn reason(&self) -> CloseReason {
        match self {
            Refusal::User(DenyCause::ProxyRequired)
            | Refusal::Token(JwtDenial::ProxyRequired)
            | Refusal::DelegatedToken(JwtDenial::ProxyRequired, _)
            | Refusal::Callout(CalloutDenial::ProxyRequired, _) => CloseReason::ProxyRequired,
            Refusal::User(DenyCause::ProxyNotTrusted)
            | Refusal::Token(JwtDenial::ProxyNotTrusted) => CloseReason::ProxyNotTrusted,
            _ => CloseReason::AuthenticationFailure,
        }
    }

    /// What the account is told that decides about the client: what its service said, nothing where
    /// that said nothing, and otherwise why the connection is closed.
    pub(super) fn told(&self) -> String {
        match self {
            Refusal::Callout(denial, _) => denial.to_string(),
            Refusal::Unanswered(..) => String::new(),
            other => other.reason().as_str().to_owned(),
        }
    }

    /// Who a service was asked about, if a valid token says that.
    pub(super) fn bearer(&self) -> Option<&Arc<User>> {
        match self {
            Refusal::Callout(_, bearer) | Refusal::Unanswered(_, bearer) => bearer.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::User(cause) => write!(f, "Authentication failed: {cause}"),
            Refusal::NoOperator => f.write_str("operators are not trusted any more"),
            Refusal::Token(denial) | Refusal::DelegatedToken(denial, _) => denial.fmt(f),
            Refusal::Callout(denial, _) => denial.fmt(f),
            Refusal::Unanswered(account, _) => write!(
                f,
                "Authorization callout response not received in time on account {account:?}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Hashes take turns, and what nobody waits for is not computed.

    use std::sync::Arc;
    use std::task::{Context, Waker};

    use cognate_auth::password::Secret;
    use cognate_auth::users::{AuthConfig, Authenticator, Decision, Login as Offer, UserPassword};
    use tokio::sync::Semaphore;

    use super::super::configured::Applicant;
    use super::{Hashing, Login};

    /// bcrypt of `s3cret`, cost 4.
    const HASH: &str = "$2a$04$YjhkwsSPLNdi3/ZgNats1euaCfdHSKVbk.8x6/03X5W7N2poQcloC";

    fn login(permits: &Arc<Semaphore>, pass: &str) -> Login {
        let config = AuthConfig {
            user: Some(UserPassword {
                name: "a".to_owned(),
                password: Secret::from_config(HASH),
            }),
            ..AuthConfig::default()
        };
        let authenticator = Arc::new(Authenticator::new(config).expect("a good configuration"));
        let offer = Offer {
            user: "a",
            pass,
            ..Offer::default()
        };
        let Decision::NeedsBcrypt(hash) = authenticator.begin(&offer) else {
            panic!("it hangs on a hash");
        };
        let applicant = Applicant::without_service(authenticator);
        Login::Hashing(Hashing::begin(permits, hash, applicant))
    }

    fn wait(login: Login) -> Login {
        let mut cx = Context::from_waker(Waker::noop());
        match login.poll(&mut cx) {
            Ok(_) => panic!("it is not its turn"),
            Err(login) => login,
        }
    }

    async fn outcome(login: Login) -> bool {
        let mut login = Some(login);
        let outcome = std::future::poll_fn(|cx| match login.take().map(|login| login.poll(cx)) {
            Some(Ok(outcome)) => std::task::Poll::Ready(outcome.is_ok()),
            Some(Err(still)) => {
                login = Some(still);
                std::task::Poll::Pending
            }
            None => std::task::Poll::Ready(false),
        });
        outcome.await
    }

    #[tokio::test]
    async fn hashes_take_turns() {
        let permits = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&permits)
            .try_acquire_owned()
            .expect("it is free");
        let (right, given_up) = (
            wait(login(&permits, "s3cret")),
            wait(login(&permits, "s3cret")),
        );
        let wrong = wait(login(&permits, "guess"));
        assert!(given_up.may_be_given_up() && right.may_be_given_up());
        drop(given_up);
        drop(turn);
        assert!(outcome(right).await);
        assert!(!outcome(wrong).await);
        assert_eq!(permits.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_hash_that_is_computed_keeps_its_turn_when_nobody_waits() {
        let permits = Arc::new(Semaphore::new(1));
        let mut cx = Context::from_waker(Waker::noop());
        // It may even be done already.
        if let Err(begun) = login(&permits, "s3cret").poll(&mut cx) {
            assert!(!begun.may_be_given_up());
        }
        assert!(
            outcome(login(&permits, "s3cret")).await,
            "it comes after that one"
        );
        assert_eq!(permits.available_permits(), 1);
    }
}
