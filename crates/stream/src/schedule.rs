//! Message schedules: messages that make other messages at set times.
//!
//! ```text
//! stored   on its own subject: Nats-Schedule, Nats-Schedule-Target, … and perhaps a payload
//! made     on the target: Nats-Scheduler (the schedule's subject), Nats-Schedule-Next (a time, or
//!          `purge` if there is none, which removes the schedule)
//! ```
//!
//! One subject holds one schedule. When it is due is kept by the store as the message's deadline.

use cognate_model::{ApiError, Deadline, DeadlineKind, MessageStore, Sequence, Timestamp, error};
use cognate_subject::validate::is_valid_literal;

use crate::batch::Staged;
use crate::context::{Context, store_failed};
use crate::cron::{self, Schedule};
use crate::edit::Edits;
use crate::expect::rollup_of;
use crate::header::{self, Headers, name};
use crate::host::StreamHost;
use crate::keep::Draft;
use crate::time::{Ttl, write_rfc3339};

/// The value of `Nats-Schedule-Next` that says that there is no next time.
const PURGE: &[u8] = b"purge";

/// A message that a schedule makes.
struct Made {
    headers: Vec<u8>,
    payload: Vec<u8>,
    target: Vec<u8>,
    /// When the schedule is due again.
    next: Option<Timestamp>,
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Checks a message that may be a schedule; returns whether it is.
    pub(crate) fn check_schedule(
        &self,
        subject: &[u8],
        headers: &Headers<'_>,
    ) -> Result<bool, ApiError> {
        if headers.schedule.is_empty() && headers.schedule_time_zone.is_none() {
            return Ok(false);
        }
        let schedule = self.schedule(headers);
        if !self.rules.schedules && !matches!(schedule, Ok(None)) {
            return Err(error::MESSAGE_SCHEDULES_DISABLED);
        }
        let Some(schedule) = schedule? else {
            return Ok(false);
        };
        if schedule.next(self.now, self.now).is_none() {
            return Err(error::MESSAGE_SCHEDULES_PATTERN_INVALID);
        }
        if Ttl::parse(headers.schedule_ttl).is_none() {
            return Err(error::MESSAGE_SCHEDULES_TTL_INVALID);
        }
        if !matches!(headers.schedule_rollup, b"" | b"sub") {
            return Err(error::MESSAGE_SCHEDULES_ROLLUP_INVALID);
        }
        if !headers.schedule_ttl.is_empty() && !self.rules.ttls {
            return Err(error::MESSAGE_TTL_DISABLED);
        }
        let (target, source) = (headers.schedule_target, headers.schedule_source);
        if !is_valid_literal(target) || target == subject {
            return Err(error::MESSAGE_SCHEDULES_TARGET_INVALID);
        }
        let usable = source != target && source != subject && is_valid_literal(source);
        if !source.is_empty() && !usable {
            return Err(error::MESSAGE_SCHEDULES_SOURCE_INVALID);
        }
        if !self.rules.listens_to(target) {
            return Err(error::MESSAGE_SCHEDULES_TARGET_INVALID);
        }
        if !source.is_empty() && !self.rules.listens_to(source) {
            return Err(error::MESSAGE_SCHEDULES_SOURCE_INVALID);
        }
        if !headers.rollup.is_empty() && !headers.rollup.eq_ignore_ascii_case(b"sub") {
            return Err(error::MESSAGE_SCHEDULES_ROLLUP_INVALID);
        }
        Ok(true)
    }

