//! `nats server check credential`: how long a credentials file is good for.

use std::path::PathBuf;
use std::time::Duration;

use cognate_auth::creds;
use cognate_auth::jwt;
use jiff::Timestamp;

use super::outcome::{Measure, Outcome};
use crate::error::{Context, Result};
use crate::output::duration;

/// Checks the validity of a NATS credential file
#[derive(clap::Args)]
pub(super) struct CredentialCheck {
    /// The file holding the NATS credential
    #[arg(long)]
    credential: PathBuf,

    /// Warning threshold for time before expiry
    #[arg(long, value_parser = duration::arg)]
    validity_warn: Option<Duration>,

    /// Critical threshold for time before expiry
    #[arg(long, value_parser = duration::arg)]
    validity_critical: Option<Duration>,

    /// Accept a credential without an expiry
    #[arg(long)]
    no_require_expiry: bool,
}

impl CredentialCheck {
    pub(super) fn run(&self) -> Outcome {
        let mut outcome = Outcome::new("credential", "Credential");
        if let Some(expires) = outcome.or_critical(self.expiry(), "invalid credential") {
            self.judge(expires, Timestamp::now().as_second(), &mut outcome);
        }
        outcome
    }

    /// When the credential expires, in seconds since 1970; 0 is never.
    fn expiry(&self) -> Result<i64> {
        let text =
            std::fs::read_to_string(&self.credential).context("credential not accessible")?;
        let token = creds::token_of(text.as_bytes()).context("there is no JWT in it")?;
        let claims = jwt::Signed::<jwt::User>::decode(token)?;
        Ok(claims.claims().registered.expires)
    }

    fn judge(&self, expires: i64, now: i64, outcome: &mut Outcome) {
        let left = expires.saturating_sub(now);
        let limit = |limit: Option<Duration>| {
            limit.map_or(0, |l| i64::try_from(l.as_secs()).unwrap_or(i64::MAX))
        };
        let (warning, critical) = (limit(self.validity_warn), limit(self.validity_critical));
        let value = if expires == 0 { 0 } else { left };
        outcome.measured(
            Measure::new("expiry", value as f64, "Expiry time in seconds")
                .in_unit("s")
                .within(warning as f64, critical as f64),
        );
        let sooner = |limit: i64| {
            let limit = Duration::from_secs(u64::try_from(limit).unwrap_or_default());
            format!("expires sooner than {}", duration::human(limit))
        };
        match expires {
            0 if self.no_require_expiry => outcome.ok("never expires"),
            0 => outcome.critical("never expires"),
            _ if left <= 0 => outcome.critical("has expired"),
            _ if critical > 0 && left <= critical => outcome.critical(sooner(critical)),
            _ if warning > 0 && left <= warning => outcome.warning(sooner(warning)),
            _ => {
                let at = Timestamp::from_second(expires).unwrap_or_default();
                outcome.ok(format!("expires in {at}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_judged() {
        let check = CredentialCheck {
            credential: PathBuf::new(),
            validity_warn: Some(Duration::from_secs(100)),
            validity_critical: Some(Duration::from_secs(10)),
            no_require_expiry: false,
        };
        let code = |expires: i64| {
            let mut outcome = Outcome::default();
            check.judge(expires, 1000, &mut outcome);
            outcome.code()
        };
        assert_eq!(
            [code(0), code(900), code(1010), code(1100), code(2000)],
            [2, 2, 2, 1, 0]
        );
    }
}