    /// Checks the headers of made messages. Publishers may only use them to end a schedule.
    pub(crate) fn check_scheduler(
        &mut self,
        subject: &[u8],
        headers: &Headers<'_>,
        staged: Option<&Staged>,
    ) -> Result<(), ApiError> {
        let (scheduler, next) = (headers.scheduler, headers.schedule_next);
        if scheduler.is_empty() && next.is_empty() {
            return Ok(());
        }
        if next != PURGE || scheduler == subject || !is_valid_literal(scheduler) {
            return Err(error::MESSAGE_SCHEDULES_SCHEDULER_INVALID);
        }
        if !self.rules.schedules {
            return Err(error::MESSAGE_SCHEDULES_DISABLED);
        }
        let is_schedule = match staged.and_then(|staged| staged.is_schedule(scheduler)) {
            Some(is_schedule) => is_schedule,
            // That there is none is let pass: it may have ended just now.
            None => self
                .held_schedule(scheduler)?
                .is_none_or(|(_, is_schedule)| is_schedule),
        };
        if is_schedule {
            Ok(())
        } else {
            Err(error::MESSAGE_SCHEDULES_SCHEDULER_INVALID)
        }
    }

    /// When a message is first due as a schedule.
    pub(crate) fn first_firing(&self, headers: &Headers<'_>) -> Option<Timestamp> {
        if !self.rules.schedules || headers.schedule.is_empty() {
            return None;
        }
        let schedule = self.schedule(headers).ok()??;
        schedule.next(self.now, self.now)
    }

    /// A message that is no schedule ends the one that its subject holds.
    pub(crate) fn unschedule_before(&mut self, draft: &Draft<'_>) -> Result<(), ApiError> {
        if !draft.parsed.schedule.is_empty() || !draft.parsed.scheduler.is_empty() {
            return Ok(());
        }
        match self.held_schedule(draft.subject)? {
            Some((sequence, true)) => self.end_schedule(sequence),
            _ => Ok(()),
        }
    }

    /// Removes the schedule that a stored message says has no next time.
    pub(crate) fn purge_schedule_after(&mut self, headers: &Headers<'_>) -> Result<(), ApiError> {
        if headers.schedule_next != PURGE || !self.rules.rollups {
            return Ok(());
        }
        let subject = headers.scheduler;
        let below = self.state().last.saturating_add(1);
        self.roll_up(crate::expect::Rollup::Subject, subject, 0, below)
    }

    /// Makes the message of the schedule at `sequence`, which was due at `due`.
    pub(crate) fn fire(&mut self, sequence: Sequence, due: Timestamp) -> Result<(), ApiError> {
        let Some(made) = self.make(sequence, due) else {
            return self.end_schedule(sequence);
        };
        let mut buffer = Vec::new();
        let subject = self.transformed(&made.target, 0, &mut buffer);
        let parsed = Headers::parse(&made.headers);
        let rollup = rollup_of(parsed.rollup).filter(|_| self.rules.rollups);
        let draft = Draft {
            subject,
            headers: &made.headers,
            payload: &made.payload,
            parsed: &parsed,
            rollup,
            is_checked: false,
        };
        let fits = self.check_size(made.headers.len(), made.payload.len());
        let kept = fits.and_then(|()| self.keep(&draft, &mut Edits::default()));
        match kept {
            // No room now; later perhaps.
            Err(refused)
                if refused == error::INSUFFICIENT_RESOURCES
                    || refused == error::ACCOUNT_RESOURCES_EXCEEDED
                    || refused == error::NO_LIMITS =>
            {
                return Err(refused);
            }
            Ok(_) | Err(_) => {}
        }
        match made.next {
            Some(next) => self.set_next(sequence, Some(next)),
            // It is gone already if rollups are allowed, which they are.
            None => self.end_schedule(sequence),
        }
    }

    /// The message that a schedule makes now; none if it is not (or no more) a valid schedule.
    fn make(&mut self, sequence: Sequence, due: Timestamp) -> Option<Made> {
        let message = self.store.load(sequence).ok()??;
        let headers = Headers::parse(message.headers);
        let zone = match headers.schedule_time_zone {
            None => None,
            Some(name) => Some(cron::zone(name)?),
        };
        let schedule = Schedule::parse(headers.schedule, zone)?;
        let next = schedule.next(due, self.now)?;
        Ttl::parse(headers.schedule_ttl)?;
        let copy = |bytes: &[u8]| bytes.to_vec();
        let (subject, target) = (copy(message.subject), copy(headers.schedule_target));
        let (ttl, rollup) = (copy(headers.schedule_ttl), copy(headers.schedule_rollup));
        let source = copy(headers.schedule_source);
        let mut block = Vec::new();
        header::copy_if(&mut block, message.headers, is_passed_on);
        let mut payload = copy(message.payload);
        let last = self.store.subject(&source).map(|state| state.last);
        if let Some(last) = last.filter(|_| !source.is_empty())
            && let Ok(Some(found)) = self.store.load(last)
        {
            header::copy_if(&mut block, found.headers, is_passed_on);
            payload = copy(found.payload);
        }
        header::push(&mut block, name::SCHEDULER, &subject);
        let next = schedule.repeats().then_some(next);
        let mut when = PURGE.to_vec();
        if let Some(next) = next {
            when.clear();
            write_rfc3339(&mut when, next);
        }
        header::push(&mut block, name::SCHEDULE_NEXT, &when);
        for (key, value) in [(name::TTL, &ttl), (name::ROLLUP, &rollup)] {
            if !value.is_empty() {
                header::push(&mut block, key, value);
            }
        }
        header::close(&mut block);
        Some(Made {
            headers: block,
            payload,
            target,
            next,
        })
    }

    /// What `Nats-Schedule` and the time zone say.
    fn schedule(&self, headers: &Headers<'_>) -> Result<Option<Schedule>, ApiError> {
        let zone = match headers.schedule_time_zone {
            None => None,
            Some(name) => {
                let zone = cron::zone(name).ok_or(error::MESSAGE_SCHEDULES_TIME_ZONE_INVALID)?;
                Some(zone)
            }
        };
        if headers.schedule.is_empty() {
            return Ok(None);
        }
        match Schedule::parse(headers.schedule, zone) {
            Some(schedule) => Ok(Some(schedule)),
            None => Err(error::MESSAGE_SCHEDULES_PATTERN_INVALID),
        }
    }

    /// The last message of a subject, and whether it is a schedule.
    fn held_schedule(&mut self, subject: &[u8]) -> Result<Option<(Sequence, bool)>, ApiError> {
        let Some(state) = self.store.subject(subject) else {
            return Ok(None);
        };
        let last = self.store.load(state.last).map_err(|e| store_failed(&e))?;
        Ok(last.map(|message| {
            let is_schedule = !Headers::parse(message.headers).schedule.is_empty();
            (message.sequence, is_schedule)
        }))
    }

    fn end_schedule(&mut self, sequence: Sequence) -> Result<(), ApiError> {
        self.set_next(sequence, None)
    }

    /// Sets when a message is due as a schedule; its own time to live still ends when it would have.
    pub(crate) fn set_next(
        &mut self,
        sequence: Sequence,
        next: Option<Timestamp>,
    ) -> Result<(), ApiError> {
        let loaded = self.store.load(sequence).map_err(|e| store_failed(&e))?;
        let Some(message) = loaded else {
            return Ok(());
        };
        let ttl = Ttl::parse(Headers::parse(message.headers).ttl).unwrap_or(Ttl::None);
        let expiry = ttl.expiry(message.timestamp).filter(|_| self.rules.ttls);
        let deadline = |at, kind| Deadline { at, kind };
        let expire = expiry.map(|at| deadline(at, DeadlineKind::Expire));
        let schedule = next.map(|at| deadline(at, DeadlineKind::Schedule));
        let first = expire.into_iter().chain(schedule).min();
        let set = self.store.set_deadline(sequence, first);
        set.map_err(|e| store_failed(&e))
    }
}

/// Whether a made message takes over a header of what it is made from. What concerned the storing of
/// that message does not concern this one.
fn is_passed_on(key: &[u8]) -> bool {
    !(key.starts_with(b"Nats-Schedule")
        || key.starts_with(b"Nats-Expected-")
        || [name::MSG_ID, name::TTL, name::ROLLUP].contains(&key))
}
